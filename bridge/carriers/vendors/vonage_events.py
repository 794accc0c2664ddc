"""What Vonage's webhooks say, and what its codes mean.

Rule of this module: a number gets the `+` that Vonage leaves out only where it is a whole one. Sources:
developer.vonage.com/api/messages, messages/concepts/messages-status-callbacks and api-errors/messages.
"""

from __future__ import annotations

import re
from typing import Any, Final

from bridge.carriers.adapter import Inbound, InboundText, Media, Status, Unwanted
from bridge.carriers.error_codes import Sorting, Verdict
from bridge.carriers.parsing import clean, code, identifier, own_number, string, time_of
from bridge.carriers.sender_id import sender

_STATUSES: Final[dict[str, Status]] = {
    "submitted": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "rejected": "failed",
    "undeliverable": "failed",
}
_NUMERIC = re.compile(r"[0-9]{4}")
_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{8,14}")


def problem(answer: dict[str, Any]) -> str:
    """Return the code of an error: what stands behind `#` of its `type`, or at its end; else an empty string."""
    kind = answer.get("type")
    return code(kind.rpartition("#")[2].rpartition("/")[2]) if isinstance(kind, str) else ""


SORTING: Final = Sorting(
    taken=frozenset({202}),
    message_id=lambda answer: answer.json.get("message_uuid"),
    error=lambda answer: problem(answer.json),
    codes={
        # Too fast.
        "1000": Verdict.FOR_NOW,
        # "Illegal number": the user already sent a STOP.
        "1240": Verdict.OPTED_OUT,
    },
    patience=1.0,
)


def _whole(value: str) -> str:
    return f"+{value}" if _WHOLE_NUMBER.fullmatch(value) else value


def read(body: dict[str, Any]) -> Inbound:
    """Read one inbound message, or one status, which is told by its field of that name. Raises :class:`Malformed`."""
    return _report(body) if "status" in body else _inbound(body)


def _inbound(body: dict[str, Any]) -> Inbound:
    if string(body, "channel") not in ("sms", "mms"):
        return Unwanted("channel")
    phone = sender(_whole(string(body, "from")))
    if phone is None:
        return Unwanted("channel")
    to = body.get("to")
    kind = body.get("message_type")
    media = body.get(kind) if isinstance(kind, str) and kind != "text" else None
    # A picture may come without words, and what somebody shares without an address.
    words = body.get("text") if not isinstance(media, dict) else body.get("text") or media.get("caption") or ""
    return InboundText(
        message_id=identifier(body, "message_uuid"),
        sender=phone,
        text=string({"text": words}, "text"),
        to=own_number(_whole(to)) if isinstance(to, str) else "",
        media=(_media(media, clean(str(kind))),) if isinstance(media, dict) else (),
        at=time_of(body.get("timestamp")),
    )


def _media(media: dict[str, Any], kind: str) -> Media:
    url = media.get("url")
    return Media(url=clean(url) if isinstance(url, str) else "", content_type=kind)


def _report(body: dict[str, Any]) -> Inbound:
    status, error = body.get("status"), body.get("error")
    if body.get("channel", "sms") not in ("sms", "mms"):
        return Unwanted("channel")
    if not isinstance(status, str) or status not in _STATUSES:
        return Unwanted("event")
    return SORTING.reported(identifier(body, "message_uuid"), _STATUSES[status], _told(error))


def _told(error: Any) -> str:
    """Read the code of a failed text: the number stands behind `#` of `type`, or is the `title`."""
    error = error.get("error", error) if isinstance(error, dict) else None
    if not isinstance(error, dict):
        return ""
    kind, title = problem(error), code(error.get("title"))
    return title if _NUMERIC.fullmatch(title) and not _NUMERIC.fullmatch(kind) else kind or title
