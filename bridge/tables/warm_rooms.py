"""The table `warm_room`: rooms made ahead, each with the designation that it bears.

Rules of this module: a room is here until a thread takes it; no designation is borne by two rooms at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.storage.database import Reader, Transaction


@dataclass(frozen=True, slots=True)
class WarmRoom:
    """A room that no thread has yet."""

    room_id: str
    designation: str


async def count(reader: Reader) -> int:
    """Return how many rooms are in stock."""
    return int(await reader.fetchval("SELECT COUNT(*) FROM warm_room"))


async def add(transaction: Transaction, room: WarmRoom) -> None:
    """Put a room into the stock."""
    await transaction.execute(
        "INSERT INTO warm_room (room_id, designation) VALUES ($1, $2)", room.room_id, room.designation
    )


async def take(transaction: Transaction) -> WarmRoom | None:
    """Take a room out, for a thread; None when there is none."""
    row = await transaction.fetchrow("SELECT room_id, designation FROM warm_room LIMIT 1")
    if row is None:
        return None
    await transaction.execute("DELETE FROM warm_room WHERE room_id = $1", row["room_id"])
    return WarmRoom(row["room_id"], row["designation"])


async def designations_in_use(reader: Reader) -> list[str]:
    """Return the designations that threads and warm rooms bear."""
    rows = await reader.fetch(
        "SELECT designation FROM thread WHERE designation <> '' UNION ALL SELECT designation FROM warm_room"
    )
    return [row["designation"] for row in rows]


async def designation_of_room(reader: Reader, room_id: str) -> str | None:
    """Return the designation of a thread's or a warm room, None of one that is on its way down."""
    query = "SELECT designation FROM thread WHERE room_id = $1 UNION SELECT designation FROM warm_room WHERE room_id = $1"
    designation: str | None = await reader.fetchval(query, room_id)
    return designation


async def forget_unassigned_rooms(transaction: Transaction) -> None:
    """Forget rooms that were noted when a crash came, before they were given to a thread or to the stock. At the start."""
    await transaction.execute(
        """DELETE FROM matrix_room WHERE kind = 'thread'
           AND room_id NOT IN (SELECT room_id FROM warm_room)
           AND room_id NOT IN (SELECT room_id FROM thread WHERE room_id IS NOT NULL)
           AND room_id NOT IN (SELECT subject FROM erasure)"""
    )
