"""The main database: one writer, and a connection to read from beside it.

Rules of this module: what must be true together is written by one `commit`; a commit once begun is finished, whoever is
cancelled meanwhile; nothing inside a commit waits for a network. A commit is answered when it is on the disk, or, where the
caller says so, when it is written: then nothing outside may know of it before `synced` (see `disk`). mautrix keeps its
connection and its "in a transaction" flag in process-wide context variables (facts-matrix, section 4), so every commit runs
in one task with a context of its own, and no other database may be touched inside it.

Sources: sqlite.org/wal.html, sqlite.org/lang_transaction.html (section 3.1, what rolls back by itself).
"""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import quote

from mautrix.util.async_db import Database as MautrixDatabase
from mautrix.util.async_db import UpgradeTable
from mautrix.util.async_db.aiosqlite import POSITIONAL_PARAM_PATTERN
from mautrix.util.async_db.connection import LoggingConnection
from yarl import URL

from bridge.runtime import log
from bridge.storage import sqlite
from bridge.storage.wal import WriteAheadLog

T = TypeVar("T")
Connection: TypeAlias = LoggingConnection
Work: TypeAlias = Callable[[LoggingConnection], Awaitable[T]]

WRITER_STOPS: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What ends the writer itself."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A commit somebody waits for, or work between two commits (`between`) on the connection itself."""

    done: asyncio.Future[Any]
    work: Work[Any] | None = None
    synced: bool = True
    between: Callable[[sqlite3.Connection], bool] | None = None

    def answer(self, value: Any, error: BaseException | None = None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(value)
        elif isinstance(error, Exception):
            self.done.set_exception(error)
        else:
            # A panic of a native library is no Exception. Whoever waits must hear of it, and the writer must live.
            self.done.set_exception(RuntimeError(f"the commit ended with {type(error).__name__}"))


class Database:
    """A database file with its one writer. `open` migrates; `close` finishes what was begun."""

    def __init__(self, path: Path, *, upgrades: Sequence[UpgradeTable]) -> None:
        self.db: MautrixDatabase = sqlite.SqliteDatabase(
            # A `#` or `?` in a directory's name is a letter like any other, and `%41` is not an A.
            URL(f"sqlite:///{quote(str(path.absolute()))}", encoded=True),
            upgrade_table=UpgradeTable(),
            db_args={"init_commands": list(sqlite.PRAGMAS), "min_size": 1},
        )
        self._path = path
        self._upgrades = upgrades
        self._requests: asyncio.Queue[_Request | None] = asyncio.Queue()
        self._wal = WriteAheadLog(path)
        self._tasks: list[asyncio.Task[None]] = []
        self._reader: sqlite3.Connection | None = None
        self._unsynced = asyncio.Event()
        self._commits_written = self._commits_synced = 0
        self._waiting: deque[tuple[int, _Request, Any]] = deque()
        self._disk_failed = asyncio.Event()

    async def open(self) -> None:
        """Connect and migrate. Raises what the database raises when the file is unusable or newer than this program."""
        await self.db.start()
        for table in self._upgrades:
            await table.upgrade(self.db)
        self._reader = sqlite.open_reader(self._path)
        await self.db.fetchval("SELECT COUNT(*) FROM sqlite_master")  # the log stands from the first look on
        self._wal.open()
        await self._wal.sync()
        self._tasks = [
            asyncio.create_task(self._write_loop(), name="writer", context=contextvars.Context()),
            asyncio.create_task(self._sync_loop(), name="syncer"),
        ]

    async def close(self) -> None:
        """Let queued commits finish, then disconnect."""
        if self._tasks:
            self._requests.put_nowait(None)
            await asyncio.gather(*self._tasks)
            self._tasks = []
        await self._wal.close()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        await self.db.stop()

    async def wait_for_disk_failure(self) -> None:
        """Never return. Raises `OSError` once the disk did not keep what was written: only a new start helps then."""
        await self._disk_failed.wait()
        raise OSError("the disk did not keep what was written")

    async def commit(self, work: Work[T], *, synced: bool = True) -> T:
        """Run `work` in one transaction and return its value; on an exception nothing of it is kept.

        The caller may be cancelled; the work is not. When the database cannot keep it, `sqlite3.OperationalError`: it may
        be tried again. `synced`: it returns when the commit is on the disk; otherwise when others can read it, and a power
        cut may take it back, with all that came after it and nothing that came before.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._requests.put_nowait(_Request(done, work, synced))
        return await asyncio.shield(done)

    async def synced(self) -> None:
        """Wait until everything that was written by now is on the disk. Raises `sqlite3.OperationalError`."""
        if self._disk_failed.is_set():
            raise _disk_failure()
        if self._commits_synced < self._commits_written:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((self._commits_written, _Request(done), None))
            await asyncio.shield(done)

    async def checkpoint(self) -> bool:
        """Empty the write-ahead log, so that no deleted row is left in it; False while that cannot be: try again.

        Source: sqlite.org/pragma.html#pragma_wal_checkpoint.
        """
        return await self._enqueue_between(sqlite.truncate_wal)

    async def vacuum(self) -> bool:
        """Write the whole file anew and empty the log, so that nothing deleted is in any byte of either; False: try again.

        `secure_delete` overwrites a row where it is, and not where it was before its page was balanced. Nobody commits
        meanwhile: 5 to 14 ms for each MiB. Source: sqlite.org/lang_vacuum.html.
        """
        return await self._enqueue_between(sqlite.vacuum)

    async def _enqueue_between(self, work: Callable[[sqlite3.Connection], bool]) -> bool:
        """Do something between two commits, and off the event loop; False when it could not be done."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._requests.put_nowait(_Request(done, between=work))
        try:
            return await asyncio.shield(done)
        except Exception as error:  # noqa: BLE001 - no memory, no thread, a damaged page: none of it may stop the line
            log.failure("database.maintenance_failed", error)
            return False

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Read rows outside any transaction: what is committed, all of a commit or nothing."""
        if self._reader is None or not query.lstrip().startswith("SELECT"):
            return list(await self.db.fetch(query, *args))
        return self._reader.execute(POSITIONAL_PARAM_PATTERN.sub(r"?\1", query), args).fetchall()

    async def fetchrow(self, query: str, *args: Any) -> Any | None:
        """Read one row, or None."""
        rows = await self.fetch(query, *args)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Read one value, or None."""
        row = await self.fetchrow(query, *args)
        return None if row is None else row[0]

    async def _write_loop(self) -> None:
        try:
            while (request := await self._requests.get()) is not None:
                if request.between is not None:
                    await self._run_between(request, request.between)
                elif request.work is not None:
                    await self._run_commit(request, request.work)
        except BaseException:
            self._disk_failed.set()  # whoever waits for a commit must not wait for ever
            raise
        finally:
            self._commits_written += 1  # one more sync, which is the last
            self._unsynced.set()

    async def _sync_loop(self) -> None:
        """Sync what was written, again and again, and answer who waited for it."""
        while not self._tasks[0].done() or self._commits_synced < self._commits_written:
            await self._unsynced.wait()
            self._unsynced.clear()
            written = self._commits_written
            try:
                await self._wal.sync()
            except OSError:
                # What the disk did not keep it may not try to keep again: nothing after this can be relied on.
                self._disk_failed.set()
            self._commits_synced = written
            while self._waiting and self._waiting[0][0] <= written:
                _, request, value = self._waiting.popleft()
                request.answer(value, _disk_failure() if self._disk_failed.is_set() else None)

    async def _run_between(self, request: _Request, work: Callable[[sqlite3.Connection], bool]) -> None:
        acquired = cast("AbstractAsyncContextManager[LoggingConnection]", self.db.acquire())
        try:
            async with acquired as conn:
                done = await asyncio.to_thread(work, conn.wrapped._conn)  # noqa: SLF001 - the one connection, between commits
        except BaseException as error:
            request.answer(None, error)
            if isinstance(error, WRITER_STOPS):
                raise
        else:
            request.answer(done)

    async def _run_commit(self, request: _Request, work: Work[Any]) -> None:
        if self._disk_failed.is_set():
            request.answer(None, _disk_failure())
            return
        try:
            value = await self._run_transaction(work)
        except BaseException as error:
            request.answer(None, error)
            if isinstance(error, WRITER_STOPS):
                raise
            return
        self._commits_written += 1
        self._wal.record_commit()
        if request.synced:
            self._waiting.append((self._commits_written, request, value))
        else:
            request.answer(value)
        self._unsynced.set()

    async def _run_transaction(self, work: Work[T]) -> T:
        # mautrix annotates its context managers with what they yield
        acquired = cast("AbstractAsyncContextManager[LoggingConnection]", self.db.acquire())
        async with acquired as conn:
            try:
                async with cast("AbstractAsyncContextManager[None]", conn.transaction()):
                    return await work(conn)
            except BaseException:
                # mautrix rolls back when the work fails, not when the COMMIT does; what then stays open blocks every other.
                if conn.wrapped.in_transaction:
                    await conn.wrapped.rollback()
                raise


def _disk_failure() -> sqlite3.OperationalError:
    return sqlite3.OperationalError("the disk did not keep what was written")
