"""What Telnyx's events say.

Rule of this module: of an event nothing is read but what a text or a report is; the carrier and line type that Telnyx
looked up for the sender are in no value of ours. Source: telnyx 4.189.0, `types/messaging_inbound_message_payload.py` and
`types/outbound_message_payload.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.carriers.adapter import DeliveryReport, Ignored, InboundText, Malformed, Media, Status
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.parsing import (
    as_object,
    e164_or_empty,
    error_code,
    id_field,
    parse_iso_time,
    replace_unencodable,
    string_field,
)
from bridge.carriers.sender_id import parse_sender

STATUSES: Final[Mapping[str, Status]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "sending_failed": "failed",
    "delivery_failed": "failed",
    "expired": "failed",
}
"""Their words for ours. `delivery_unconfirmed` is final and says that nobody knows: then `sent` is all that is true."""
OTHER_CHANNELS: Final = frozenset({"RCS", "WHATSAPP"})


def parse_inbound(payload: dict[str, Any]) -> InboundText | Ignored:
    """Read a text. Raises :class:`Malformed`."""
    message_id = id_field(payload, "id")
    if str(payload.get("type")).upper() in OTHER_CHANNELS:
        return Ignored("channel")
    ours, copies = _addresses(payload, "to"), _addresses(payload, "cc")
    if len(ours) > 1 or copies:
        return Ignored("group")
    phone = parse_sender(string_field(as_object(payload.get("from"), "from"), "phone_number"))
    if phone is None:
        return Ignored("channel")
    media = payload.get("media") or []
    if not isinstance(media, list) or not all(isinstance(item, dict) for item in media):
        raise Malformed("media: not a list of objects")
    return InboundText(
        message_id=message_id,
        sender=phone,
        # A picture may come without a word.
        text="" if payload.get("text") is None and media else string_field(payload, "text"),
        to=e164_or_empty(ours[0].get("phone_number")) if ours else "",
        media=tuple(
            Media(url=string_field(item, "url"), content_type=replace_unencodable(str(item.get("content_type") or "")))
            for item in media
        ),
        at=parse_iso_time(payload.get("received_at")),
    )


def _addresses(payload: dict[str, Any], name: str) -> list[dict[str, Any]]:
    ends = payload.get(name) or []
    if not isinstance(ends, list):
        raise Malformed(f"{name}: not a list")
    return [end if isinstance(end, dict) else {} for end in ends]


def parse_report(payload: dict[str, Any], message_id: str) -> DeliveryReport | None:
    """Read what became of a text of ours; None when that says nothing new."""
    to = payload.get("to")
    first = to[0] if isinstance(to, list) and to and isinstance(to[0], dict) else {}
    status = STATUSES.get(str(first.get("status")))
    return ERROR_CODES.delivery_report(message_id, status, first_error_code(payload)) if status else None


def first_error_code(body: dict[str, Any]) -> str:
    """Return the code of the first error, or an empty string."""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return error_code(first.get("code"))


def _message_id(body: dict[str, Any]) -> Any:
    data = body.get("data")
    return data.get("id") if isinstance(data, dict) else None


ERROR_CODES: Final = ErrorCodes(
    message_id=lambda answer: _message_id(answer.json),
    error=lambda answer: first_error_code(answer.json),
    codes={
        "40300": Verdict.OPTED_OUT,
        # The queue is full; too many requests; too many texts.
        "40318": Verdict.RETRY_LATER,
        "10011": Verdict.RETRY_LATER,
        "40011": Verdict.RETRY_LATER,
    },
)
