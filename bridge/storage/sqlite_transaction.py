"""One commit on the writing connection, from its BEGIN to its end.

Rules of this module: all of the work is kept or nothing; what remains of a transaction in a person's hands writes nothing
into another's; nobody in the event loop waits for another process, which may write meanwhile.

Source: sqlite.org/lang_transaction.html (section 3.1, what rolls back by itself; after BEGIN IMMEDIATE no statement meets a
lock).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from bridge.storage.database import Dialect, Row, Value, Work
from bridge.storage.errors import Busy, Unavailable
from bridge.storage.sqlite_connection import BUSY_MS, SqliteConnection

T = TypeVar("T")

YIELD_EVERY: Final = 64
"""Statements after which others have a turn, of one commit or of many."""
BUSY_RETRY_SECONDS: Final = 0.005
"""Seconds between two tries to begin a commit while another process writes."""


class SqliteTransaction:
    """The writing connection during one commit."""

    dialect: Final = Dialect.SQLITE

    def __init__(self, connection: SqliteConnection, statements: Iterator[int]) -> None:
        self._connection = connection
        self._statements = statements
        self._ended = False
        self._after_commit: list[Callable[[], None]] = []

    async def execute(self, statement: str, /, *values: Value) -> None:
        """Run a statement for what it changes."""
        await self._before_statement()
        self._connection.execute(statement, *values)

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        await self._before_statement()
        return self._connection.fetch(statement, *values)

    async def fetchrow(self, statement: str, /, *values: Value) -> Row | None:
        """Run a statement and return its first row, or None."""
        await self._before_statement()
        return self._connection.fetchrow(statement, *values)

    async def fetchval(self, statement: str, /, *values: Value) -> Any:
        """Run a statement and return the first value of its first row, or None."""
        await self._before_statement()
        return self._connection.fetchval(statement, *values)

    def after_commit(self, call: Callable[[], None], /) -> None:
        """Have this called when the commit is made and before the next one begins; never when nothing of it is kept."""
        self._after_commit.append(call)

    def committed(self) -> None:
        """Make these calls."""
        for call in self._after_commit:
            call()

    def end(self) -> None:
        """Let nothing more through: what comes later would be part of another's commit."""
        self._ended = True

    async def _before_statement(self) -> None:
        if next(self._statements) % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if self._ended:
            raise RuntimeError("this commit is over")
        if not self._connection.in_transaction:
            # SQLite took all of it back after an error that the work passed over: the rest alone must not be kept.
            raise Unavailable("rolled back")


async def transact(writer: SqliteConnection, statements: Iterator[int], work: Work[T]) -> T:
    """Run the work in one transaction and return its value; on an exception nothing of it is kept.

    `statements` counts those of all transactions of the writer.
    """
    await _begin(writer)
    transaction = SqliteTransaction(writer, statements)
    try:
        value = await work(transaction)
        transaction.end()
        writer.execute("COMMIT")
    except BaseException:
        transaction.end()
        # What stays open after a COMMIT that failed blocks every other.
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        raise
    transaction.committed()
    return value


async def _begin(writer: SqliteConnection) -> None:
    """Begin a commit. Another process writes for milliseconds now and then: the event loop goes on meanwhile."""
    until = asyncio.get_running_loop().time() + BUSY_MS / 1000
    while True:
        try:
            writer.execute("BEGIN IMMEDIATE")
        except Busy:
            if asyncio.get_running_loop().time() >= until:
                raise
            await asyncio.sleep(BUSY_RETRY_SECONDS)
        else:
            return
