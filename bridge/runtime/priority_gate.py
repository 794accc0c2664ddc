"""A gate between conversations and background work: erasing and similar work waits for texts under way.

Rules of this module: while no message is under way, several background steps run at once; otherwise they run one by one, in
the pauses. A background step waits for every conversation, but for a bounded time.

Why one by one: the homeserver finishes begun requests before it takes a text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

MAX_BACKGROUND: Final = 8
"""Background requests at once while no message is under way; a homeserver answers no faster with more."""
PAUSE_SECONDS: Final = 0.15
"""Seconds without a word that are a pause: two that talk to each other leave longer ones."""
MAX_YIELD_SECONDS: Final = 0.4
"""Seconds that one of them waits for a pause, at the most."""
RECENT_SECONDS: Final = 2.0
"""Seconds after a person's words in which the next ones are expected."""


class PriorityGate:
    """Counts the messages under way. `foreground` is around each; `wait_for_pause`, `background` are for other work."""

    def __init__(self) -> None:
        self._in_foreground = 0
        self._last_ended = -RECENT_SECONDS
        self._paused = asyncio.Event()
        self._paused.set()
        self._pause_timer: asyncio.TimerHandle | None = None
        self._background, self._single = asyncio.Semaphore(MAX_BACKGROUND), asyncio.Semaphore(1)

    @contextmanager
    def foreground(self) -> Iterator[None]:
        """Around bringing a person's words to the homeserver."""
        self._in_foreground += 1
        self._paused.clear()
        if self._pause_timer is not None:
            self._pause_timer.cancel()
        try:
            yield
        finally:
            self._in_foreground -= 1
            self._last_ended = time.monotonic()
            if not self._in_foreground:
                self._pause_timer = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._paused.set)

    async def yield_to_foreground(self) -> None:
        """Wait for a pause between messages, for a short time: for work that does not use the homeserver."""
        await self.wait_for_pause(MAX_YIELD_SECONDS)

    async def wait_for_pause(self, seconds: float) -> None:
        """Wait for a pause in what people say, but no longer than so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._paused.wait()
        except TimeoutError:
            return

    @asynccontextmanager
    async def background(self) -> AsyncIterator[None]:
        """Have a turn at something that has time."""
        async with self._background:
            if self._in_foreground == 0 and time.monotonic() - self._last_ended >= RECENT_SECONDS:
                yield
                return
            async with self._single:
                await self.yield_to_foreground()
                yield
