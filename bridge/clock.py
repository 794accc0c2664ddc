"""Time, injected. Wall time in seconds since the epoch for what is kept, monotonic seconds for what is measured."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the bridge knows of time."""

    def wall(self) -> float:
        """Seconds since the epoch; may jump."""

    def monotonic(self) -> float:
        """Seconds since some start; never jumps."""


class SystemClock:
    """The machine's clock."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()
