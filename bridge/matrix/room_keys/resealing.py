"""Seals Megolm sessions of desk and offices again, so that the key of their earlier states can be destroyed.

Rules of this module: a passing key is destroyed when nothing is sealed under it (`bridge/erasure/passing_keys.py`): values
that share a key with a pruned, replaced or deleted state are sealed under another one. Sessions that may be in use have a
key that is retired at each turn; the others have one that is retired once a day. So the key of an old state is destroyed
within hours, or a day, and most rows are written once a day only. A session is read and written in one commit, so that no
change to it is lost. Sessions under the key of their room, as an older program sealed them, are sealed again at the first
turn, and then that key is destroyed.

A session that cannot be opened counts as none. In place of ours another one begins; another person's device may send its
key again. A line whose keys of that kind are not in `keys.db` (an older `keys.db` or an earlier state of PostgreSQL was
restored) could read nobody until their clients change sessions: so at its start such sessions are deleted together with the
policy bot's Olm account. The bot gets a new device, to which each client sends the key of its session with the next
message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from bridge.matrix.olm import olm_store
from bridge.matrix.room_keys import inbound_table, outbound_table
from bridge.matrix.room_keys.sealing import (
    first_key_seal_context,
    inbound_seal_context,
    ratchet_seal_context,
    seal_session,
)
from bridge.matrix.rooms.room_state import Room, rooms_of_ours
from bridge.runtime import log
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import CannotOpen, Passing, Vault, passing_owner_of

BATCH: Final = 50
"""Sessions in one commit; texts wait a few milliseconds for it."""
IN_USE_MS: Final = 8 * 86_400_000
"""A session counts as in use for so long after its begin, or its key's arrival. Clients begin another within a week."""


async def reseal_sessions(database: Database, vault: Vault, *, now_ms: int) -> None:
    """Seal again the sessions that are sealed under a retired key, or their room's. May be repeated."""
    with_key = await vault.owners()
    for room in await rooms_of_ours(database):
        if not room.is_permanent:
            continue
        for use, session_ids in (await _stale_inbound(database, vault, room, now_ms)).items():
            for begin in range(0, len(session_ids), BATCH):
                batch = session_ids[begin : begin + BATCH]
                await database.commit(partial(_reseal_inbound, vault, room, use, batch))
                await asyncio.sleep(0)
        if await _has_stale_outbound(database, vault, room):
            await database.commit(partial(_reseal_outbound, vault, room, now_ms, database.history))
        if room.key_owner in with_key and not await _has_session_under_room_key(database, room):
            await vault.destroy(room.key_owner)
        await asyncio.sleep(0)


async def forget_lost(database: Database, vault: Vault, policy: str) -> None:
    """Delete sessions of desk and offices whose key is gone, and the policy bot's account, so that it gets a new device.

    At a start. Both are one commit, so that it is done once.
    """
    keys = await vault.passing_owners() | await vault.owners()
    lost = [
        (room.room_id, row["session_id"], row["sender"])
        for room in await rooms_of_ours(database)
        if room.is_permanent
        for row in await inbound_table.sessions_in_room(database, room.room_id)
        if (passing_owner_of(bytes(row["under"])) or room.key_owner) not in keys
    ]
    await _forget(database, lost, policy)


async def forget_sessions_in(database: Database, room_id: str, policy: str) -> None:
    """Delete the sessions of a thread's room whose key is gone, in the same way, before the room gets another key."""
    rows = await inbound_table.sessions_in_room(database, room_id)
    await _forget(database, [(room_id, row["session_id"], row["sender"]) for row in rows], policy)


async def _forget(database: Database, lost: Sequence[tuple[str, str, str]], policy: str) -> None:
    if not lost:
        return

    async def commit(transaction: Transaction) -> None:
        for session in lost:
            await inbound_table.forget(transaction, *session)
        await olm_store.delete_account(transaction, policy)

    await database.commit(commit)
    log.event("matrix.sessions_lost", count=len(lost))


async def _stale_inbound(database: Database, vault: Vault, room: Room, now_ms: int) -> dict[Passing, list[str]]:
    sessions: dict[Passing, dict[str, None]] = {Passing.SESSIONS: {}, Passing.SETTLED: {}}
    for row in await inbound_table.sessions_in_room(database, room.room_id):
        if _is_stale(vault, row["under"]):
            sessions[_use_of(row["learned_ms"], now_ms)][row["session_id"]] = None
    return {use: [*session_ids] for use, session_ids in sessions.items()}


async def _reseal_inbound(vault: Vault, room: Room, use: Passing, session_ids: list[str], transaction: Transaction) -> None:
    for row in await inbound_table.ratchets(transaction, room.room_id, session_ids):
        where = (room.room_id, row["session_id"], row["sender"])
        sealed = await _reseal(vault, room, use, inbound_seal_context(row["session_id"]), row["ratchet"])
        if sealed is not None:
            await inbound_table.set_ratchet(transaction, *where, sealed)
        elif await vault.has_key(passing_owner_of(bytes(row["ratchet"])) or room.key_owner):
            await inbound_table.forget(transaction, *where)  # damaged: it would keep that key for ever
        # If its passing key is gone, the next start deletes the session, and its device sends the key once more.


async def _has_stale_outbound(database: Database, vault: Vault, room: Room) -> bool:
    rows = await outbound_table.sessions_in_room(database, room.room_id)
    return any(_is_stale(vault, part) for row in rows for part in (row["first_key"], row["ratchet"]))


async def _reseal_outbound(vault: Vault, room: Room, now_ms: int, history: str, transaction: Transaction) -> None:
    for row in await outbound_table.sessions_in_room(transaction, room.room_id):
        session_id, use = row["session_id"], _use_of(row["begun_ms"], now_ms)
        if _is_stale(vault, row["first_key"]):
            first_key = await _reseal(vault, room, use, first_key_seal_context(session_id), row["first_key"])
            if first_key is None:
                await outbound_table.set_ratchet(transaction, session_id, None)  # newcomers could not read its messages
                continue
            await outbound_table.set_first_key(transaction, session_id, first_key)
        if _is_stale(vault, row["ratchet"]):
            context = ratchet_seal_context(session_id, history)
            ratchet = await _reseal(vault, room, use, context, row["ratchet"])
            await outbound_table.set_ratchet(transaction, session_id, ratchet)


async def _reseal(vault: Vault, room: Room, use: Passing, context: str, sealed: bytes) -> bytes | None:
    try:
        plain = await vault.open_either(room.key_owner, context, bytes(sealed))
    except CannotOpen:
        return None
    return await seal_session(vault, room, context, plain, use=use)


def _use_of(at_ms: int, now_ms: int) -> Passing:
    return Passing.SESSIONS if at_ms >= now_ms - IN_USE_MS else Passing.SETTLED


def _is_stale(vault: Vault, sealed: bytes | None) -> bool:
    """Whether a value is sealed under a retired key, or under its room's. `sealed` may be None: nothing is stored."""
    if sealed is None:
        return False
    under = passing_owner_of(bytes(sealed))
    return not under or vault.is_retired(under)


async def _has_session_under_room_key(database: Database, room: Room) -> bool:
    rows = await inbound_table.sessions_in_room(database, room.room_id)
    ours = await outbound_table.sessions_in_room(database, room.room_id)
    parts = [row["under"] for row in rows] + [row[name] for row in ours for name in ("first_key", "ratchet")]
    return any(part is not None and not passing_owner_of(bytes(part)) for part in parts)
