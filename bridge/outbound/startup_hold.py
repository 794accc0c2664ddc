"""After a start: what stands from before does not leave until it is known what was said and texted meanwhile.

Rules of this module: words that their author took back, an `!unsafe` or a STOP of the time when nobody ran are heard *and
decided upon* before any timer fires and before anything leaves for a phone that had something waiting; a homeserver or a
carrier that does not answer holds this up for `LONGEST` and no longer (DECISIONS, 1); who had nothing waiting is not held.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

from bot.model.actions import DESK
from bridge.outbound.dispatcher import Perform, Task, TryAgain
from bridge.runtime import log
from bridge.storage.database import Store

LONGEST: Final = 10.0
"""Seconds. An answer that waits for a homeserver that is down is worse than one that its author may have taken back."""
LOOK: Final = 0.02


class CatchUp:
    """Holds back what stood at the start. `begin` before anything is taken in, then `run`; `done` is set for ever."""

    def __init__(self, *, store: Store, go_on: Callable[[str], None], longest: float = LONGEST) -> None:
        """Make it. `go_on`: tell the outbox that an owner's rows are held no longer."""
        self._store, self._go_on, self._longest = store, go_on, longest
        self._held: frozenset[str] = frozenset()
        self.done = asyncio.Event()

    async def begin(self) -> None:
        """Note for whom something stands: a text on its way, or an event that may become one."""
        rows = await self._store.fetch(
            "SELECT owner FROM outbox WHERE way = 'carrier' UNION SELECT owner FROM inbox WHERE owner <> $1", DESK
        )
        self._held = frozenset(row["owner"] for row in rows)

    async def run(self, *heard: asyncio.Event) -> None:
        """Wait until all is heard (the first sync, the listing) and decided upon; then let everything go."""
        try:
            async with asyncio.timeout(self._longest):
                for each in heard:
                    await each.wait()
                await self._decided()
        except TimeoutError:
            log.event("bridge.goes_on_unheard", count=len(self._held))
        held, self._held = self._held, frozenset()
        self.done.set()
        for owner in held:
            self._go_on(owner)

    def holding(self, perform: Perform) -> Perform:
        """Return a performer that leaves rows of whom had something waiting until all is heard."""

        async def held(task: Task) -> None:
            if task.owner in self._held:
                raise TryAgain(None)
            await perform(task)

        return held

    async def _decided(self) -> None:
        """Wait until what stands in the inbox now is decided upon. What the desk tells a thread then, `texts` waits for."""
        try:
            last = await self._store.fetchval("SELECT MAX(seq) FROM inbox") or 0
            while True:
                first = await self._store.fetchval("SELECT MIN(seq) FROM inbox")
                if first is None or first > last:
                    return
                await asyncio.sleep(LOOK)
        except sqlite3.OperationalError as error:
            # Whatever keeps the database from being read keeps texts from being marked: none leaves.
            log.failure("bridge.catch_up_waits", error)
