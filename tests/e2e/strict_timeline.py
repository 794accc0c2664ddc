"""Converts the strict SDK's timeline to items.

Rule of this module: an unknown kind of change fails the test, so that none is overlooked.
"""

from __future__ import annotations

from typing import Any

from tests.e2e.staff_client import NO_SHIELD, TimelineItem

_KINDS = {"MESSAGE": "message", "REDACTED": "redacted", "UNABLE_TO_DECRYPT": "undecryptable"}
_STATE = {"ROOM_MEMBERSHIP", "PROFILE_CHANGE", "STATE"}


def variant(value: Any) -> str:
    """Return the name of a value of one of the SDK's enumerations."""
    return type(value).__name__.rsplit(".", 1)[-1]


def apply_change(shown: list[Any], change: Any) -> None:
    """Apply one change to the list of entries."""
    match variant(change):
        case "RESET":
            shown[:] = change.values
        case "APPEND":
            shown.extend(change.values)
        case "CLEAR":
            shown.clear()
        case "PUSH_FRONT":
            shown.insert(0, change.value)
        case "PUSH_BACK":
            shown.append(change.value)
        case "POP_FRONT":
            shown.pop(0)
        case "POP_BACK":
            shown.pop()
        case "INSERT":
            shown.insert(change.index, change.value)
        case "SET":
            shown[change.index] = change.value
        case "REMOVE":
            shown.pop(change.index)
        case "TRUNCATE":
            del shown[change.length :]
        case other:
            raise AssertionError(f"the SDK knows a change of the timeline that we do not: {other}")


def timeline_item(event: Any) -> TimelineItem:
    """Convert one event."""
    identity = event.event_or_transaction_id
    event_id = identity.event_id if variant(identity) == "EVENT_ID" else None
    if variant(event.content) != "MSG_LIKE":
        kind = "state" if variant(event.content) in _STATE else "other"
        return TimelineItem(sender=event.sender, kind=kind, event_id=event_id, handle=identity)
    shown = event.content.content
    kind = _KINDS.get(variant(shown.kind), "other")
    message = shown.kind.content if kind == "message" else None
    return TimelineItem(
        sender=event.sender,
        kind=kind,
        event_id=event_id,
        body=message.body if message else "",
        msgtype=variant(message.msg_type).lower() if message else "",
        edited=bool(message and message.is_edited),
        shield=_shield(event.lazy_provider.get_shields(False)),
        cause=str(shown.kind.msg) if kind == "undecryptable" else "",
        reactions={r.key: tuple(s.sender_id for s in r.senders) for r in shown.reactions},
        handle=identity,
    )


def _shield(state: Any) -> str:
    colour = variant(state).lower()
    return NO_SHIELD if colour == "none" else f"{colour} {state.code.name}"
