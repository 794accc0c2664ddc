"""One room as the strict client shows it, and the events that it shows as unreadable for too long.

Rule of this module: it reports what a person sees; it reads nothing from the client's store.
"""

from __future__ import annotations

import math
import time
from typing import Any

import matrix_sdk_python as sdk

from tests.e2e.staff_client import TimelineItem
from tests.e2e.strict_timeline import apply_change, variant
from tests.e2e.strict_timeline import timeline_item as shown_item

UNDECRYPTABLE_SECONDS = 20.0
"""Seconds for which an event may be shown as unreadable until the client is restarted."""


class RoomTimeline:
    """The timeline of one room, kept up to date by the SDK's own thread: every change makes a new list."""

    def __init__(self, room: Any, timeline: Any) -> None:
        self.room = room
        self.timeline = timeline
        self.shown: list[Any] = []
        self._read: dict[int, tuple[Any, TimelineItem | None]] = {}
        self.task: Any = None

    async def follow(self) -> None:
        live = self

        class Listener(sdk.TimelineListener):  # type: ignore[misc]
            def on_update(self, diff: list[Any]) -> None:
                shown = list(live.shown)
                for change in diff:
                    apply_change(shown, change)
                live.shown = shown

        self.task = await self.timeline.add_listener(Listener())

    def items(self) -> list[TimelineItem]:
        """Return each event once: after a gap was paged in, the SDK may show one at both ends of it."""
        # A changed entry is another object, so a long room is converted once, and not at each look.
        entries = {id(entry): self._read.get(id(entry)) or (entry, _read(entry)) for entry in self.shown}
        self._read = entries
        items: dict[object, TimelineItem] = {}
        for number, (_, item) in enumerate(entries.values()):
            if item is not None:
                items.setdefault(item.event_id or number, item)
        return list(items.values())

    def refusal(self, body: str) -> str | None:
        """Return why the SDK gave up sending an own message with this body; None if it did not."""
        for entry in self.shown:
            event = entry.as_event()
            state = event and event.local_send_state
            given_up = state and variant(state) == "SENDING_FAILED" and not state.is_recoverable
            if given_up and shown_item(event).body == body:
                return variant(state.error)
        return None

    async def page_back(self) -> None:
        for _ in range(100):
            if await self.timeline.paginate_backwards(100):
                return
        raise AssertionError("the room's beginning was not reached in 100 pages")


def _read(entry: Any) -> TimelineItem | None:
    event = entry.as_event()
    return shown_item(event) if event else None


class UndecryptableTracker:
    """Records since when events have been shown as unreadable."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        """Event id -> until when it may be shown so; for ever after a restart of the client because of it."""

    def too_long(self, items: list[TimelineItem]) -> bool:
        """Whether to restart the client, as people do, once for events that have been unreadable for long.

        If a room's key arrives just while its events are loaded, the SDK (0.18) may have a readable event in its store and
        still show it as unreadable, however often the room is opened, until a restart. An event whose key the device did
        not get stays unreadable then, too.
        """
        now = time.monotonic()
        for item in items:
            if item.kind == "undecryptable" and item.event_id is not None:
                self._until.setdefault(item.event_id, now + UNDECRYPTABLE_SECONDS)
            else:
                self._until.pop(item.event_id or "", None)
        late = [event_id for event_id, until in self._until.items() if until <= now]
        self._until.update(dict.fromkeys(late, math.inf))
        return bool(late)
