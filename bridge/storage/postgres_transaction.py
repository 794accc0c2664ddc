"""One commit on the writing connection to PostgreSQL, from its BEGIN to its end, and the check that it is allowed.

Rules of this module: all of the work is kept or nothing. Each commit is made under an advisory lock, so that a command
beside the bridge never writes during one. The lock and the check of the lease are sent with the first statement.

Who may commit. The bridge that leads has a `Fence`: each of its commits checks that the epoch in the lease is still its own
(`bridge/lease`), under a lock that the next leader takes exclusively. A commit of a former leader raises `LeadLost`, and
nothing of it is kept.

Source: postgresql.org/docs/current: functions-admin.html (advisory locks), transaction-iso.html (Read Committed).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Generic, TypeAlias, TypeVar

from bridge.storage.database import Dialect, Reader, Row, Value, Work
from bridge.storage.errors import LeadLost, Unavailable
from bridge.storage.postgres_connection import PostgresConnection, PostgresPlace
from bridge.storage.postgres_messages import Failure, Flight
from bridge.storage.postgres_pipeline import PostgresPipeline

T = TypeVar("T")
Writer: TypeAlias = PostgresConnection | PostgresPipeline

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

    def __init__(self, connection: Writer) -> None:
        self._connection = connection
        self._is_over = False
        self._savepoints = 0
        self._after_commit: list[Callable[[], None]] = []

    async def execute(self, statement: str, /, *values: Value) -> None:
        """Run a statement that changes rows: with the next one that returns rows, or with the commit.

        Within a savepoint it runs at once, because the caller needs to know whether it failed.
        """
        connection = self._open()
        self._savepoints += statement.startswith("SAVEPOINT ")
        await (connection.execute if self._savepoints else connection.defer)(statement, *values)
        self._savepoints -= statement.startswith("RELEASE ")

    async def later(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement whose rows are not needed before the commit is made: as `execute` does."""
        connection = self._open()
        return await (connection.fetch if self._savepoints else connection.later)(statement, *values)

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        return await self._open().fetch(statement, *values)

    def after_commit(self, call: Callable[[], None], /) -> None:
        """Register a call for after this commit, before the next one begins; a rolled-back commit makes no call."""
        self._after_commit.append(call)

    @property
    def has_calls(self) -> bool:
        """Whether calls are registered."""
        return bool(self._after_commit)

    def call_after_commit(self) -> None:
        """Make these calls."""
        for call in self._after_commit:
            call()

    def end(self) -> None:
        """Refuse further statements: they would be part of another commit."""
        self._is_over = True

    def _open(self) -> Writer:
        if self._is_over:
            raise RuntimeError("this commit is over")
        return self._connection


@dataclass(frozen=True, slots=True)
class SentCommit(Generic[T]):
    """A commit whose work is done and whose COMMIT was sent. `value`: what the work returned."""

    value: T
    transaction: PostgresTransaction
    flight: Flight
    fence: Fence | None

    async def wait_for_answer(self) -> None:
        """Return when the server has answered, whatever it said."""
        if not self.flight.done.done():
            await asyncio.shield(self.flight.done)

    def conclude(self) -> T:
        """Once it has: make the registered calls and return the value, or raise the error if nothing is kept."""
        if (error := self.flight.error) is not None:
            raise _lead_lost(self.fence, self.flight.failure) or error from None
        if not self.flight.is_committed:
            # After an error that the work ignored, the server rolls back at COMMIT, without an error.
            raise Unavailable("rolled back")
        self.transaction.call_after_commit()
        return self.value


async def perform(
    connection: Writer,
    lock: int,
    work: Work[T],
    *,
    fence: Fence | None = None,
    alone: Callable[[], bool] = lambda: True,
) -> SentCommit[T]:
    """Begin a transaction, run the work, and send the remaining statements with COMMIT; on an exception nothing is kept.

    `lock`: the advisory lock, which one writer has at a time. `alone`: whether no transaction follows that the COMMIT could
    be sent with. Raises `Busy` when another session does not release the lock, and `LeadLost` when the fence fails; so does
    `conclude` of the returned value.
    """
    transaction = PostgresTransaction(connection)
    locks = f"SELECT pg_advisory_xact_lock({lock})"
    try:
        # They go with the first statement of the work; on an error of theirs the server passes over what follows.
        for statement in ("BEGIN", f"{locks}, {fence.lock}", fence.question) if fence else ("BEGIN", locks):
            await connection.defer(statement)
        value = await work(transaction)
        transaction.end()
        return SentCommit(value, transaction, await connection.finish(hold=not alone()), fence)
    except BaseException:
        transaction.end()
        failed = connection.failure
        if not connection.is_closed:
            try:
                await connection.run("ROLLBACK")
            except BaseException:
                connection.abort()  # what stays open would be part of the next commit
                raise
        if (lost := _lead_lost(fence, failed)) is not None:
            raise lost from None
        raise


def _lead_lost(fence: Fence | None, failed: Failure | None) -> LeadLost | None:
    """Return `LeadLost` if the error of a transaction means that another bridge leads, and report it to the fence."""
    if fence is None or failed is None or failed[0] != fence.question or not failed[1].code.endswith(_FENCED_OFF):
        return None
    fence.on_loss("a commit found another epoch in the lease, or no lease")
    return LeadLost("epoch")


async def transact(connection: Writer, lock: int, work: Work[T], *, fence: Fence | None = None) -> T:
    """Run the work in one transaction and return its value when that is made: `perform`."""
    performed = await perform(connection, lock, work, fence=fence)
    await performed.wait_for_answer()
    return performed.conclude()
