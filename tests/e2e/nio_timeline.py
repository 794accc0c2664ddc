"""Converts a room's events, as nio parsed them, to what a person sees: edits, reactions and redactions applied.

Rule of this module: only the original author's edit counts, as in every client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import nio

from tests.e2e.staff_client import NO_SHIELD, TimelineItem

_Shown = dict[str, TimelineItem]


def timeline_items(events: list[Any], signed: Mapping[str, set[str]]) -> list[TimelineItem]:
    """Return items, oldest first. `signed`: for each sender, the curve25519 keys of the devices they have signed."""
    items: _Shown = {}
    taps: dict[str, tuple[str, str, str]] = {}
    for event in events:
        match event:
            case nio.ReactionEvent():
                taps[event.event_id] = (event.reacts_to, event.key, event.sender)
            case nio.RedactionEvent():
                taps.pop(event.redacts, None)
                if event.redacts in items:
                    old = items[event.redacts]
                    items[event.redacts] = TimelineItem(sender=old.sender, kind="redacted", event_id=old.event_id)
            case _ if _target(event):
                _edit(items, event)
            case _:
                items[event.event_id] = _item(event, signed)
    for target, key, sender in taps.values():
        if target in items:
            had = items[target].reactions
            items[target] = replace(items[target], reactions={**had, key: (*had.get(key, ()), sender)})
    return list(items.values())


def _target(event: Any) -> str | None:
    relation = event.source.get("content", {}).get("m.relates_to", {})
    if isinstance(event, nio.MegolmEvent) or relation.get("rel_type") != "m.replace":
        return None
    return str(relation.get("event_id"))


def _edit(items: _Shown, event: Any) -> None:
    old = items.get(str(_target(event)))
    if old is None or old.sender != event.sender:
        return
    body = str(event.source["content"].get("m.new_content", {}).get("body", ""))
    items[str(old.event_id)] = replace(old, body=body, edited=True)


def _item(event: Any, signed: Mapping[str, set[str]]) -> TimelineItem:
    if isinstance(event, nio.MegolmEvent):
        return TimelineItem(sender=event.sender, kind="undecryptable", event_id=event.event_id, cause="no key")
    if isinstance(event, nio.RedactedEvent):
        return TimelineItem(sender=event.sender, kind="redacted", event_id=event.event_id)
    content = event.source.get("content", {})
    if event.source.get("type") != "m.room.message":
        return TimelineItem(sender=event.sender, kind="state", event_id=event.event_id)
    return TimelineItem(
        sender=event.sender,
        kind="message",
        event_id=event.event_id,
        body=str(content.get("body", "")),
        msgtype=str(content.get("msgtype", "")).removeprefix("m."),
        shield=_shield(event, signed),
    )


def _shield(event: Any, signed: Mapping[str, set[str]]) -> str:
    if not event.decrypted:
        return "red SENT_IN_CLEAR"
    return NO_SHIELD if event.sender_key in signed.get(event.sender, set()) else "red UNSIGNED_DEVICE"
