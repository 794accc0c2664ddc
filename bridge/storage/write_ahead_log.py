"""What stands between a commit that is written and one that survives a power cut: the write-ahead log of one database.

Why not `synchronous = FULL`: it syncs inside the COMMIT, in which nobody else can write, and a caller that needs two
commits waits for the disk twice. With NORMAL a COMMIT only writes. The same `fdatasync` is then asked for here, behind it,
by a thread: everything written until then is on the disk after it, in its order, so those who wait share it, and a decision
is made while what it rests on is on its way to the disk. What must not be known before waits for it (`Database.synced`).

Rule of this module: its thread starts with it, so that no sync can fail because no thread can be had.

Sources: sqlite.org/pragma.html#pragma_synchronous (NORMAL: whole and in order, not durable), sqlite.org/walformat.html (a
commit stands in the log alone), fdatasync(2) (and what it says of errors: what was not kept once may be said to be kept).
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_fdatasync = getattr(os, "fdatasync", os.fsync)
"""Where a system has no `fdatasync`, it syncs the times of the file as well."""


class WriteAheadLog:
    """The log of the database at `path`. `open` and `close` as often as the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Take hold of the log, which stands as long as anybody has the database open, and sync it. Raises `OSError`."""
        self._descriptor = os.open(f"{self._path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
        await self.sync()

    async def sync(self) -> None:
        """Return when everything written before is on the disk. Raises `OSError` when it may not be, now or ever."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._sync)

    def close(self) -> None:
        """Let go of it."""
        if self._thread is not None:
            self._thread.shutdown()
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._thread = None

    def _sync(self) -> None:
        if self._descriptor is None:
            raise OSError
        _fdatasync(self._descriptor)
