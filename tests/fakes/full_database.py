"""A store on a disk that may be full."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from bridge.storage.database import Connection, Database, Work

T = TypeVar("T")


class FullDatabase(Database):
    """A store whose disk can be full: while it is, every commit is rolled back at its end."""

    full = False
    rejected_commits = 0

    async def commit(self, work: Work[T], *, synced: bool = True) -> T:
        """Refuse while it is full."""

        async def then_full(conn: Connection) -> T:
            await work(conn)
            self.rejected_commits += 1
            raise sqlite3.OperationalError("database or disk is full")

        return await super().commit(then_full if self.full else work, synced=synced)
