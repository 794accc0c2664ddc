"""What the operating system may keep waiting: one call at a time, in a thread that nobody has to wait for.

Rules of this module: a file of a network drive that hangs holds the thread that asked for it until the drive is back, and
nothing ends that. So the wait has a bound, no second call is begun while one hangs, and the thread is a daemon: the end of
the process does not wait for it, as it would for one of the event loop's own (`asyncio.run`, `shutdown_default_executor`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

BOUND: Final = 10.0
"""Seconds until a call counts as one that hangs."""

T = TypeVar("T")


class StillHanging(Exception):  # noqa: N818 - it says what is so
    """The call has not ended within its bound, or the one before it has not ended yet."""


class BoundedThread:
    """Makes calls that may hang. `bound`: seconds for one."""

    def __init__(self, bound: float = BOUND) -> None:
        self._bound = bound
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Return what a call returns, and raise what it raises. Raises :class:`StillHanging`."""
        if self._thread is not None and self._thread.is_alive():
            raise StillHanging
        loop = asyncio.get_running_loop()
        done: asyncio.Future[tuple[T] | Exception] = loop.create_future()

        def set_result_once(result: tuple[T] | Exception) -> None:
            if not done.done():
                done.set_result(result)

        def call() -> None:
            result: tuple[T] | Exception
            try:
                result = (work(),)
            except Exception as error:  # noqa: BLE001 - it is raised where the call is waited for
                result = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(set_result_once, result)

        self._thread = threading.Thread(target=call, name="calendar file", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(self._bound):
                result = await done
        except TimeoutError:
            raise StillHanging from None
        self._thread = None
        if isinstance(result, Exception):
            raise result
        return result[0]
