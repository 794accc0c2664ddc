"""A store on a disk that may be full."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, TypeVar

from bridge.storage.database import Dialect, Reader, Row, Sync, Transaction, Value, Work
from bridge.storage.errors import Unavailable
from bridge.storage.migrations import Schema
from tests.fakes.database_engine import make_database

T = TypeVar("T")


class FullDatabase(Reader):
    """A store whose disk can be full: while it is full, every commit is rolled back at its end."""

    def __init__(self, path: Path, *, schema: Schema | None = None) -> None:
        self.inner = make_database(path, schema=schema)
        self.full = False
        self.rejected_commits = 0

    @property
    def dialect(self) -> Dialect:
        return self.inner.dialect

    @property
    def history(self) -> str:
        """Return the history of the inner store."""
        return self.inner.history

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    async def wait_for_failure(self) -> NoReturn:
        await self.inner.wait_for_failure()

    async def commit(self, work: Work[T], *, sync: Sync = Sync.AWAIT) -> T:
        """Raise while the disk is full."""

        async def then_full(transaction: Transaction) -> T:
            await work(transaction)
            self.rejected_commits += 1
            raise Unavailable("SQLITE_FULL")

        return await self.inner.commit(then_full if self.full else work, sync=sync)

    @property
    def last_commit(self) -> int:
        return self.inner.last_commit

    async def synced(self, up_to: int | None = None) -> None:
        await self.inner.synced(up_to)

    async def checkpoint(self) -> bool:
        return await self.inner.checkpoint()

    async def vacuum(self) -> bool:
        return await self.inner.vacuum()

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        return await self.inner.fetch(statement, *values)
