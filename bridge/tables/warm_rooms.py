"""The table `warm_room`: rooms made before they are needed, each with its designation.

Rule of this module: a warm room is in stock until a thread takes it; no two rooms have the same designation at once.
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


async def stock(reader: Reader) -> list[str]:
    """Return the ids of all rooms in stock."""
    return [row["room_id"] for row in await reader.fetch("SELECT room_id FROM warm_room ORDER BY room_id")]


async def designations_in_use(reader: Reader) -> list[str]:
    """Return the designations that threads and warm rooms bear."""
    rows = await reader.fetch(
        "SELECT designation FROM thread WHERE designation <> '' UNION ALL SELECT designation FROM warm_room"
    )
    return [row["designation"] for row in rows]


async def designation_of_room(reader: Reader, room_id: str) -> str | None:
    """Return the designation of a thread's or a warm room, None of one that is being erased."""
    query = "SELECT designation FROM thread WHERE room_id = $1 UNION SELECT designation FROM warm_room WHERE room_id = $1"
    designation: str | None = await reader.fetchval(query, room_id)
    return designation


async def used_rooms(reader: Reader) -> list[str]:
    """Return the rooms of threads, in stock, and the offices: what is made again when it is lost."""
    rows = await reader.fetch(
        """SELECT room_id FROM warm_room UNION SELECT room_id FROM thread WHERE room_id IS NOT NULL
           UNION SELECT room_id FROM matrix_room WHERE kind = 'office'"""
    )
    return [row["room_id"] for row in rows]


async def delete(transaction: Transaction, room_id: str) -> str:
    """Take a room out, for good; return the designation that it had in stock, or an empty string."""
    designation = await transaction.fetchval("DELETE FROM warm_room WHERE room_id = $1 RETURNING designation", room_id)
    return designation or ""
