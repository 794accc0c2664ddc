"""The tables `desk`, `crowd` and `tally`: state of the agency's work that belongs to no thread.

Rules of this module: `desk` has one row, the desk's aggregate, sealed; `crowd` has a sealed row for each thread that waits
without a card, under a meaningless number. `tally` counts ended conversations by month, language and kind, and names
none of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.model.actions import DESK
from bridge.storage.database import Reader, Row, Snapshot, Transaction, Value, insertion


async def get(reader: Reader) -> bytes | None:
    """Return the desk's sealed aggregate, or None before the first start."""
    sealed: bytes | None = await reader.fetchval("SELECT aggregate FROM desk WHERE id = $1", DESK)
    return sealed


def peek_exists(connection: Snapshot) -> bool:
    """Whether there is a desk, for a command beside the bridge. Raises `DatabaseError` for a file without such a table."""
    return connection.fetchval("SELECT 1 FROM desk LIMIT 1") is not None


def peek(connection: Snapshot) -> bytes | None:
    """Return the same to a command beside the bridge."""
    sealed: bytes | None = connection.fetchval("SELECT aggregate FROM desk WHERE id = $1", DESK)
    return sealed


async def insert(transaction: Transaction, aggregate: bytes) -> None:
    """Make the desk."""
    await transaction.execute("INSERT INTO desk (id, aggregate) VALUES ($1, $2)", DESK, aggregate)


async def set_aggregate(transaction: Transaction, aggregate: bytes) -> None:
    """Write the desk's aggregate."""
    await transaction.execute("UPDATE desk SET aggregate = $2 WHERE id = $1", DESK, aggregate)


async def get_crowd(reader: Reader) -> dict[int, bytes]:
    """Return who waits without a card, sealed, in the order of their numbers."""
    rows = await reader.fetch("SELECT number, entry FROM crowd ORDER BY number")
    return {row["number"]: row["entry"] for row in rows}


async def change_crowd(transaction: Transaction, changes: Mapping[int, bytes | None]) -> None:
    """Write entries of the crowd; None deletes one."""
    for number, entry in changes.items():
        if entry is None:
            await transaction.execute("DELETE FROM crowd WHERE number = $1", number)
        else:
            await transaction.execute(
                """INSERT INTO crowd (number, entry) VALUES ($1, $2)
                   ON CONFLICT (number) DO UPDATE SET entry = excluded.entry""",
                number,
                entry,
            )


async def increment_tally(transaction: Transaction, *, month: str, language: str, kind: str) -> None:
    """Count one more of that kind."""
    await transaction.execute(
        """INSERT INTO tally (month, language, kind, number) VALUES ($1, $2, $3, 1)
           ON CONFLICT (month, language, kind) DO UPDATE SET number = tally.number + 1""",
        month,
        language,
        kind,
    )


def peek_tally(connection: Snapshot) -> list[Row]:
    """Return every counter, to a command beside the bridge."""
    return connection.fetch("SELECT * FROM tally")


async def insert_tally_row(transaction: Transaction, row: Mapping[str, Value]) -> None:
    """Insert a counter as a backup has it. Raises `DatabaseError` for a column that the table has not."""
    rest, values = insertion(row)
    await transaction.execute(f"INSERT INTO tally {rest}", *values)
