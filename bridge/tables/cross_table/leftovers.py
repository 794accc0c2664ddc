"""Lists the tables that can name a person, and checks whether one does.

Rules of this module: every table with a column for a thread or a room is in one of these lists; a test compares them with
the schema. Every remaining row is counted, whatever its content.
"""

from __future__ import annotations

from typing import Final

from bridge.storage.database import Transaction

ROOM_COLUMNS: Final = (
    ("event", "room_id"),
    ("thread", "room_id"),
    ("warm_room", "room_id"),
    ("matrix_room", "room_id"),
    ("matrix_member", "room_id"),
    ("matrix_level", "room_id"),
    ("matrix_session", "room_id"),
    ("matrix_inbound", "room_id"),
    ("matrix_read", "room_id"),
    ("matrix_waiting", "room_id"),
    ("matrix_upload", "room_id"),
    ("matrix_identity", "heard_room"),
    ("revealed", "room_id"),
)
"""Table and column, for a room's id."""

PERSON_COLUMNS: Final = (
    ("thread", "id"),
    ("inbox", "owner"),
    ("outbox", "owner"),
    ("timer", "owner"),
    ("sent_text", "owner"),
    ("early_reaction", "owner"),
    ("event", "owner"),
    ("dead_letter", "owner"),
    ("carrier_copy", "owner"),
    ("copy_result", "owner"),
    ("erasure", "thread"),
    ("matrix_room", "owner"),
)
"""Table and column, for a thread's id."""


async def count_leftovers(transaction: Transaction, where: tuple[tuple[str, str], ...], value: str) -> int:
    """Count the rows that still name a room or a thread. Runs in the caller's commit."""
    count = 0
    for table, column in where:
        query = f"SELECT COUNT(*) FROM {table} WHERE {column} = $1"  # noqa: S608 - names from above
        count += int(await transaction.fetchval(query, value))
    return count
