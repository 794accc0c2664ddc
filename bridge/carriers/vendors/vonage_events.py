"""What Vonage's webhooks say, and what its codes mean.

Rule of this module: a number gets the `+` that Vonage leaves out only where it is a whole one. Sources:
developer.vonage.com/api/messages, messages/concepts/messages-status-callbacks and api-errors/messages.
"""

from __future__ import annotations

import re
from typing import Any, Final

from bridge.carriers.adapter import Ignored, Inbound, InboundText, Media, Status
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.parsing import e164_or_empty, error_code, id_field, parse_iso_time, replace_unencodable, string_field
from bridge.carriers.sender_id import parse_sender

_STATUSES: Final[dict[str, Status]] = {
    "submitted": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "rejected": "failed",
    "undeliverable": "failed",
}
_NUMERIC = re.compile(r"[0-9]{4}")
_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{8,14}")


def problem_code(answer: dict[str, Any]) -> str:
    """Return the code of an error: what stands behind `#` of its `type`, or at its end; else an empty string."""
    kind = answer.get("type")
    return error_code(kind.rpartition("#")[2].rpartition("/")[2]) if isinstance(kind, str) else ""


ERROR_CODES: Final = ErrorCodes(
    accepted_statuses=frozenset({202}),
    message_id=lambda answer: answer.json.get("message_uuid"),
    error=lambda answer: problem_code(answer.json),
    codes={
        # Too fast.
        "1000": Verdict.RETRY_LATER,
        # "Illegal number": the user already sent a STOP.
        "1240": Verdict.OPTED_OUT,
    },
    retry_seconds=1.0,
)


def _with_plus(value: str) -> str:
    return f"+{value}" if _WHOLE_NUMBER.fullmatch(value) else value


def parse_webhook(body: dict[str, Any]) -> Inbound:
    """Read one inbound message, or one status, which is told by its field of that name. Raises :class:`Malformed`."""
    return _parse_report(body) if "status" in body else _parse_inbound(body)


def _parse_inbound(body: dict[str, Any]) -> Inbound:
    if string_field(body, "channel") not in ("sms", "mms"):
        return Ignored("channel")
    phone = parse_sender(_with_plus(string_field(body, "from")))
    if phone is None:
        return Ignored("channel")
    to = body.get("to")
    kind = body.get("message_type")
    media = body.get(kind) if isinstance(kind, str) and kind != "text" else None
    # A picture may come without words, and what somebody shares without an address.
    words = body.get("text") if not isinstance(media, dict) else body.get("text") or media.get("caption") or ""
    return InboundText(
        message_id=id_field(body, "message_uuid"),
        sender=phone,
        text=string_field({"text": words}, "text"),
        to=e164_or_empty(_with_plus(to)) if isinstance(to, str) else "",
        media=(_parse_media(media, replace_unencodable(str(kind))),) if isinstance(media, dict) else (),
        at=parse_iso_time(body.get("timestamp")),
    )


def _parse_media(media: dict[str, Any], kind: str) -> Media:
    url = media.get("url")
    return Media(url=replace_unencodable(url) if isinstance(url, str) else "", content_type=kind)


def _parse_report(body: dict[str, Any]) -> Inbound:
    status, error = body.get("status"), body.get("error")
    if body.get("channel", "sms") not in ("sms", "mms"):
        return Ignored("channel")
    if not isinstance(status, str) or status not in _STATUSES:
        return Ignored("event")
    return ERROR_CODES.delivery_report(id_field(body, "message_uuid"), _STATUSES[status], _failure_code(error))


def _failure_code(error: Any) -> str:
    """Read the code of a failed text: the number stands behind `#` of `type`, or is the `title`."""
    error = error.get("error", error) if isinstance(error, dict) else None
    if not isinstance(error, dict):
        return ""
    kind, title = problem_code(error), error_code(error.get("title"))
    return title if _NUMERIC.fullmatch(title) and not _NUMERIC.fullmatch(kind) else kind or title
