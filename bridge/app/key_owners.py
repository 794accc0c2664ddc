"""Compares the owners of keys in `keys.db` with the rows in the database: at the start, before anything is decided.

Rules of this module: a key without rows is destroyed. Rows without a key stay, because the newest `keys.db` may still be
restored, until a person says that it is lost for good (`quietline erasure lost-keys`). Then conversations without a key are
ended, except those on legal hold: their rooms are purged after `client_grace`, and the phone's next text begins another
conversation. A room whose key is missing or damaged gets another key, if its conversation still has its own.

What a crash between two lines leaves: an orphaned key, or a row or room without a key, which the next start handles. Each
conversation is ended in a commit of its own, and the person's statement is deleted after the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.model.actions import DESK
from bot.model.thread_desk_events import ThreadParked
from bot.model.transactional_actions import EraseTexter, ParkThread
from bridge.erasure.carrier_copies import COPIES
from bridge.matrix.room_keys.sealing import forget_sessions_in
from bridge.matrix.rooms.room_state import delete_unassigned_rooms, rooms_of_ours
from bridge.runtime import log
from bridge.storage.vault import CannotOpen
from bridge.tables import inbox, line_state, threads, warm_rooms

if TYPE_CHECKING:
    from collections.abc import Collection

    from bridge.engine.transactional_actions import TransactionalActions
    from bridge.services import Services
    from bridge.storage.database import Transaction


async def destroy_orphans(services: Services) -> set[str]:
    """Destroy keys whose thread or room was never made because of a crash; return the owners of the remaining keys."""
    await services.database.commit(delete_unassigned_rooms)
    needed = await threads.key_owners(services.database)
    owners = await services.vault.owners()
    orphans = owners - needed - {DESK, COPIES}
    for owner in orphans:
        await services.vault.destroy(owner)
    if orphans:
        log.event("bridge.orphan_keys_destroyed", count=len(orphans))
    return owners - orphans


async def end_lost(services: Services, actions: TransactionalActions, *, grace: float) -> None:
    """End conversations whose key is missing or damaged, if a person has said that the keys are lost.

    `grace`: see `ParkThread`.
    """
    if await line_state.get(services.database, line_state.KEYS_LOST) is None:
        return
    count = 0
    for thread in await threads.not_on_hold(services.database):
        try:
            await services.vault.load(thread)
        except CannotOpen:
            await _end(services, actions, thread, grace)
            count += 1
    await services.database.commit(lambda transaction: line_state.delete(transaction, line_state.KEYS_LOST))
    if count:
        log.event("bridge.lost_conversations_ended", count=count)


async def _end(services: Services, actions: TransactionalActions, thread: str, grace: float) -> None:
    inbox_row = await inbox.seal(services.vault, DESK, ThreadParked(thread=thread))

    async def commit(transaction: Transaction) -> None:
        await actions.perform(transaction, thread, ParkThread(grace=grace, drop_unsent=True))
        await actions.perform(transaction, thread, EraseTexter())
        await inbox.append(transaction, inbox_row)

    await services.database.commit(commit)


async def replace_room_keys(services: Services, owners: Collection[str], policy: str) -> None:
    """Give another key to rooms in use without a readable one: warm rooms, and rooms of conversations that have their key.

    Without a key nothing can be sent there, and the next texters would get such warm rooms. Earlier messages stay
    unreadable. Clients keep their sessions in these rooms and send the keys of them to the new device that the policy bot
    gets. Desk and offices need no such key (`bridge/matrix/room_keys/sealing.py`).
    """
    used, count = set(await warm_rooms.used_rooms(services.database)), 0
    for room in await rooms_of_ours(services.database):
        if room.room_id not in used or room.is_permanent or (room.owner and room.owner not in owners):
            continue
        try:
            await services.vault.load(room.key_owner)
        except CannotOpen:
            await forget_sessions_in(services.database, room.room_id, policy)
            await services.vault.destroy(room.key_owner)
            await services.vault.create(room.key_owner)
            count += 1
    if count:
        log.event("bridge.room_keys_replaced", count=count)
