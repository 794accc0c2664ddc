"""Measures how long the oldest event has been in the inbox.

Rule of this module: the inbox has no times, so its sequence numbers are read every few seconds; the age of an event counts
from the first read that found it or a later one. Events that were there at the start count from the start.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from bridge.background.loop import BackgroundLoop
from bridge.services import Services
from bridge.storage.errors import DatabaseError
from bridge.tables import inbox

LOOK_INTERVAL: Final = 5.0
"""Seconds between two looks: as many may be missing from an age."""


class InboxAge:
    """Looks while its `loop` runs."""

    def __init__(self, services: Services, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database, self._monotonic = services.database, monotonic
        self._looks: deque[tuple[int, float]] = deque()
        self.loop = BackgroundLoop("metrics.inbox_age", self.run_once, max_sleep=LOOK_INTERVAL)

    async def run_once(self) -> float:
        """Look once; return the seconds until the next look. A database that fails is for the line's loops to settle."""
        with contextlib.suppress(DatabaseError):
            await self.seconds()
        return LOOK_INTERVAL

    async def seconds(self) -> float:
        """Read the inbox, and return for how long the oldest event has been there; 0 when it is empty."""
        oldest, newest = await inbox.oldest_seq(self._database), await inbox.newest_seq(self._database)
        if oldest is None or newest is None:
            self._looks.clear()
            return 0.0
        now = self._monotonic()
        if not self._looks or newest > self._looks[-1][0]:
            self._looks.append((newest, now))
        while self._looks[0][0] < oldest:
            self._looks.popleft()
        return now - self._looks[0][1]
