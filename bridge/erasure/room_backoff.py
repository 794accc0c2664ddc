"""Back-off per room: when expiry tries a room again for which the homeserver failed, and when the desk is alerted.

Rules of this module: such a room waits longer each time, and no other room with it. The desk is alerted at growing counts,
however many of the room's messages stay. It is in memory only: a new start tries everything anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_WAIT: Final = 5.0
MAX_WAIT: Final = 3600.0
"""Seconds that a room waits which the homeserver failed for: twice as long each time, up to an hour."""
ALERT_AT_FAILURES: Final = (10, 100, 1000)
"""Failures in a row after which the desk hears of a room: the first after an hour and a half."""
ALERT_AT_REFUSALS: Final = (1, 10, 100, 1000)
"""Rounds in which something of a room was to go and stayed, at which the desk hears of it."""
FORGET_AFTER: Final = 86_400.0
"""Seconds without trouble after which a room's trouble is over."""


@dataclass(slots=True)
class _RoomFailures:
    since: float
    last: float
    until: float = 0.0
    failures: int = 0
    refusals: int = 0


class RoomBackoff:
    """Counts what happens to rooms. Times are seconds of the bridge's clock."""

    def __init__(self) -> None:
        self._rooms: dict[str, _RoomFailures] = {}

    def backing_off(self, now: float) -> list[str]:
        """Return the rooms that are not to be tried yet, and forget whose trouble is over."""
        self._rooms = {room_id: each for room_id, each in self._rooms.items() if now - each.last < FORGET_AFTER}
        return [room_id for room_id, each in self._rooms.items() if each.until > now]

    def record_failure(self, room_id: str, now: float, after: float) -> float | None:
        """Put a room off, for `after` seconds or more; return since when, if the desk is to hear of it."""
        failures = self._failures_of(room_id, now)
        failures.failures += 1
        failures.until = now + min(max(after, FIRST_WAIT * 2.0 ** min(failures.failures - 1, 16)), MAX_WAIT)
        return failures.since if failures.failures in ALERT_AT_FAILURES else None

    def record_refusal(self, room_id: str, now: float) -> float | None:
        """Note that something of a room stays; return since when, if the desk is to hear of it."""
        failures = self._failures_of(room_id, now)
        failures.refusals += 1
        return failures.since if failures.refusals in ALERT_AT_REFUSALS else None

    def record_answer(self, room_id: str) -> None:
        """Note that the homeserver does not fail for a room any more. What it refuses may come again in an hour."""
        failures = self._rooms.get(room_id)
        if failures is None:
            return
        failures.failures = 0
        if not failures.refusals:
            del self._rooms[room_id]

    def _failures_of(self, room_id: str, now: float) -> _RoomFailures:
        failures = self._rooms.setdefault(room_id, _RoomFailures(since=now, last=now))
        failures.last = now
        return failures
