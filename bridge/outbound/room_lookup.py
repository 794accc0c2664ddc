"""Finds rooms and messages: the room of a place, our event of a given `ref`, the members of the desk.

Rule of this module: it reads what others wrote, and makes nothing.
"""

from __future__ import annotations

from typing import Final

from bot.model.actions import DESK, OFFICE
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.storage.database import Database

AT_DESK: Final = """SELECT 1 FROM matrix_member m JOIN matrix_room r ON r.room_id = m.room_id
    WHERE r.kind = 'desk' AND m.user_id = $1 AND m.membership = 'join'"""
OFFICE_TIMEOUT: Final = 900.0
"""Seconds after which it is said that something did not reach an office that is not there."""


async def room_of(database: Database, owner: str, place: str) -> str | None:
    """Return the room of a place of that owner, None while there is none."""
    if place == DESK:
        query, args = "SELECT room_id FROM matrix_room WHERE kind = 'desk'", []
    elif place.startswith(OFFICE):
        query, args = "SELECT room_id FROM matrix_room WHERE kind = 'office' AND owner = $1", [place.removeprefix(OFFICE)]
    else:
        query, args = "SELECT room_id FROM thread WHERE id = $1", [owner]
    room_id: str | None = await database.fetchval(query, *args)
    return room_id


async def require_room(database: Database, task: OutboxTask, place: str, *, now: float) -> str:
    """Return the room of a place for a row. Raises :class:`RetryLater` while there is none.

    An office that has not come to be is waited for no longer than `OFFICE_TIMEOUT`; then :class:`PermanentFailure`.
    """
    room_id = await room_of(database, task.owner, place)
    if room_id is None and place.startswith(OFFICE) and now - task.created > OFFICE_TIMEOUT:
        raise PermanentFailure("no office")
    if room_id is None:
        raise RetryLater(None)
    return room_id


async def event_of(database: Database, owner: str, ref: str) -> str | None:
    """Return the id of the message that bears that name."""
    found: str | None = await database.fetchval("SELECT event_id FROM event WHERE owner = $1 AND ref = $2", owner, ref)
    return found


async def is_joined(database: Database, room_id: str, user: str) -> bool:
    """Tell whether somebody is in a room, as the homeserver last told us."""
    query = "SELECT 1 FROM matrix_member WHERE room_id = $1 AND user_id = $2 AND membership = 'join'"
    return await database.fetchval(query, room_id, user) is not None


async def is_at_desk(database: Database, user: str) -> bool:
    """Tell whether somebody is on the roster, as the homeserver last told us."""
    return await database.fetchval(AT_DESK, user) is not None
