"""Which of our tables a backup holds, and their rows on the way out and in.

Rule of this module: a table that is not named in `BACKUP_TABLES` is neither read nor written, whatever a file says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bridge.tables import desk_state, suppression

if TYPE_CHECKING:
    from bridge.storage.database import Snapshot, Transaction

_READ: Final = {"suppression": suppression.peek_rows, "tally": desk_state.peek_tally}
_INSERT: Final = {"suppression": suppression.insert_row, "tally": desk_state.insert_tally_row}
BACKUP_TABLES: Final = tuple(_READ)
"""Tables that a backup contains: phones that said STOP (slow keyed hashes), and counters without personal data."""

Rows: TypeAlias = list[dict[str, Any]]
"""Rows of one table: value by column."""


def read(connection: Snapshot) -> dict[str, Rows]:
    """Return the rows of each backup table that this database has, by table. Raises `DatabaseError`."""
    there = connection.tables()
    return {table: [dict(row) for row in rows(connection)] for table, rows in _READ.items() if table in there}


async def insert(transaction: Transaction, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Insert the rows of a backup, in the caller's commit. Raises `DatabaseError` for an unknown column."""
    for table, insert_row in _INSERT.items():
        for row in tables.get(table, ()):
            await insert_row(transaction, row)
