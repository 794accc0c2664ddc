"""Rows whose deletion leaves bytes behind: SQLite balances a tree by moving them, and does not overwrite where they were.

Measured with SQLite 3.46: one of some 500 deleted, where rows are of different lengths and a tree has many pages.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from bridge.storage.database import Database, Transaction

ROWS = 3000


async def fill_and_delete(database: Database) -> list[bytes]:
    """Fill a table of its own in a store, delete every second row, and return what was in those."""
    rng = random.Random(11)  # noqa: S311 - the same story each time
    rows = [(rng.randbytes(8).hex(), rng.randbytes(rng.randint(20, 900))) for _ in range(ROWS)]

    async def fill(transaction: Transaction) -> None:
        await transaction.execute("CREATE TABLE litter (name TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID")
        for name, data in rows:
            await transaction.execute("INSERT INTO litter VALUES ($1, $2)", name, data)

    async def clear(transaction: Transaction) -> None:
        for name, _ in rows[::2]:
            await transaction.execute("DELETE FROM litter WHERE name = $1", name)

    await database.commit(fill)
    await database.commit(clear)
    return [data for _, data in rows[::2]]


def all_bytes(directory: Path) -> bytes:
    """Return all bytes of all files in a directory."""
    return b"".join(file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file())


def found_in(raw: bytes, marks: Iterable[bytes]) -> list[bytes]:
    """Return those of the marks, of 12 bytes or more each, that are in `raw`.

    Twelve bytes in a row hold one of the windows of six that begin at every seventh byte. So most marks are ruled out by
    seven look-ups, in place of a search through megabytes for each of thousands.
    """
    windows = {raw[place : place + 6] for place in range(0, len(raw), 7)}
    return [mark for mark in marks if any(mark[place : place + 6] in windows for place in range(7)) and mark in raw]
