"""Watches whether the homeserver still sends us the events of the rooms.

Rule of this module: a stalled sync, or one that has not begun, causes one alert, at the desk and to the person on call,
after more minutes than a homeserver takes to restart. Without it nobody would notice: texts still come in.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

from bot.model.line_incidents import SyncStalled
from bridge.background.loop import BackgroundLoop

CHECK_INTERVAL: Final = 5.0
STALL_SECONDS: Final = 180.0
"""Seconds."""


class SyncWatchdog:
    """Watches whether the sync has caught up. `run` until cancelled."""

    def __init__(
        self,
        *,
        is_caught_up: Callable[[], bool],
        notify_desk: Callable[[SyncStalled], Awaitable[None]],
        interval: float = CHECK_INTERVAL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`notify_desk` tells the desk."""
        self._is_caught_up, self._notify_desk, self._monotonic = is_caught_up, notify_desk, monotonic
        self._interval, self._last_synced, self._reported = interval, monotonic(), False
        self.loop = BackgroundLoop("sync_watchdog", self.run_once, max_sleep=interval)

    async def run_once(self) -> float:
        """Check once; return the seconds until the next check."""
        if self._is_caught_up():
            self._last_synced, self._reported = self._monotonic(), False
        elif not self._reported and self._monotonic() - self._last_synced >= STALL_SECONDS:
            await self._notify_desk(SyncStalled(minutes=int((self._monotonic() - self._last_synced) // 60)))
            self._reported = True
        return self._interval
