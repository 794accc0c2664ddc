"""The one background loop: work, sleep until something is due or a wake-up comes, back off, end the process.

`run_once` does what is due and returns the seconds until it has more to do; it raises what it cannot settle itself. What
passes by itself is tried again (`backoff`). Everything else, such as a refused token or a damaged database, ends the loop
and with it the process. A wake-up that comes while `run_once` works is not lost: it runs once more at once. A loop that
backs off is not hurried.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, TypeAlias, TypeVar

from bridge.matrix.api.http_client import HomeserverError, IdentityTakenOver, TokenRefused, Transient
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleRequestRejected
from bridge.runtime import log
from bridge.storage.errors import Unavailable

T = TypeVar("T")

PASSING: Final = (Transient, HomeserverUnreachable, Unavailable, OSError)
"""What passes by itself."""
RETRIED: Final = (*PASSING, HomeserverError, ModuleRequestRejected)
"""What a loop tries again: also a refused request, since the next turn may ask for something else. `TokenRefused` is a
`HomeserverError` and is not tried again: catch it first."""
Waits: TypeAlias = tuple[float, float]
"""The first wait after a failure, and the largest, in seconds."""
DEFAULT_WAITS: Final[Waits] = (0.25, 5.0)


RETRY_SECONDS: Final = 1.0
SHORT: Final = 4
"""Owners, waiting or worked on, up to which the queue counts as short."""


class Backoff:
    """Counts failures in a row. `name`: the log event's, without its end."""

    def __init__(self, name: str, *, homeserver: Waits = DEFAULT_WAITS, storage: Waits = DEFAULT_WAITS) -> None:
        self._name, self._homeserver, self._storage = name, homeserver, storage
        self.failures = 0

    def record(self, error: BaseException) -> float:
        """Log the failure, without its text; return the seconds to wait."""
        of_homeserver = isinstance(error, (HomeserverError, HomeserverUnreachable, ModuleRequestRejected))
        first, largest = self._homeserver if of_homeserver else self._storage
        wait = min(first * 2.0 ** min(self.failures, 16), largest)
        self.failures += 1
        if isinstance(error, (HomeserverError, HomeserverUnreachable, ModuleRequestRejected)):
            log.event(f"{self._name}.homeserver_retry", status=error.status, attempt=self.failures)
        else:
            log.failure(f"{self._name}.database_retry", error, attempt=self.failures)
        return max(wait, error.retry_after) if isinstance(error, Transient) else wait

    def reset(self) -> None:
        """Note that it works again."""
        self.failures = 0


async def retry_until_done(name: str, attempt: Callable[[], Awaitable[T]], *, waits: Waits = DEFAULT_WAITS) -> T:
    """Return what `attempt` returns, tried again while it fails with what passes by itself. Raises everything else."""
    backoff = Backoff(name, homeserver=waits, storage=waits)
    while True:
        try:
            return await attempt()
        except PASSING as error:
            await asyncio.sleep(backoff.record(error))


class BackgroundLoop:
    """Runs `run_once` until cancelled. `max_sleep`: seconds after which it looks even without a wake-up, or `math.inf`."""

    def __init__(
        self,
        name: str,
        run_once: Callable[[], Awaitable[float]],
        *,
        max_sleep: float,
        retry: Waits = DEFAULT_WAITS,
        storage_retry: Waits | None = None,
    ) -> None:
        """Make it. `name`: of its log events. `storage_retry`: waits where the database fails, if others than `retry`."""
        self._run_once, self._max_sleep = run_once, max_sleep
        self._backoff = Backoff(name, homeserver=retry, storage=storage_retry or retry)
        self._pending = asyncio.Event()

    def wake(self) -> None:
        """Say that something may be due."""
        self._pending.set()

    async def run(self) -> None:
        """Work until cancelled. Raises `TokenRefused`, `IdentityTakenOver` and what no waiting heals."""
        while True:
            self._pending.clear()
            try:
                wait = min(await self._run_once(), self._max_sleep)
            except (TokenRefused, IdentityTakenOver):
                raise
            except RETRIED as error:
                await asyncio.sleep(self._backoff.record(error))
                continue
            else:
                self._backoff.reset()
            await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds if math.isfinite(seconds) else None):
                await self._pending.wait()
        except TimeoutError:
            return


async def run_each(*parts: Callable[[], Awaitable[None]]) -> None:
    """Do each part in order, also after one that failed. Raises the first error, once all were tried."""
    first: Exception | None = None
    for part in parts:
        try:
            await part()
        except Exception as error:  # noqa: BLE001 - whatever one part raises, data of the others must be deleted in time
            first = first or error
    if first is not None:
        raise first


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
