"""The main database: one writer, and a connection to read from beside it.

Rules of this module: what must be true together is written by one `commit`; a commit once begun is finished, whoever is
cancelled meanwhile; nothing inside a commit waits for a network. Commits that wait at the same moment share one sync of
the disk: each stays whole, alone and in its order, and none is answered before all of them are kept. mautrix keeps its
connection and its "in a transaction" flag in process-wide context variables (facts-matrix, section 4), so every commit runs
in one task with a context of its own, and no other database may be touched inside it.

Why statements run in the event loop: one takes some tens of microseconds, handing it to a thread and back takes several
times that and, under load, a wait for the interpreter's lock each time. What waits for the disk, the COMMIT, has a thread.

Sources: sqlite.org/lang_savepoint.html, sqlite.org/wal.html, sqlite.org/lang_transaction.html (section 3.1, what rolls back
by itself).
"""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast

from mautrix.util.async_db import Database, UpgradeTable
from mautrix.util.async_db.aiosqlite import POSITIONAL_PARAM_PATTERN, SQLiteDatabase, TxnConnection
from mautrix.util.async_db.connection import LoggingConnection
from yarl import URL

T = TypeVar("T")
Connection: TypeAlias = LoggingConnection
Work: TypeAlias = Callable[[LoggingConnection], Awaitable[T]]

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA temp_store = MEMORY",
)

TOGETHER: Final = 32
"""Commits that share one sync of the disk, at most."""

ENDING: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What ends the writer itself."""

BREATH: Final = 64
"""Statements after which others have a turn."""


class _Inline(TxnConnection):
    """mautrix's connection, whose statements run where they are asked for."""

    _statements = 0

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._statements += 1
        if self._statements % BREATH == 0:
            await asyncio.sleep(0)
        return fn(*args, **kwargs)

    async def commit(self) -> None:
        await super()._execute(self._conn.commit)  # type: ignore[no-untyped-call]


