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

from bridge.background.backoff import DEFAULT_WAITS, RETRIED, Backoff, Waits
from bridge.matrix.api.http_client import IdentityTakenOver, TokenRefused


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
