"""What Bandwidth's events say, and what its codes mean.

Rules of this module: an event that cannot be read is told as that and does not take the others of its array with it; an
error of class 9 says that Bandwidth does not know what became of a text, and is never told as a failure. Sources:
dev.bandwidth.com/docs/messaging/{webhooks,errors,getMessage}.
"""

from __future__ import annotations

import re
from typing import Any, Final

from bridge.carriers.adapter import DeliveryReport, Ignored, Inbound, InboundText, Malformed, Media, Status
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.parsing import as_object, e164_or_empty, error_code, id_field, parse_iso_time, string_field
from bridge.carriers.sender_id import parse_sender

ERROR_CODES: Final = ErrorCodes(
    accepted_statuses=frozenset({202}),
    message_id=lambda answer: answer.json.get("id"),
    error=lambda answer: answer.json.get("type"),
    # An answer bears words; numbers come with the events.
    codes={
        # destination-rejected-due-to-user-opt-out
        "4775": Verdict.OPTED_OUT,
        # Its wait for a delivery receipt ran out; the carrier's code is unknown to it.
        "9902": Verdict.UNKNOWN,
        "9999": Verdict.UNKNOWN,
    },
)

STATUSES: Final[dict[str, Status]] = {
    "SENT": "sent",
    "ACCEPTED": "sent",
    "DELIVERED": "delivered",
    "FAILED": "failed",
    "UNDELIVERED": "failed",
}
_REPORTS: Final[dict[str, Status]] = {"message-sent": "sent", "message-delivered": "delivered", "message-read": "delivered"}
_ERROR_CODE = re.compile(r"[0-9]{4}")


def parse_event(event: Any) -> Inbound:
    """Read one event of an array; what is malformed is told as no text to us, so that the others count. Never raises."""
    try:
        return _read_event(as_object(event, "event"))
    except Malformed:
        return Ignored("malformed")


def parse_report(message_id: str, status: Status, error: Any) -> DeliveryReport:
    """Make a report of a status and an error code, a number of four digits or nonsense."""
    found = error_code(error)
    return ERROR_CODES.delivery_report(message_id, status, found if _ERROR_CODE.fullmatch(found) else "")


def _read_event(event: dict[str, Any]) -> Inbound:
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in ("message-received", "message-failed", *_REPORTS):
        return Ignored("event")
    message = as_object(event.get("message"), "message")
    if kind == "message-received":
        return _parse_inbound(message)
    message_id = id_field(message, "id")
    if kind == "message-failed":
        return parse_report(message_id, "failed", event.get("errorCode"))
    return DeliveryReport(message_id=message_id, status=_REPORTS[kind])


def _parse_inbound(message: dict[str, Any]) -> Inbound:
    to = message.get("to")
    if message.get("channel") not in (None, "SMS", "MMS"):
        return Ignored("channel")
    phone = parse_sender(string_field(message, "from"))
    if phone is None or (isinstance(to, list) and len(to) > 1):
        return Ignored("group")
    media = [] if message.get("media") is None else message["media"]
    if not isinstance(media, list) or not all(isinstance(url, str) for url in media):
        raise Malformed("media: not a list of URLs")
    return InboundText(
        message_id=id_field(message, "id"),
        sender=phone,
        # A picture without words has none.
        text=string_field(message, "text") if media == [] or message.get("text") is not None else "",
        to=e164_or_empty(message.get("owner")),
        # The type is told only when one is fetched.
        media=tuple(Media(url=string_field({"url": url}, "url"), content_type="") for url in media),
        at=parse_iso_time(message.get("time")),
    )
