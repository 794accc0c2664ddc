"""One commit on the writing connection to PostgreSQL, from its BEGIN to its end, and the check that it is allowed.

All of the work is kept or nothing. Each commit is made under an advisory lock, so that a command beside the bridge never
writes during one. The lock and the check of the lease are one message with the BEGIN.

Who may commit. The bridge that leads has a `Fence`: each of its commits checks that the epoch in the lease is still its own
(`bridge/lease`), under a lock that the next leader takes exclusively. A commit of a former leader raises `LeadLost`, and
nothing of it is kept.

Source: postgresql.org/docs/current: functions-admin.html (advisory locks), transaction-iso.html (Read Committed).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from bridge.storage.database import Dialect, Reader, Row, Value, Work
from bridge.storage.errors import DatabaseError, LeadLost, Unavailable
from bridge.storage.postgres_connection import PostgresConnection, PostgresPlace

T = TypeVar("T")

FENCE: Final = "fence"
"""The purpose of the lock that commits of a leader share, and the next leader takes alone."""
LEASE_SCHEMA: Final = "{}_lease"
"""The schema of a lease, by that of the database whose leader has it."""
LEASE_TABLE: Final = "lease"
_FENCED_OFF: Final = ("22012", "42P01", "3F000", "42703", "42501")
"""The server's errors for a fence whose row, table, schema or column is another's, missing or unreadable."""


@dataclass(frozen=True)
class Fence:
    """The check in each commit of a leader. `place`: of the main database; `on_loss`: called when its lease is lost.

    `holder`: the leader's identity in the lease. The epoch alone does not distinguish two leaders when the lease's table
    was dropped and made again.
    """

    place: PostgresPlace
    epoch: int
    holder: str
    on_loss: Callable[[str], None]

    @cached_property
    def lock(self) -> str:
        """Return what takes the lock that commits share and the next leader takes alone."""
        schema = LEASE_SCHEMA.format(self.place.schema)
        return f"pg_advisory_xact_lock_shared({PostgresPlace(self.place.url, schema).lock(FENCE)})"

    @cached_property
    def question(self) -> str:
        """Return the statement that fails, by a division by zero, unless the epoch and the holder in the lease are ours.

        It must not be the statement that takes the lock: a statement sees only what was committed before it began.
        """
        schema = LEASE_SCHEMA.format(self.place.schema)
        holder = self.holder.replace("'", "''")
        ours = f"epoch = {self.epoch} AND holder = '{holder}' AND NOT released"
        own = f'SELECT COUNT(*) FROM "{schema}".{LEASE_TABLE} WHERE {ours}'  # noqa: S608 - what this process made itself
        return f"SELECT 1 / ({own})"


class PostgresTransaction(Reader):
    """The writing connection during one commit."""

    dialect: Final = Dialect.POSTGRESQL

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection: PostgresConnection | None = connection
        self._after_commit: list[Callable[[], None]] = []

    async def execute(self, statement: str, /, *values: Value) -> None:
        """Run a statement that changes rows."""
        await self._open().execute(statement, *values)

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        return await self._open().fetch(statement, *values)

    def after_commit(self, call: Callable[[], None], /) -> None:
        """Register a call for after this commit, before the next one begins; a rolled-back commit makes no call."""
        self._after_commit.append(call)

    def call_after_commit(self) -> None:
        """Make these calls."""
        for call in self._after_commit:
            call()

    def end(self) -> None:
        """Refuse further statements: they would be part of another commit."""
        self._connection = None

    def _open(self) -> PostgresConnection:
        if self._connection is None:
            raise RuntimeError("this commit is over")
        return self._connection


async def transact(connection: PostgresConnection, lock: int, work: Work[T], *, fence: Fence | None = None) -> T:
    """Run the work in one transaction and return its value when that is made; on an exception nothing is kept.

    `lock`: the advisory lock, which one writer has at a time. Raises `Busy` when another session does not release it, and
    `LeadLost` when the fence fails.
    """
    transaction = PostgresTransaction(connection)
    try:
        await _begin(connection, lock, fence)
        value = await work(transaction)
        transaction.end()
        tag = await connection.run("COMMIT")
    except BaseException:
        transaction.end()
        if not connection.is_closed:
            try:
                await connection.run("ROLLBACK")
            except BaseException:
                connection.abort()  # what stays open would be part of the next commit
                raise
        raise
    if tag != "COMMIT":  # after an error that the work ignored, the server rolls back without an error
        raise Unavailable("rolled back")
    transaction.call_after_commit()
    return value


async def _begin(connection: PostgresConnection, lock: int, fence: Fence | None) -> None:
    begin = f"BEGIN; SELECT pg_advisory_xact_lock({lock})"
    try:
        await connection.run(f"{begin}, {fence.lock}; {fence.question}" if fence else begin)
    except DatabaseError as error:
        if fence is None or not error.code.endswith(_FENCED_OFF):
            raise
        fence.on_loss("a commit found another epoch in the lease, or no lease")
        raise LeadLost("epoch") from None