class _Sqlite(SQLiteDatabase):
    """mautrix's database, with one connection of ours."""

    async def start(self) -> None:
        conn = await _Inline(self._path, check_same_thread=False)
        for command in self._init_commands:
            await conn.execute(command)
        conn.row_factory = sqlite3.Row
        self._pool.put_nowait(cast("TxnConnection", conn))
        self._conns += 1
        await Database.start(self)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A commit somebody waits for."""

    work: Work[Any] | None
    """None: empty the log."""
    done: asyncio.Future[Any]

    def answer(self, value: Any, error: BaseException | None) -> None:
        if self.done.cancelled():
            return
        if error is None:
            self.done.set_result(value)
        elif isinstance(error, Exception):
            self.done.set_exception(error)
        else:
            # A panic of a native library is no Exception. Whoever waits must hear of it, and the writer must live.
            self.done.set_exception(RuntimeError(f"the commit ended with {type(error).__name__}"))


class _RolledBack(Exception):  # noqa: N818 - it says what the database did
    """The database took the whole transaction back, with the commits that were done before in it."""


class Store:
    """A database file with its one writer. `open` migrates; `close` finishes what was begun."""

    def __init__(self, path: Path, *, upgrades: Sequence[UpgradeTable]) -> None:
        self.db: Database = _Sqlite(
            URL(f"sqlite:///{path}"),
            upgrade_table=UpgradeTable(),
            db_args={"init_commands": list(PRAGMAS), "min_size": 1},
        )
        self._path = path
        self._upgrades = upgrades
        self._queue: asyncio.Queue[_Asked | None] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None
        self._reader: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Connect and migrate. Raises what the database raises when the file is unusable or newer than this program."""
        await self.db.start()
        for table in self._upgrades:
            await table.upgrade(self.db)
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        self._reader = sqlite3.connect(uri, uri=True, isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES)
        self._reader.row_factory = sqlite3.Row
        self._reader.execute("PRAGMA busy_timeout = 5000")
        self._writer = asyncio.create_task(self._write(), name="writer", context=contextvars.Context())

    async def close(self) -> None:
        """Let queued commits finish, then disconnect."""
        if self._writer is not None:
            self._queue.put_nowait(None)
            await self._writer
            self._writer = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        await self.db.stop()

    async def commit(self, work: Work[T]) -> T:
        """Run `work` in one transaction and return its value; on an exception nothing of it is kept.

        The caller may be cancelled; the work is not. When the database cannot keep it, `sqlite3.OperationalError`, also for
        a work that another one's failure took with it: it may be tried again.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Asked(work, done))
        return await asyncio.shield(done)

    async def checkpoint(self) -> bool:
        """Empty the write-ahead log, so that no deleted row is left in it; False while somebody reads from it: try again.

        Between two commits, and off the event loop. Source: sqlite.org/pragma.html#pragma_wal_checkpoint.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Asked(None, done))
        return await asyncio.shield(done)

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

    async def _write(self) -> None:
        more = True
        while more:
            asked = [await self._queue.get()]
            while len(asked) < TOGETHER and not self._queue.empty():
                asked.append(self._queue.get_nowait())
            more = None not in asked
            waiting = [each for each in asked if each is not None and each.work is not None]
            while waiting:
                waiting = await self._keep(waiting)
            for each in asked:
                if each is not None and each.work is None:
                    await self._empty_log(each)

    async def _empty_log(self, asked: _Asked) -> None:
        acquired = cast("AbstractAsyncContextManager[LoggingConnection]", self.db.acquire())
        try:
            async with acquired as conn:
                row = await asyncio.to_thread(_truncate, conn.wrapped._conn)  # noqa: SLF001 - the one connection, between commits
        except sqlite3.Error as error:
            asked.answer(None, error)
        else:
            asked.answer(row, None)

    async def _keep(self, asked: list[_Asked]) -> list[_Asked]:
        """Commit these together and answer each. Returns those that were not begun because the database gave up."""
        answers: list[tuple[Any, BaseException | None]] = []
        try:
            await self._transact(asked, answers)
        except _RolledBack as rolled_back:
            for each in asked[: len(answers)]:
                each.answer(None, _taken_back())
            asked[len(answers)].answer(None, rolled_back.__cause__)
            return asked[len(answers) + 1 :]
        except BaseException as error:
            # A COMMIT that is refused for one of them is no fault of the others, who try again as on a full disk.
            shared = error if len(asked) == 1 or not isinstance(error, sqlite3.IntegrityError) else _taken_back()
            for each, (_, own) in zip(asked, chain(answers, repeat((None, None))), strict=False):
                each.answer(None, own or shared)
            if isinstance(error, ENDING):
                raise
        else:
            for each, (value, own) in zip(asked, answers, strict=True):
                each.answer(value, own)
        return []

    async def _transact(self, asked: Sequence[_Asked], answers: list[tuple[Any, BaseException | None]]) -> None:
        # mautrix annotates its context managers with what they yield
        acquired = cast("AbstractAsyncContextManager[LoggingConnection]", self.db.acquire())
        async with acquired as conn:
            try:
                async with cast("AbstractAsyncContextManager[None]", conn.transaction()):
                    for each in asked:
                        answers.append(await _one(conn, each, alone=len(asked) == 1))  # noqa: PERF401 - told one by one
            except BaseException:
                # mautrix rolls back when the work fails, not when the COMMIT does; what then stays open blocks every other.
                if conn.wrapped.in_transaction:
                    await conn.wrapped.rollback()
                raise


def _truncate(connection: sqlite3.Connection) -> bool:
    busy, log, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(busy == 0 and log == 0)


def _taken_back() -> sqlite3.OperationalError:
    return sqlite3.OperationalError("taken back with another commit")


async def _one(conn: Connection, asked: _Asked, *, alone: bool) -> tuple[Any, BaseException | None]:
    """Run one work in the transaction that is open, and take back what it wrote when it fails."""
    work = asked.work
    if work is None:
        return None, None
    if alone:
        return await work(conn), None
    await conn.execute("SAVEPOINT one")
    try:
        value = await work(conn)
    except ENDING:
        raise
    except BaseException as error:
        # It belongs to whoever asked for the commit, not to the writer.
        if not conn.wrapped.in_transaction:
            raise _RolledBack from error
        await conn.execute("ROLLBACK TO one")
        await conn.execute("RELEASE one")
        return None, error
    await conn.execute("RELEASE one")
    return value, None
