"""How many sessions of one sender are kept in a room, and what stays of those that are kept no longer.

Rule of this module: the floor of a session that goes stays in `matrix_read` until the room is forgotten: as the index below
it, read by no event. Whoever sends the key again is moved there. So what was pruned cannot be replayed by making a session
go. One row at most for each session with which something was said and has gone.
"""

from __future__ import annotations

from typing import Final

from bridge.storage.database import Transaction

NO_EVENT: Final = ""
"""In `matrix_read`: the session is kept no longer, and nothing is read up to this index."""

_GONE: Final = """room_id=$1 AND sender=$2 AND session_id NOT IN (
    SELECT session_id FROM matrix_inbound WHERE room_id=$1 AND sender=$2
    ORDER BY accepted DESC, learned_ms DESC LIMIT $3)"""
_KEEP_FLOORS: Final = f"""INSERT INTO matrix_read (room_id, session_id, position, event_id)
    SELECT room_id, session_id, floor - 1, $4 FROM matrix_inbound WHERE floor > 0 AND {_GONE}
    ON CONFLICT (room_id, session_id, position) DO UPDATE SET event_id=excluded.event_id"""  # noqa: S608 - a constant


async def make_space(transaction: Transaction, room_id: str, sender: str, *, most: int) -> None:
    """Keep so many sessions of one sender in a room: the one learned first goes, of those with which nothing was read."""
    await transaction.execute(_KEEP_FLOORS, room_id, sender, most, NO_EVENT)
    await transaction.execute(f"DELETE FROM matrix_inbound WHERE {_GONE}", room_id, sender, most)  # noqa: S608 - a constant


async def floor_of_deleted(transaction: Transaction, room_id: str, session_id: str) -> int:
    """Return the floor that a session had which is kept no longer, or 0."""
    query = "SELECT MAX(position) + 1 FROM matrix_read WHERE room_id=$1 AND session_id=$2 AND event_id=$3"
    return int(await transaction.fetchval(query, room_id, session_id, NO_EVENT) or 0)
