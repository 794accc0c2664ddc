"""The database as an SQLite file: one connection writes and checkpoints, another only reads.

Rules of this module: commits are made in the event loop, one after another (`commit_queue`), and synced in a thread
(`sqlite_maintenance`). The writing connection makes checkpoints between two commits, in a thread; no other connection of
ours makes any.

Why statements run in the event loop: with four statements in a commit and 64 concurrent commits, on two busy cores, it
makes 6,300 commits a second, each answered in 9 ms (median; 19 ms at the 99th percentile). A thread that runs each
statement makes 470 a second in 126 ms (294 ms); a thread that runs a whole commit, which our asynchronous work could not
use, 900 in 81 ms. One at a time, a commit takes 1.4 ms, 3.2 ms and 3.0 ms. Work that waits for the disk has threads: the
sync, and the checkpoint with the first write after it, which syncs the log's new header.

Sources: sqlite.org/wal.html, sqlite.org/pragma.html.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

from bridge.runtime import log
from bridge.storage import sqlite_maintenance
from bridge.storage.commit_queue import CommitQueue, QueuedDatabase
from bridge.storage.database import Dialect, Row, Value, Work
from bridge.storage.errors import Unavailable
from bridge.storage.migrations import Schema
from bridge.storage.sqlite_connection import SqliteConnection, transact
from bridge.storage.sqlite_maintenance import Maintenance, PageScrubber, WriteAheadLog

T = TypeVar("T")

PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
)
CHECKPOINT_EVERY: Final = 256
"""Commits after which a checkpoint is made (some megabytes of log), as soon as no commit waits."""
CHECKPOINT_AT_MOST: Final = 1024
"""Commits after which it is copied back although a caller waits."""
SCRUBBED_AT_ONCE: Final = 256
"""Pages that are overwritten before a checkpoint that waits may have its turn."""


class SqliteDatabase(QueuedDatabase):
    """A database file. See :class:`bridge.storage.database.Database`."""

    dialect: Final = Dialect.SQLITE
    history: Final = ""

    def __init__(self, path: Path, *, schema: Schema | None = None) -> None:
        self._path = path
        self._schema = schema
        self._wal = WriteAheadLog(path)
        self._queue = CommitQueue(self._wal, transact=self._transact, after_commit=self._checkpoint_if_due)
        self._scrubber = PageScrubber(path)
        self._vacuuming = asyncio.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._writer: SqliteConnection | None = None
        self._reader: SqliteConnection | None = None
        self._statements = count(1)
        self._since_checkpoint = 0

    async def open(self) -> None:
        """Connect and migrate. Raises `DatabaseError` or `OSError` when it is unusable or newer than this program."""
        writer = self._writer = SqliteConnection(self._path)
        for pragma in PRAGMAS:
            writer.execute(pragma)
        writer.fetch("SELECT COUNT(*) FROM sqlite_master")  # the first read makes the log
        writer.set_busy_timeout(0)  # nothing in the event loop waits for a lock
        if self._schema is not None:
            await self._schema.apply(partial(transact, writer, self._statements))
        self._scrubber.open()
        reader = self._reader = SqliteConnection(self._path, read_only=True)
        reader.execute("PRAGMA cache_size = -256")  # every commit empties it: a larger one only scatters the heap
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        await asyncio.get_running_loop().run_in_executor(self._thread, _do_nothing)  # it exists from now on
        await self._wal.open()
        self._queue.start()

    async def close(self) -> None:
        """Let queued commits finish, then disconnect. Later calls raise `Unavailable`."""
        await self._queue.stop()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        self._wal.close()
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        self._scrubber.close()

    async def checkpoint(self) -> bool:
        """Empty the write-ahead log, so that no deleted row is left in it; False if that is not possible now: try again."""
        return await self._enqueue_maintenance(sqlite_maintenance.truncate_wal)

    async def vacuum(self) -> bool:
        """Overwrite all deleted data in the file and its log; False if that is not possible now: try again.

        It processes the pages that changed since the last time (at first all), some at a time, while commits continue.
        Commits then wait for the pages that they changed meanwhile. It needs no space on the disk, and frees none.
        """
        async with self._vacuuming:
            return (
                await self._scrub_changed()
                and await self._enqueue_maintenance(sqlite_maintenance.truncate_and_scrub)
                and await self._in_thread_or_false(self._scrubber.sync)
            )

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Read rows outside any transaction: what is committed, all of a commit or nothing."""
        return self._open_reader().fetch(statement, *values)

    def _open_reader(self) -> SqliteConnection:
        if self._reader is None:
            raise Unavailable("not open")
        return self._reader

    def _open_writer(self) -> SqliteConnection:
        if self._writer is None:
            raise Unavailable("not open")
        return self._writer

    async def _enqueue_maintenance(self, work: Maintenance) -> bool:
        """Do something between two commits; False when it could not be done."""
        try:
            return await self._queue.between_commits(partial(self._in_thread, work))
        except Exception as error:  # noqa: BLE001 - no memory, a damaged page: none of it may stop the line
            log.failure("database.maintenance_failed", error)
            return False

    async def _scrub_changed(self) -> bool:
        """Overwrite what deleted rows left, while commits continue; False when that failed."""
        pages: list[int] = []

        def take() -> None:
            pages.extend(self._scrubber.take())

        try:
            done = await self._in_thread_or_false(take)
            for begin in range(0, len(pages), SCRUBBED_AT_ONCE):
                some = pages[begin : begin + SCRUBBED_AT_ONCE]
                done = done and await self._in_thread_or_false(partial(self._scrubber.scrub, some))
        except asyncio.CancelledError:
            self._scrubber.require_whole_file()  # it is unknown which were left
            raise
        return done

    async def _in_thread_or_false(self, work: Callable[[], object]) -> bool:
        """Do something beside commits, in the thread of the checkpoints; False when it could not be done."""
        try:
            self._queue.require_open()
            await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Exception as error:  # noqa: BLE001 - no memory, no thread, a damaged page: none of it may stop the line
            log.failure("database.maintenance_failed", error)
            return False
        return True

    async def _transact(self, work: Work[Any]) -> Any:
        return await transact(self._open_writer(), self._statements, work)

    async def _checkpoint_if_due(self) -> None:
        """Make a checkpoint from time to time, when no commit waits, or when it is long overdue."""
        self._since_checkpoint += 1
        if self._since_checkpoint < (CHECKPOINT_EVERY if self._queue.is_idle else CHECKPOINT_AT_MOST):
            return
        self._since_checkpoint = 0
        try:
            await self._in_thread(sqlite_maintenance.checkpoint)
        except Exception as error:  # noqa: BLE001 - for instance a full disk: the log has all of it, for the next time
            log.failure("database.maintenance_failed", error)

    async def _in_thread(self, work: Maintenance) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._open_writer(), self._scrubber)


def _do_nothing() -> None:
    """Do nothing."""
