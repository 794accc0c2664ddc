"""Finds the room of a place.

Rule of this module: it only reads.
"""

from __future__ import annotations

from typing import Final

from bot.canary import is_canary
from bot.model.actions import DESK, OFFICE, THREAD
from bridge.matrix.rooms import room_state
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.storage.database import Database
from bridge.storage.vault import Vault
from bridge.tables import threads

OFFICE_TIMEOUT: Final = 900.0
"""Seconds after which a row for a missing office fails."""


async def room_of(database: Database, owner: str, place: str) -> str | None:
    """Return the room of a place of that owner, None while there is none."""
    if place == DESK:
        return await room_state.desk_room(database)
    if place.startswith(OFFICE):
        return await room_state.office_of(database, place.removeprefix(OFFICE))
    return await threads.room_of(database, owner)


async def require_room(database: Database, task: OutboxTask, place: str, *, now: float) -> str:
    """Return the room of a place for a row. Raises :class:`RetryLater` while there is none.

    A thread's room is the one that was read with the row. A missing office is waited for no longer than `OFFICE_TIMEOUT`;
    then :class:`PermanentFailure`.
    """
    room_id = task.room if place == THREAD else None
    if room_id is None:
        room_id = await room_of(database, task.owner, place)
    if room_id is None and place.startswith(OFFICE) and now - task.created > OFFICE_TIMEOUT:
        raise PermanentFailure("no office")
    if room_id is None:
        raise RetryLater(None)
    return room_id


async def is_canary_of(database: Database, vault: Vault, owner: str, user: str) -> bool:
    """Whether a thread is the canary's (`bot.canary`), and that user is the canary."""
    stored = await threads.get(database, owner)
    if stored is None:
        return False
    thread = await threads.open_aggregate(vault, owner, stored.aggregate)
    return is_canary(thread) and thread.canary == user
