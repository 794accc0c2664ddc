"""A PostgreSQL database of the line as a command reads it beside the bridge: one snapshot, by synchronous calls.

Rules of this module: one read-only transaction on its own connection, whose event loop runs in a separate thread, so that a
command can read while another loop runs; the program's exit does not wait for a server that does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from bridge.storage.database import Snapshot
from bridge.storage.errors import Unavailable
from bridge.storage.postgres_connection import (
    LOCK_MS,
    TABLES,
    PostgresConnection,
    PostgresPlace,
    connect,
    require_usable_schema,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from bridge.storage.database import Row, Value

T = TypeVar("T")


class PostgresSnapshot(Snapshot):
    """See :class:`bridge.storage.database.Snapshot`."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], connection: PostgresConnection) -> None:
        self._run = run
        self._connection = connection

    def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        rows: list[Row] = self._run(self._connection.fetch(statement, *values))
        return rows

    def tables(self) -> set[str]:
        """Return the names of the schema's tables."""
        return {str(row["tablename"]) for row in self.fetch(TABLES)}


@contextlib.contextmanager
def snapshot(place: PostgresPlace, *, busy_ms: int = LOCK_MS) -> Iterator[PostgresSnapshot]:
    """Read a database in one transaction. Raises `DatabaseError`.

    `busy_ms`: how long a statement may wait for a lock; a value below `LOCK_MS` also limits the time to connect.
    """
    loop = asyncio.new_event_loop()

    def run_loop() -> None:
        try:
            loop.run_forever()
        finally:
            loop.close()

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    threading.Thread(target=run_loop, name="snapshot", daemon=True).start()
    try:
        connection = run(_connect(place, busy_ms))
        try:
            run(require_usable_schema(connection))
            run(connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ"))
            yield PostgresSnapshot(run, connection)
        finally:
            run(connection.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)


async def _connect(place: PostgresPlace, busy_ms: int) -> PostgresConnection:
    try:
        async with asyncio.timeout(busy_ms / 1000 if busy_ms < LOCK_MS else None):
            return await connect(place, read_only=True, lock_ms=busy_ms)
    except TimeoutError:
        raise Unavailable("TimeoutError") from None
