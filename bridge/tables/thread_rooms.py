"""The table `warm_room`, rooms made ahead with the designation that each bears, and rooms that the homeserver has lost.

Rules of this module: a warm room is in stock until a thread takes it; no designation is borne by two rooms at once. Of a
room that is lost, as after the homeserver's database was put back to an earlier state, nothing is edited or redacted; a
thread whose room is lost waits for another.
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
    """Return the designation of a thread's or a warm room, None of one that is being erased."""
    query = "SELECT designation FROM thread WHERE room_id = $1 UNION SELECT designation FROM warm_room WHERE room_id = $1"
    designation: str | None = await reader.fetchval(query, room_id)
    return designation


async def forget_unassigned_rooms(transaction: Transaction) -> None:
    """Forget rooms that were noted when a crash came, before they were given to a thread or to the stock. At the start."""
    await transaction.execute(
        """DELETE FROM matrix_room WHERE kind = 'thread'
           AND room_id NOT IN (SELECT room_id FROM warm_room)
           AND room_id NOT IN (SELECT room_id FROM thread WHERE room_id IS NOT NULL)
           AND room_id NOT IN (SELECT subject FROM erasure)
           AND owner NOT IN (SELECT id FROM thread WHERE room_id IS NULL AND designation <> '')"""
    )


async def used_rooms(reader: Reader) -> list[str]:
    """Return the rooms of threads, in stock, and the offices: what is made again when it is lost."""
    rows = await reader.fetch(
        """SELECT room_id FROM warm_room UNION SELECT room_id FROM thread WHERE room_id IS NOT NULL
           UNION SELECT room_id FROM matrix_room WHERE kind = 'office'"""
    )
    return [row["room_id"] for row in rows]


async def forget_lost(transaction: Transaction, room_id: str) -> str:
    """Forget a room that the homeserver has lost; return the designation that it had in stock, or an empty string.

    What was noted of a thread's members stays until the thread has another room: it says whom to invite to it.
    """
    await transaction.execute("DELETE FROM event WHERE room_id = $1", room_id)
    designation = await transaction.fetchval("DELETE FROM warm_room WHERE room_id = $1 RETURNING designation", room_id)
    thread = await transaction.fetchval("UPDATE thread SET room_id = NULL WHERE room_id = $1 RETURNING id", room_id)
    if thread is None:
        await transaction.execute("DELETE FROM matrix_room WHERE room_id = $1", room_id)
    return designation or ""


async def people_of_lost(reader: Reader, thread: str, room_id: str) -> list[str]:
    """Return who was in the lost rooms of a thread that has this room now, ourselves included."""
    rows = await reader.fetch(
        """SELECT DISTINCT m.user_id FROM matrix_member m JOIN matrix_room r ON r.room_id = m.room_id
           WHERE r.kind = 'thread' AND r.owner = $1 AND r.room_id <> $2 AND m.membership IN ('join', 'invite')
           ORDER BY m.user_id""",
        thread,
        room_id,
    )
    return [row["user_id"] for row in rows]


async def settle_lost(transaction: Transaction, thread: str, room_id: str) -> None:
    """Forget what was noted of lost rooms of a thread: everybody is invited to this one."""
    query = "DELETE FROM matrix_room WHERE kind = 'thread' AND owner = $1 AND room_id <> $2"
    await transaction.execute(query, thread, room_id)
