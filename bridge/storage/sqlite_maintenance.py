"""The work that waits for the disk: syncing the log after commits, maintenance between commits, making and clearing files.

Rules of this module: everything here may wait for the disk, so it runs in threads. Work between two commits blocks all
writers, so its time must not grow with the file. Transactions and their order belong to `sqlite_database`. The log's thread
starts when the log is opened, so that no sync fails for want of a thread.

Why not `synchronous = FULL`: it syncs inside the COMMIT, during which no other commit can be written, and a caller that
needs two commits waits for the disk twice. With NORMAL a COMMIT only writes. A thread here then makes the same `fdatasync`:
after it, everything written before is on the disk, in order. So waiting commits share one sync, and the next decision is
made while the commit that it depends on is being synced. Code that must not act before the sync waits for it
(`Database.synced`).

Sources: sqlite.org/wal.html, sqlite.org/pragma.html (synchronous: NORMAL is whole and in order, not durable;
wal_checkpoint, shrink_memory), sqlite.org/walformat.html (a commit stands in the log alone), fdatasync(2) (and what it says
of errors: what was not kept once may be said to be kept).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

from bridge.storage.page_scrubber import PageScrubber
from bridge.storage.sqlite_connection import SqliteConnection

Maintenance: TypeAlias = Callable[[SqliteConnection, PageScrubber], bool]
"""Work with the writing connection between two commits, in a thread."""

SHORT_BUSY_MS: Final = 100
"""For work during which no commit is possible, and that is tried again anyway."""
CHUNK: Final = 1 << 16
_fdatasync = getattr(os, "fdatasync", os.fsync)
"""On systems without `fdatasync`: it syncs the file's times as well."""


class WriteAheadLog:
    """The log of the database at `path`. `open` and `close` as often as the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Open the log, which exists as long as any process has the database open, and sync it. Raises `OSError`."""
        self._descriptor = os.open(f"{self._path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
        await self.sync()

    async def sync(self) -> None:
        """Return when everything written before is on the disk. Raises `OSError` when it may not be, now or ever."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._sync)

    def close(self) -> None:
        """Close the log."""
        if self._thread is not None:
            self._thread.shutdown()
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._thread = None

    def _sync(self) -> None:
        if self._descriptor is None:
            raise OSError
        _fdatasync(self._descriptor)


def checkpoint(writer: SqliteConnection, scrubber: PageScrubber) -> bool:
    """Copy the log back into the tables as far as readers let it, and begin it again; True.

    The first write after it syncs the log's new header inside its COMMIT: so that is done here, and not in the event loop.
    Raises `DatabaseError` and `OSError`.
    """
    scrubber.note_log()
    writer.fetch("PRAGMA wal_checkpoint(PASSIVE)")
    writer.execute("PRAGMA user_version = 0")
    return True


def truncate_wal(writer: SqliteConnection, scrubber: PageScrubber) -> bool:
    """Empty the write-ahead log; False while a person reads from it. Raises `DatabaseError` and `OSError`."""
    scrubber.note_log()
    writer.set_busy_timeout(SHORT_BUSY_MS)
    try:
        row = writer.fetchrow("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        writer.set_busy_timeout(0)
    return row is not None and row["busy"] == 0 and row["log"] == 0


def truncate_and_scrub(writer: SqliteConnection, scrubber: PageScrubber) -> bool:
    """Empty the log, and overwrite what deleted rows left in the changed pages; False while a reader uses the log.

    The connection drops its page cache: otherwise it would write the old bytes back with the next change. Raises
    `DatabaseError` and `OSError`.
    """
    if not truncate_wal(writer, scrubber) or scrubber.is_whole_file_due:
        return False
    scrubber.scrub(scrubber.take())
    writer.execute("PRAGMA shrink_memory")
    return True


def create(path: Path, mode: int) -> None:
    """Make a file of that mode if there is none: its name is on the disk, or a power cut takes it and all that it holds."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def overwrite(path: Path) -> None:
    """Fill a file with zeros where it lies, durably. None is no error."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remaining_bytes = os.fstat(descriptor).st_size
        while remaining_bytes:
            remaining_bytes -= os.write(descriptor, bytes(min(remaining_bytes, CHUNK)))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
