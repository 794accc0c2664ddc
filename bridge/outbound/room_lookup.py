"""Where a place is: its room, what of ours stands there by its name, and who is at the desk.

Rule of this module: it reads what others wrote, and makes nothing.
"""

from __future__ import annotations

from typing import Final

from bot.model.actions import DESK, OFFICE
from bridge.outbound.dispatcher import Impossible, Task, TryAgain
from bridge.storage.database import Store

AT_DESK: Final = """SELECT 1 FROM matrix_member m JOIN matrix_room r ON r.room_id = m.room_id
    WHERE r.kind = 'desk' AND m.user_id = $1 AND m.membership = 'join'"""
NO_OFFICE: Final = 900.0
"""Seconds after which it is said that something did not reach an office that is not there."""


async def room(store: Store, owner: str, place: str) -> str | None:
    """Return the room of a place of that owner, None while there is none."""
    if place == DESK:
        query, args = "SELECT room_id FROM matrix_room WHERE kind = 'desk'", []
    elif place.startswith(OFFICE):
        query, args = "SELECT room_id FROM matrix_room WHERE kind = 'office' AND owner = $1", [place.removeprefix(OFFICE)]
    else:
        query, args = "SELECT room_id FROM thread WHERE id = $1", [owner]
    room_id: str | None = await store.fetchval(query, *args)
    return room_id


async def standing(store: Store, task: Task, place: str, *, now: float) -> str:
    """Return the room of a place for a row. Raises :class:`TryAgain` while there is none.

    An office that has not come to be is waited for no longer than `NO_OFFICE`; then :class:`Impossible`.
    """
    room_id = await room(store, task.owner, place)
    if room_id is None and place.startswith(OFFICE) and now - task.created > NO_OFFICE:
        raise Impossible("no office")
    if room_id is None:
        raise TryAgain(None)
    return room_id


async def event(store: Store, owner: str, ref: str) -> str | None:
    """Return the id of the message that bears that name."""
    found: str | None = await store.fetchval("SELECT event_id FROM event WHERE owner = $1 AND ref = $2", owner, ref)
    return found


async def inside(store: Store, room_id: str, user: str) -> bool:
    """Tell whether somebody is in a room, as the homeserver last told us."""
    query = "SELECT 1 FROM matrix_member WHERE room_id = $1 AND user_id = $2 AND membership = 'join'"
    return await store.fetchval(query, room_id, user) is not None


async def at_desk(store: Store, user: str) -> bool:
    """Tell whether somebody is on the roster, as the homeserver last told us."""
    return await store.fetchval(AT_DESK, user) is not None
