"""What Bandwidth's events say, and what its codes mean.

Rules of this module: an event that cannot be read is told as that and does not take the others of its array with it; an
error of class 9 says that Bandwidth does not know what became of a text, and is never told as a failure. Sources:
dev.bandwidth.com/docs/messaging/{webhooks,errors,getMessage}.
"""

from __future__ import annotations

import re
from typing import Any, Final

from bridge.carriers.adapter import DeliveryReport, Inbound, InboundText, Malformed, Media, Status, Unwanted
from bridge.carriers.error_codes import Sorting, Verdict
from bridge.carriers.parsing import code, identifier, mapping, own_number, string, time_of
from bridge.carriers.sender_id import sender

SORTING: Final = Sorting(
    taken=frozenset({202}),
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


def read(event: Any) -> Inbound:
    """Read one event of an array; what is malformed is told as no text to us, so that the others count. Never raises."""
    try:
        return _event(mapping(event, "event"))
    except Malformed:
        return Unwanted("malformed")


def told(message_id: str, status: Status, error: Any) -> DeliveryReport:
    """Make a report of a status and an error code, a number of four digits or nonsense."""
    found = code(error)
    return SORTING.reported(message_id, status, found if _ERROR_CODE.fullmatch(found) else "")


def _event(event: dict[str, Any]) -> Inbound:
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in ("message-received", "message-failed", *_REPORTS):
        return Unwanted("event")
    message = mapping(event.get("message"), "message")
    if kind == "message-received":
        return _inbound(message)
    message_id = identifier(message, "id")
    if kind == "message-failed":
        return told(message_id, "failed", event.get("errorCode"))
    return DeliveryReport(message_id=message_id, status=_REPORTS[kind])


def _inbound(message: dict[str, Any]) -> Inbound:
    to = message.get("to")
    if message.get("channel") not in (None, "SMS", "MMS"):
        return Unwanted("channel")
    phone = sender(string(message, "from"))
    if phone is None or (isinstance(to, list) and len(to) > 1):
        return Unwanted("group")
    media = [] if message.get("media") is None else message["media"]
    if not isinstance(media, list) or not all(isinstance(url, str) for url in media):
        raise Malformed("media: not a list of URLs")
    return InboundText(
        message_id=identifier(message, "id"),
        sender=phone,
        # A picture without words has none.
        text=string(message, "text") if media == [] or message.get("text") is not None else "",
        to=own_number(message.get("owner")),
        # The type is told only when one is fetched.
        media=tuple(Media(url=string({"url": url}, "url"), content_type="") for url in media),
        at=time_of(message.get("time")),
    )
