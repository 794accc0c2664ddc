"""The tables `desk` and `tally`: what is kept of the agency's work and of no thread.

Rules of this module: `desk` has one row, the desk's aggregate, sealed, whose version goes into the set of all aggregates
(`threads.aggregate_versions`) in the same commit; `tally` counts ended conversations by month, language and kind, and names
none of them.
"""

from __future__ import annotations

from bot.model.actions import DESK
from bridge.storage.database import Reader, Snapshot, Transaction
from bridge.storage.marked_sets import MarkedSet
from bridge.storage.vault import nonce


async def get(reader: Reader) -> bytes | None:
    """Return the desk's sealed aggregate, or None before the first start."""
    sealed: bytes | None = await reader.fetchval("SELECT aggregate FROM desk WHERE id = $1", DESK)
    return sealed


def peek_exists(connection: Snapshot) -> bool:
    """Whether there is a desk, to a command beside the bridge. Raises `DatabaseError` for a file without such a table."""
    return connection.fetchval("SELECT 1 FROM desk LIMIT 1") is not None


def peek(connection: Snapshot) -> bytes | None:
    """Return the same to a command beside the bridge."""
    sealed: bytes | None = connection.fetchval("SELECT aggregate FROM desk WHERE id = $1", DESK)
    return sealed


async def insert(transaction: Transaction, versions: MarkedSet, aggregate: bytes) -> None:
    """Make the desk."""
    await transaction.execute("INSERT INTO desk (id, aggregate) VALUES ($1, $2)", DESK, aggregate)
    await versions.change(transaction, {DESK.encode(): nonce(aggregate)})


async def set_aggregate(transaction: Transaction, versions: MarkedSet, aggregate: bytes) -> None:
    """Write the desk's aggregate."""
    await transaction.execute("UPDATE desk SET aggregate = $2 WHERE id = $1", DESK, aggregate)
    await versions.change(transaction, {DESK.encode(): nonce(aggregate)})


async def increment_tally(transaction: Transaction, *, month: str, language: str, kind: str) -> None:
    """Count one more of that kind."""
    await transaction.execute(
        """INSERT INTO tally (month, language, kind, number) VALUES ($1, $2, $3, 1)
           ON CONFLICT (month, language, kind) DO UPDATE SET number = tally.number + 1""",
        month,
        language,
        kind,
    )
