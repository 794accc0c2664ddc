"""Time, injected: seconds since the epoch, which never jump while the process lives.

Rule of this module: convert a time that another program stamped (`to_bridge_time`) before you compare it with this clock.
Other programs follow the machine's clock, or the time of day that a person set it to.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

# If the system has it: a clock that runs while the machine sleeps.
_CLOCK_ID: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds_since_boot() -> float:
    """Return seconds on a clock that cannot be set and that runs while the machine sleeps."""
    return time.clock_gettime(_CLOCK_ID)


class Clock(Protocol):
    """The bridge's time."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def system_time(self) -> float:
        """Return the machine's own clock, which a person may have set; seconds since the epoch."""


def to_bridge_time(clock: Clock, at: float) -> float:
    """Convert a time that another program stamped to our clock; a time that it stamps now becomes our now."""
    return at - system_clock_offset(clock)


def system_clock_offset(clock: Clock) -> float:
    """Return by how many seconds the machine's clock was set forward since the start."""
    return clock.system_time() - clock.now()


def said_at(clock: Clock, at: float, server_time: float | None) -> float:
    """Return when words were said that a server stamped with its own clock, which shows `server_time` now, if it says so.

    Never in the future; and no later than by the server's own clock: ours may be behind, as after a pause of a virtual
    machine until the time service sets it, and words that came meanwhile would seem new.
    """
    now = clock.now()
    return min(to_bridge_time(clock, at), now, now if server_time is None else now - (server_time - at))


class SteadyClock:
    """The machine's clock at the start, or `not_before` where that is later, plus the time that has passed since.

    When a person sets the machine's clock, undo windows and waits keep their length; `timers` tells the desk. Times of day
    (opening hours, quiet hours) follow the machine's clock.
    """

    def __init__(self, *, not_before: float = 0.0) -> None:
        self._start = max(time.time(), not_before) - time.clock_gettime(_CLOCK_ID)

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._start + time.clock_gettime(_CLOCK_ID)

    def system_time(self) -> float:
        """Return the machine's own clock."""
        return time.time()
