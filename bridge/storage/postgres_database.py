"""The database as a schema on a PostgreSQL server: one connection writes, one syncs, some only read.

Rules of this module: commits are made one after another (`commit_queue`), each under an advisory lock, so that a command
beside the bridge never writes during one. A lost connection ends the line, because commits that were not synced may be lost
with the server.

What a sync is. The writer's commits do not wait for the disk (`synchronous_commit = off`): others can read them at once,
and a crash of the server loses the last ones, never one without those after it. After them, the second connection commits
an empty logical message with the server's own `synchronous_commit`: when that is answered, everything earlier in the log is
on the disk, and at the replicas in `synchronous_standby_names`. So waiting commits share one sync, as with SQLite
(`commit_queue`).

What forgetting is here. PostgreSQL keeps deleted data: as dead rows until a vacuum, in the write-ahead log, its archive,
replicas and base backups for as long as they are kept. Nothing here overwrites it. The protection is that all words and
numbers are sealed under keys that are in `keys.db`, never in PostgreSQL, and are overwritten there.

Who may commit. The bridge that leads has a `Fence` (`postgres_transaction`): a commit of a former leader ends the process.
Commands beside the bridge have none; the server ends a command that stalls in a commit before a commit of the bridge gives
up. Commands that need the line stopped take the leader's lock exclusively (`leads`). Every bridge that leads or waits
shares that lock.

Sources: postgresql.org/docs/current: wal-async-commit.html, functions-admin.html (pg_logical_emit_message, advisory locks),
routine-vacuuming.html.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from bridge.runtime import log
from bridge.storage.commit_queue import CommitQueue, QueuedDatabase
from bridge.storage.database import Database, Dialect, Row, Value, Work
from bridge.storage.errors import (
    Busy,
    DatabaseError,
    InUse,
    InvalidStatement,
    LeadLost,
    Unavailable,
    UnsuitableServer,
)
from bridge.storage.migrations import Schema
from bridge.storage.postgres_connection import (
    LOCK_MS,
    TABLES,
    PostgresConnection,
    PostgresPlace,
    connect,
    require_suitable,
)
from bridge.storage.postgres_transaction import Fence, transact
from bridge.storage.sqlite_database import SqliteDatabase

T = TypeVar("T")

READERS: Final = 3
"""Connections that read, each for one caller at a time."""
LEADER_MS: Final = 30_000
"""Milliseconds within which the server drops a bridge that was killed, or whose network was cut: more than the time-outs
that `postgres_connection.py` sets."""
IDLE_MS: Final = LOCK_MS - 1000
"""Milliseconds after which the server ends a command that stalls in a commit, because it was stopped or its machine is
lost: less than a commit of the bridge waits for the lock."""
GATHER_SECONDS: Final = 0.003
"""Seconds for which a sync waits for more commits while some wait for the writer: it costs more than a commit does."""
SYNC: Final = "SELECT pg_logical_emit_message(true, 'quietline', '')"
TIMELINE: Final = "SELECT pg_walfile_name(pg_current_wal_lsn())"
"""A name that begins with the timeline's number (postgresql.org/docs/current: functions-admin.html)."""


class ServerLog:
    """The server's write-ahead log."""

    def __init__(self) -> None:
        self.connection: PostgresConnection | None = None

    async def sync(self) -> None:
        """Return when everything that was committed before is on the disk, as the server's settings say."""
        if self.connection is None:
            raise Unavailable("not open")
        await self.connection.execute(SYNC)


