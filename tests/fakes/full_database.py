"""A store on a disk that may be full."""

from __future__ import annotations

from typing import TypeVar

from bridge.storage.database import Transaction, Work
from bridge.storage.errors import Unavailable
from bridge.storage.sqlite_database import SqliteDatabase

T = TypeVar("T")


class FullDatabase(SqliteDatabase):
    """A store whose disk can be full: while it is, every commit is rolled back at its end."""

    full = False
    rejected_commits = 0

    async def commit(self, work: Work[T], *, synced: bool = True) -> T:
        """Refuse while it is full."""

        async def then_full(transaction: Transaction) -> T:
            await work(transaction)
            self.rejected_commits += 1
            raise Unavailable("SQLITE_FULL")

        return await super().commit(then_full if self.full else work, synced=synced)
