"""A queue of owners: each is worked on by one task at a time, and by as many tasks as there are owners, up to a bound.

Rules of this module: an owner stands in the queue once, however often it is woken. An owner with the lower rank when woken
comes first, and within a rank who was woken first. A wake-up that comes while an owner is
worked on makes one more turn, so that no row is forgotten. When the database is not available the owner waits its back-off
and comes again; nothing is lost, because the rows stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

from bridge.runtime import log
from bridge.storage.errors import Unavailable

RETRY_SECONDS: Final = 1.0
SHORT: Final = 4
"""Owners, waiting or worked on, up to which the queue counts as short."""


class OwnerQueue:
    """Owners that something stands for. `work` does all of an owner's, and is run until cancelled by `run`."""

    def __init__(
        self,
        name: str,
        work: Callable[[str], Awaitable[None]],
        *,
        workers: int,
        rank: Callable[[str], int] = lambda _owner: 0,
    ) -> None:
        """Make it. `name`: of its log events. `work` may raise `Unavailable` and OSError; everything else ends `run`."""
        self._name, self._perform, self._workers, self._rank = name, work, workers, rank
        self._ready: asyncio.PriorityQueue[tuple[int, int, str]] = asyncio.PriorityQueue()
        self._order = count()
        self._present: set[str] = set()
        self._working: set[str] = set()
        self._woken_at_work: set[str] = set()
        self._short = asyncio.Event()
        self._short.set()

    def wake(self, owner: str) -> None:
        """Say that something may stand for this owner."""
        if owner in self._working:
            self._woken_at_work.add(owner)
        elif owner not in self._present:
            self._present.add(owner)
            self._put(owner)
            if len(self._present) > SHORT:
                self._short.clear()

    async def wait_until_short(self) -> None:
        """Wait until hardly any owner waits."""
        await self._short.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            _, _, owner = await self._ready.get()
            self._working.add(owner)
            try:
                await self._perform(owner)
            except (Unavailable, OSError) as error:
                # The disk is full or the file is busy, for everybody.
                log.failure(f"{self._name}.database_retry", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._woken_at_work.add(owner)
            finally:
                self._working.discard(owner)
            self._finish(owner)

    def _put(self, owner: str) -> None:
        self._ready.put_nowait((self._rank(owner), next(self._order), owner))

    def _finish(self, owner: str) -> None:
        if owner in self._woken_at_work:
            self._woken_at_work.discard(owner)
            self._put(owner)
            return
        self._present.discard(owner)
        if len(self._present) <= SHORT:
            self._short.set()
