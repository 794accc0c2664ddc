"""Where a place is: its room, and what of ours stands there by its name.

Rule of this module: it reads what others wrote, and makes nothing.
"""

from __future__ import annotations

from bot.actions import DESK, OFFICE
from bridge.store import Store


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


async def designation(store: Store, owner: str) -> str:
    """Return the designation of a thread, empty where there is none."""
    found: str | None = await store.fetchval("SELECT designation FROM thread WHERE id = $1", owner)
    return found or ""


async def event(store: Store, owner: str, ref: str) -> str | None:
    """Return the id of the message that bears that name."""
    found: str | None = await store.fetchval("SELECT event_id FROM event WHERE owner = $1 AND ref = $2", owner, ref)
    return found
