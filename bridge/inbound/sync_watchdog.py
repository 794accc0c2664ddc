"""Watches whether the homeserver still sends us what is written in the rooms.

Rule of this module: a stalled sync causes one alert, at the desk and to the person on call, after more minutes than a
homeserver takes to restart. Nobody notices it otherwise: texts still come in, and still reach the rooms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bot.model.line_incidents import SyncStalled

CHECK_INTERVAL: Final = 5.0
STALL_SECONDS: Final = 180.0
"""Seconds."""


class SyncWatchdog:
    """Watches the sync's `caught_up`. `run` until cancelled."""

    def __init__(
        self,
        *,
        caught_up: asyncio.Event,
        notify_desk: Callable[[SyncStalled], Awaitable[None]],
        interval: float = CHECK_INTERVAL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make it. `notify_desk` tells the desk."""
        self._caught_up, self._notify_desk, self._interval, self._monotonic = caught_up, notify_desk, interval, monotonic

    async def run(self) -> None:
        """Watch until cancelled."""
        last_synced, reported = self._monotonic(), False
        while True:
            await asyncio.sleep(self._interval)
            if self._caught_up.is_set():
                last_synced, reported = self._monotonic(), False
            elif not reported and self._monotonic() - last_synced >= STALL_SECONDS:
                reported = True
                await self._notify_desk(SyncStalled(minutes=int((self._monotonic() - last_synced) // 60)))
