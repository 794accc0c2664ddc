"""One room as the strict client shows it, and what of it the client shows as unreadable for too long.

Rule of this module: what is shown here is what a person sees; nothing is taken from the client's store.
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
"""Seconds that an event is shown as unreadable until the client is started again."""


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
        """Each event once: after a gap that was paged in, the SDK may show one at both ends of it."""
        # An entry that changes is another object; a long room is read once, and not at each look.
        read = {id(entry): self._read.get(id(entry)) or (entry, _read(entry)) for entry in self.shown}
        self._read = read
        found: dict[object, TimelineItem] = {}
        for number, (_, item) in enumerate(read.values()):
            if item is not None:
                found.setdefault(item.event_id or number, item)
        return list(found.values())

    def refusal(self, body: str) -> str | None:
        """Why the SDK gave up sending an own message with this body; None when it did not."""
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
    """Remembers since when events have been shown as unreadable."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        """Event id -> until when it may be shown so; for ever, once the client was started again for it."""

    def too_long(self, items: list[TimelineItem]) -> bool:
        """Whether to start the client again, as people do, once for what has been shown as unreadable for long.

        Where a room's key comes just while its events are loaded, the SDK (0.18) may have one readable in its store and
        show it as unreadable all the same, however often the room is opened, until the next start. What the device was
        not given stays unreadable then, too.
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
