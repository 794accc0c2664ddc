"""A PostgreSQL database of the line as a command reads it beside the bridge: at one moment, and answered at once.

Rule of this module: one transaction that only reads, on a connection of its own, whose event loop is a thread's of its own,
so that a command may ask from within another loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from bridge.storage.postgres_connection import TABLES, PostgresConnection, PostgresPlace, connect

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from bridge.storage.database import Row, Value

T = TypeVar("T")


class PostgresSnapshot:
    """See :class:`bridge.storage.database.Snapshot`."""

    def __init__(self, runner: asyncio.Runner, thread: ThreadPoolExecutor, connection: PostgresConnection) -> None:
        self._runner = runner
        self._thread = thread
        self._connection = connection

    def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        return self._run(self._connection.fetch(statement, *values))

    def fetchrow(self, statement: str, /, *values: Value) -> Row | None:
        """Run a statement and return its first row, or None."""
        return self._run(self._connection.fetchrow(statement, *values))

    def fetchval(self, statement: str, /, *values: Value) -> Any:
        """Run a statement and return the first value of its first row, or None."""
        return self._run(self._connection.fetchval(statement, *values))

    def tables(self) -> set[str]:
        """Return the names of its tables."""
        return {str(row["tablename"]) for row in self.fetch(TABLES)}

    def _run(self, asked: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._runner.run, asked).result()


@contextlib.contextmanager
def snapshot(place: PostgresPlace) -> Iterator[PostgresSnapshot]:
    """Read it as it is at one moment. Raises `DatabaseError`."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshot") as thread:
        runner = asyncio.Runner()
        try:
            connection = thread.submit(runner.run, connect(place, read_only=True)).result()
            try:
                thread.submit(runner.run, connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ")).result()
                yield PostgresSnapshot(runner, thread, connection)
            finally:
                thread.submit(runner.run, connection.close()).result()
        finally:
            thread.submit(runner.close).result()
