"""Whose words are on their way right now; what has time, like erasing, gives way to them.

Rules of this module: what has time is done some at once while nobody talks; while somebody does, one by one and in the
pauses; it waits for every conversation, and is starved by none.

Why one by one, and not at once when the last word is through: what the homeserver has begun when a text comes, the text
waits for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

AT_ONCE: Final = 8
"""Requests of what has time in flight while nobody talks; a homeserver answers no faster with more."""
PAUSE: Final = 0.15
"""Seconds without a word that are a pause: two that talk to each other leave longer ones."""
GIVES_WAY: Final = 0.4
"""Seconds that one of them waits for a pause, at the most."""
LATELY: Final = 2.0
"""Seconds after somebody's words in which the next ones are expected."""


class Talk:
    """Counts the words under way. `under_way` is around each; `quiet` and `turn` are for what has time."""

    def __init__(self) -> None:
        self._under_way = 0
        self._ended = -LATELY
        self._calm = asyncio.Event()
        self._calm.set()
        self._pause: asyncio.TimerHandle | None = None
        self._some, self._one = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(1)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Around bringing somebody's words to the homeserver."""
        self._under_way += 1
        self._calm.clear()
        if self._pause is not None:
            self._pause.cancel()
        try:
            yield
        finally:
            self._under_way -= 1
            self._ended = time.monotonic()
            if not self._under_way:
                self._pause = asyncio.get_running_loop().call_later(PAUSE, self._calm.set)

    async def pause(self) -> None:
        """Wait for a pause in what people say, and not for long: for what goes elsewhere than to the homeserver."""
        await self.quiet(GIVES_WAY)

    async def quiet(self, most: float) -> None:
        """Wait for a pause in what people say, but no longer than so many seconds."""
        try:
            async with asyncio.timeout(most):
                await self._calm.wait()
        except TimeoutError:
            return

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have a turn at something that has time."""
        async with self._some:
            if self._under_way == 0 and time.monotonic() - self._ended >= LATELY:
                yield
                return
            async with self._one:
                await self.pause()
                yield
