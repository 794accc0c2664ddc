"""Time, injected: seconds since the epoch, in steps that never jump while the process lives."""

from __future__ import annotations

import time
from typing import Final, Protocol

# Where the system has it: a clock that goes on while the machine sleeps.
_PASSING: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """What the bridge knows of time."""

    def wall(self) -> float:
        """Return seconds since the epoch."""


class SteadyClock:
    """The machine's clock as it stood at the start, carried on by time that passes.

    When somebody sets the machine's clock, undo windows and waits stay as long as they were; `timers` tells the desk.
    """

    def __init__(self) -> None:
        self._start = time.time() - time.clock_gettime(_PASSING)

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return self._start + time.clock_gettime(_PASSING)
