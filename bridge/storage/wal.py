"""What stands between a commit that is written and one that survives a power cut: the write-ahead log of one database.

Why not `synchronous = FULL`: it syncs inside the COMMIT, in which nobody else can write, and whoever needs two commits
waits for the disk twice. With NORMAL a COMMIT only writes. The same `fdatasync` is then asked for here, behind it, by a
thread: everything written until then is on the disk after it, in its order, so those who wait share it, and a decision is
made while what it rests on is on its way to the disk. What must not be known before waits for it (`Database.synced`).

The log is copied back into the database by another thread, for which no COMMIT and no sync waits.

Sources: sqlite.org/pragma.html#pragma_synchronous (NORMAL: whole and in order, not durable), sqlite.org/wal.html (section
4: a checkpoint syncs by itself), sqlite.org/walformat.html (a commit stands in the log alone).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

CHECKPOINT_EVERY: Final = 256
"""Commits after which the log is copied back: some megabytes."""

_fdatasync = getattr(os, "fdatasync", os.fsync)
"""Where a system has no `fdatasync`, it syncs the times of the file as well."""


class WriteAheadLog:
    """The log of the database at `path`. `open` and `close` as often as the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log: int | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._checkpointing: asyncio.Future[None] | None = None
        self._written = 0

    def open(self) -> None:
        """Take hold of the log, which stands as long as anybody has the database open."""
        self._log = os.open(f"{self._path}-wal", os.O_RDONLY)
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="disk")

    async def close(self) -> None:
        """Let go of it."""
        if self._checkpointing is not None:
            await self._checkpointing
        if self._threads is not None:
            self._threads.shutdown()
        if self._log is not None:
            os.close(self._log)
        self._log = self._threads = self._checkpointing = None

    async def sync(self) -> None:
        """Return when everything written before is on the disk. Raises `OSError` when it may not be, now or ever."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._sync)

    def record_commit(self) -> None:
        """Say that one more commit was written; from time to time the log is copied back."""
        self._written += 1
        if self._written >= CHECKPOINT_EVERY and (self._checkpointing is None or self._checkpointing.done()):
            self._written = 0
            self._checkpointing = asyncio.get_running_loop().run_in_executor(self._threads, self._checkpoint)

    def _sync(self) -> None:
        if self._log is None:
            raise OSError
        _fdatasync(self._log)

    def _checkpoint(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.OperationalError:
            return  # on a full disk, say: all of it stands in the log, and is copied the next time
        finally:
            connection.close()
