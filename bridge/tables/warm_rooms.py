"""The table `warm_room`: rooms made before a thread needs them, with the designation they bear."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class WarmRoom:
    """A room that no thread has yet."""

    room_id: str
    designation: str


async def take(transaction: Transaction) -> WarmRoom | None:
    """Take a room out, for a thread; None when there is none."""
    row = await transaction.fetchrow("SELECT room_id, designation FROM warm_room LIMIT 1")
    if row is None:
        return None
    await transaction.execute("DELETE FROM warm_room WHERE room_id = $1", row["room_id"])
    return WarmRoom(row["room_id"], row["designation"])
