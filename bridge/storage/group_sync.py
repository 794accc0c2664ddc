"""Who waits for the disk: all commits that were written before one sync of the log are answered by it, in their order.

Rule of this module: nobody waits for ever. Whatever ends the syncing, those who wait are told, and those who come later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from bridge.storage.errors import Unavailable
from bridge.storage.write_ahead_log import WriteAheadLog


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Who waits until the first `number` commits are on the disk, and for which answer."""

    number: int
    value: Any
    done: asyncio.Future[Any]


class GroupSync:
    """Syncs one log, again and again, and answers who waited for it."""

    def __init__(self, wal: WriteAheadLog) -> None:
        self._wal = wal
        self._written = self._synced = 0
        self._waiting: deque[_Waiting] = deque()
        self._unsynced = asyncio.Event()
        self._finished = False

    def record_commit(self) -> None:
        """Say that one more commit is in the log."""
        self._written += 1
        self._unsynced.set()

    def answer(self, done: asyncio.Future[Any], value: Any) -> None:
        """Answer with a value once everything that was written by now is on the disk."""
        if self._synced < self._written:
            self._waiting.append(_Waiting(self._written, value, done))
        else:
            answer(done, value)

    def finish(self) -> None:
        """Say that nothing more is written: `run` returns after one more sync, if there is anything to sync."""
        self._finished = True
        self._unsynced.set()

    def fail_all(self) -> None:
        """Tell all who wait that it may not be on the disk."""
        while self._waiting:
            fail(self._waiting.popleft().done, disk_failure())

    async def run(self) -> None:
        """Sync what was written until `finish`. Raises whatever ends the syncing."""
        while not self._finished or self._synced < self._written:
            await self._unsynced.wait()
            self._unsynced.clear()
            written = self._written
            await self._wal.sync()
            self._synced = written
            while self._waiting and self._waiting[0].number <= written:
                waiting = self._waiting.popleft()
                answer(waiting.done, waiting.value)


def answer(done: asyncio.Future[Any], value: Any) -> None:
    """Answer who asked, if they still can be."""
    if not done.done():
        done.set_result(value)


def fail(done: asyncio.Future[Any], error: BaseException) -> None:
    """Tell who asked what went wrong."""
    if done.done():
        return
    if isinstance(error, Exception):
        done.set_exception(error)
    else:
        # A panic of a native library is no Exception. A caller that waits must hear of it, and the writer must live.
        done.set_exception(RuntimeError(f"the commit ended with {type(error).__name__}"))


def disk_failure() -> Unavailable:
    """Return what everybody is told once the disk did not keep what was written."""
    return Unavailable("the disk did not keep what was written")
