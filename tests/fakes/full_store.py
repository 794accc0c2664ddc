"""A store on a disk that may be full."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from bridge.storage.database import Connection, Store, Work

T = TypeVar("T")


class FullStore(Store):
    """A store whose disk can be full: while it is, every commit is rolled back at its end."""

    full = False
    refused = 0

    async def commit(self, work: Work[T], *, synced: bool = True) -> T:
        """Refuse while it is full."""

        async def then_full(conn: Connection) -> T:
            await work(conn)
            self.refused += 1
            raise sqlite3.OperationalError("database or disk is full")

        return await super().commit(then_full if self.full else work, synced=synced)
