"""The main database: one connection, one writer, one transaction at a time.

Rules of this module: what must be true together is written by one `commit`; a commit once begun is finished, whoever is
cancelled meanwhile; nothing inside a commit waits for a network. mautrix keeps its connection and its "in a transaction"
flag in process-wide context variables (facts-matrix, section 4), so every commit runs in one task with a context of its
own, and no other database may be touched inside it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from mautrix.util.async_db import Database, UpgradeTable
from mautrix.util.async_db.connection import LoggingConnection

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


class Store:
    """A database file with its one writer. `open` migrates; `close` finishes what was begun."""

    def __init__(self, path: Path, *, upgrades: Sequence[UpgradeTable]) -> None:
        self.db = Database.create(
            f"sqlite:///{path}", upgrade_table=UpgradeTable(), db_args={"init_commands": list(PRAGMAS), "min_size": 1}
        )
        self._upgrades = upgrades
        self._queue: asyncio.Queue[tuple[Work[Any], asyncio.Future[Any]] | None] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and migrate. Raises what the database raises when the file is unusable or newer than this program."""
        await self.db.start()
        for table in self._upgrades:
            await table.upgrade(self.db)
        self._writer = asyncio.create_task(self._write(), name="writer", context=contextvars.Context())

    async def close(self) -> None:
        """Let queued commits finish, then disconnect."""
        if self._writer is not None:
            self._queue.put_nowait(None)
            await self._writer
            self._writer = None
        await self.db.stop()

    async def commit(self, work: Work[T]) -> T:
        """Run `work` in one transaction and return its value; on an exception nothing of it is kept.

        The caller may be cancelled; the work is not.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((work, done))
        return await asyncio.shield(done)

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Read rows outside any transaction."""
        return list(await self.db.fetch(query, *args))

    async def fetchrow(self, query: str, *args: Any) -> Any | None:
        """Read one row, or None."""
        return await self.db.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Read one value, or None."""
        return await self.db.fetchval(query, *args)

    async def _transact(self, work: Work[T]) -> T:
        # mautrix annotates its context managers with what they yield
        acquired = cast("AbstractAsyncContextManager[LoggingConnection]", self.db.acquire())
        async with acquired as conn:
            try:
                async with cast("AbstractAsyncContextManager[None]", conn.transaction()):
                    return await work(conn)
            except BaseException:
                # mautrix rolls back when the work fails, not when the COMMIT does; what then stays open blocks every other.
                if getattr(conn.wrapped, "in_transaction", False):
                    await conn.wrapped.rollback()
                raise

    async def _write(self) -> None:
        while (item := await self._queue.get()) is not None:
            work, done = item
            try:
                value = await self._transact(work)
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked for the commit, not to the writer
                if not done.cancelled():
                    done.set_exception(error)
            except BaseException as error:
                # A panic of a native library is no Exception. Whoever waits must hear of it, and the writer must live.
                if not done.cancelled():
                    done.set_exception(RuntimeError(f"the commit ended with {type(error).__name__}"))
                if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
                    raise
            else:
                if not done.cancelled():
                    done.set_result(value)
