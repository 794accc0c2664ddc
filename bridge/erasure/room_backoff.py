"""Rooms in which the sweep does not get on: when each is tried again, and when the desk hears of it.

Rules of this module: a room that the homeserver fails for waits longer each time, and no other room with it; the desk hears
of a room at growing counts, however many of its messages stay. It stands in memory: a new start tries everything anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST: Final = 5.0
LONGEST: Final = 3600.0
"""Seconds that a room waits which the homeserver failed for: twice as long each time, up to an hour."""
FAILED: Final = (10, 100, 1000)
"""Failures in a row after which the desk hears of a room: the first after an hour and a half."""
REFUSED: Final = (1, 10, 100, 1000)
"""Rounds in which something of a room was to go and stayed, at which the desk hears of it."""
OVER: Final = 86_400.0
"""Seconds without trouble after which a room's trouble is over."""


@dataclass(slots=True)
class _Trouble:
    since: float
    last: float
    until: float = 0.0
    failed: int = 0
    refused: int = 0


class Stuck:
    """Counts what happens to rooms. Times are seconds of the bridge's clock."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Trouble] = {}

    def waiting(self, now: float) -> list[str]:
        """Return the rooms that are not to be tried yet, and forget whose trouble is over."""
        self._rooms = {room_id: each for room_id, each in self._rooms.items() if now - each.last < OVER}
        return [room_id for room_id, each in self._rooms.items() if each.until > now]

    def failed(self, room_id: str, now: float, after: float) -> float | None:
        """Put a room off, for `after` seconds or more; return since when, if the desk is to hear of it."""
        trouble = self._trouble(room_id, now)
        trouble.failed += 1
        trouble.until = now + min(max(after, FIRST * 2.0 ** min(trouble.failed - 1, 16)), LONGEST)
        return trouble.since if trouble.failed in FAILED else None

    def refused(self, room_id: str, now: float) -> float | None:
        """Note that something of a room stays; return since when, if the desk is to hear of it."""
        trouble = self._trouble(room_id, now)
        trouble.refused += 1
        return trouble.since if trouble.refused in REFUSED else None

    def answered(self, room_id: str) -> None:
        """Note that the homeserver does not fail for a room any more. What it refuses may come again in an hour."""
        trouble = self._rooms.get(room_id)
        if trouble is None:
            return
        trouble.failed = 0
        if not trouble.refused:
            del self._rooms[room_id]

    def _trouble(self, room_id: str, now: float) -> _Trouble:
        trouble = self._rooms.setdefault(room_id, _Trouble(since=now, last=now))
        trouble.last = now
        return trouble
