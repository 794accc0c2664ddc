"""Whether the homeserver tells us what is said in the rooms.

Rule of this module: that nobody is heard is said once each time, at the desk and to whoever is on call, after as many
minutes as no restart of a homeserver takes. Nobody notices it otherwise: texts still come in, and still reach the rooms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bot.model.line_incidents import Unheard

LOOK: Final = 5.0
PATIENCE: Final = 180.0
"""Seconds."""


class Hearing:
    """Watches the sync's `caught_up`. `run` until cancelled."""

    def __init__(
        self,
        *,
        caught_up: asyncio.Event,
        tell: Callable[[Unheard], Awaitable[None]],
        look: float = LOOK,
        passing: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make it. `tell` tells the desk."""
        self._caught_up, self._tell, self._look, self._passing = caught_up, tell, look, passing

    async def run(self) -> None:
        """Watch until cancelled."""
        heard, told = self._passing(), False
        while True:
            await asyncio.sleep(self._look)
            if self._caught_up.is_set():
                heard, told = self._passing(), False
            elif not told and self._passing() - heard >= PATIENCE:
                told = True
                await self._tell(Unheard(minutes=int((self._passing() - heard) // 60)))