class PostgresDatabase(QueuedDatabase):
    """A schema of a PostgreSQL database. See :class:`bridge.storage.database.Database`.

    `leads`: no bridge may lead, or wait to, while this is open; `open` raises `InUse` while one does. `fence`: the lease of
    the leader whose database this is.
    """

    dialect: Final = Dialect.POSTGRESQL

    def __init__(
        self,
        place: PostgresPlace,
        *,
        schema: Schema | None = None,
        leads: bool = False,
        fence: Fence | None = None,
    ) -> None:
        self._place = place
        self._schema = schema
        self._leads = leads
        self._is_beside = not leads and fence is None
        self._fence = fence
        self._lock = place.lock("commit")
        self._log = ServerLog()
        self._queue = CommitQueue(
            self._log,
            transact=self._transact,
            after_commit=_do_nothing,
            gather_seconds=GATHER_SECONDS,
        )
        self._writer: PostgresConnection | None = None
        self._connections: list[PostgresConnection] = []
        self._idle_readers: asyncio.LifoQueue[PostgresConnection] | None = None
        self.history = ""
        """The server's timeline, 8 hexadecimal digits, once it is open: a promoted replica begins another."""

    async def open(self) -> None:
        """Connect and migrate. Raises `DatabaseError` when it is unusable or newer than this program."""
        try:
            beside: dict[str, Any] = {"idle_in_transaction_session_timeout": str(IDLE_MS)} if self._is_beside else {}
            self._writer = self._add_connection(await connect(self._place, synchronous_commit="off", **beside))
            if self._leads:
                await self._take_lead(self._writer)
            await self._migrate()
            with contextlib.suppress(InvalidStatement, UnsuitableServer):  # a service may have no such function for us
                self.history = str(await self._writer.fetchval(TIMELINE))[:8]
            syncer = self._log.connection = self._add_connection(await connect(self._place))
            await syncer.run(
                "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
            )
            readers = asyncio.LifoQueue[PostgresConnection]()
            for _ in range(READERS):
                readers.put_nowait(self._add_connection(await connect(self._place, read_only=True)))
            await self._log.sync()
        except BaseException:
            await self.close()
            raise
        self._idle_readers = readers
        self._queue.start()

    async def close(self) -> None:
        """Let queued commits finish, then disconnect. Later calls raise `Unavailable`."""
        await self._queue.stop()
        connections, self._connections = self._connections, []
        self._writer, self._log.connection, self._idle_readers = None, None, None
        for connection in reversed(connections):
            await connection.close()

    async def checkpoint(self) -> bool:
        """Return whether the database is open. Deleted rows stay in the server's log, under destroyed keys."""
        try:
            self._queue.require_open()
        except Unavailable:
            return False
        return True

    async def vacuum(self) -> bool:
        """Have the server use the place of deleted rows again; False while it cannot: try again."""
        try:
            self._queue.require_open()
            connection = await connect(self._place, seconds=None)
            try:
                # One after another: a vacuum must not be in a message with other statements.
                for row in await connection.fetch(TABLES):
                    await connection.run(f'VACUUM "{row["tablename"]}"')
            finally:
                await connection.close()
        except DatabaseError as error:
            log.failure("database.maintenance_failed", error)
            return False
        return True

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Read rows outside any transaction: what is committed, all of a commit or nothing."""
        if (readers := self._idle_readers) is None:
            raise Unavailable("not open")
        connection = await readers.get()
        try:
            return await connection.fetch(statement, *values)
        finally:
            readers.put_nowait(connection)

    def _add_connection(self, connection: PostgresConnection) -> PostgresConnection:
        self._connections.append(connection)
        connection.when_lost(partial(self._fail_on_loss, connection))
        return connection

    def _fail_on_loss(self, connection: PostgresConnection) -> None:
        if connection in self._connections:
            self._queue.fail_all(OSError("the connection to the database is lost"))

    async def _take_lead(self, writer: PostgresConnection) -> None:
        """Keep every bridge from leading while the writing connection is open.

        The server may need some seconds to drop a bridge that was killed.
        """
        try:
            await writer.run(
                f"SET lock_timeout = {LEADER_MS}; SELECT pg_advisory_lock({self._place.lock('leader')}); "
                f"SET lock_timeout = {LOCK_MS}"
            )
        except Busy:
            raise InUse("another bridge") from None

    async def _migrate(self) -> None:
        """Make the schema, and bring its tables to what this program knows: on a connection that keeps no statement."""
        connection = await connect(self._place, statements=0, seconds=None)
        try:
            await require_suitable(connection)
            if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", self._place.schema):
                await connection.run(f'CREATE SCHEMA "{self._place.schema}"')
            if self._schema is not None:
                await self._schema.apply(partial(transact, connection, self._lock, fence=self._fence))
        finally:
            await connection.close()

    async def _transact(self, work: Work[Any]) -> Any:
        if self._writer is None:
            raise Unavailable("not open")
        try:
            return await transact(self._writer, self._lock, work, fence=self._fence)
        except BaseException as error:
            self._fail_all_if_unwritable(error)
            raise

    def _fail_all_if_unwritable(self, error: BaseException) -> None:
        """End everything on an error after which nothing can be written."""
        if isinstance(error, LeadLost):
            self._queue.fail_all(error)
        elif isinstance(error, DatabaseError) and (self._writer is None or self._writer.is_closed):
            self._queue.fail_all(OSError("the connection to the database is lost"))


async def _do_nothing() -> None:
    """Do nothing: nothing follows a commit here."""


def database_of(
    file: Path,
    server: str | None,
    *,
    schema: Schema | None = None,
    leads: bool = False,
    fence: Fence | None = None,
) -> Database:
    """Make the database for this file, or for the schema of its name if a server is given; not yet open."""
    if server is None:
        return SqliteDatabase(file, schema=schema)
    return PostgresDatabase(PostgresPlace(server, file.stem), schema=schema, leads=leads, fence=fence)


async def drop_schemas(server: str, names: Sequence[str]) -> None:
    """Drop our databases, all or none. Raises `DatabaseError`."""
    connection = await connect(PostgresPlace(server, "public"))
    try:
        await connection.run("; ".join(f'DROP SCHEMA IF EXISTS "{name}" CASCADE' for name in names))
    finally:
        await connection.close()
