"""Seals the Megolm sessions of a room, and sees to it that erased messages cannot be decrypted with any state of them.

A thread's sessions are sealed under its room's key and end with it. Desk and offices exist as long as the line, and
PostgreSQL keeps replaced rows; so theirs are sealed under passing keys, again and again, and a passing key is destroyed
when nothing is sealed under it (`bridge/erasure/expiry.py`). Sessions that may be in use are sealed again at each
turn, the others once a day. A session is sealed within the commit that writes it: its key exists until the commit ends.

Another person's session is advanced to the first message that is still on the deletion index, or past the last one that
was read; that index is its floor. Earlier messages can then not be decrypted with our files, nor replayed to us.

Source: https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2 (a ratchet goes forward only).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from bridge.matrix.olm import olm_store
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession
from bridge.matrix.room_keys import inbound_table, outbound_table
from bridge.matrix.rooms.room_state import Room, rooms_of_ours
from bridge.runtime import log
from bridge.storage.database import Database, Row, Transaction
from bridge.storage.vault import CannotOpen, Passing, Vault, passing_owner_of

BATCH: Final = 50
"""Sessions in one commit; texts wait a few milliseconds for it."""
IN_USE_MS: Final = 8 * 86_400_000
"""A session counts as in use for so long after its begin, or its key's arrival. Clients begin another within a week."""


async def seal_session(vault: Vault, room: Room, context: str, data: bytes, *, use: Passing = Passing.SESSIONS) -> bytes:
    """Seal a session of a room, within a commit. `use`: which passing key. `Vault.open_either` opens it.

    Raises `CannotOpen` where a thread's room has no key.
    """
    if room.is_permanent:
        return await vault.seal_passing(use, context, data)
    return await vault.seal(room.key_owner, context, data)


def inbound_seal_context(session_id: str) -> str:
    """Return the seal context of an inbound session."""
    return f"matrix inbound {session_id}"


def first_key_seal_context(session_id: str) -> str:
    """Return the seal context of the first key of an outbound session."""
    return f"matrix first key {session_id}"


def ratchet_seal_context(session_id: str, history: str) -> str:
    """Return the seal context of the ratchet of an outbound session, which opens only in this `history` of the database."""
    return f"matrix ratchet {session_id} {history}".rstrip()


async def reseal_sessions(database: Database, vault: Vault, *, now_ms: int) -> None:
    """Seal again the sessions of desk and offices that are sealed under a retired key. May be repeated."""
    for room in await rooms_of_ours(database):
        if not room.is_permanent:
            continue
        rows = await inbound_table.sessions_in_room(database, room.room_id)
        stale = [row for row in rows if _is_stale(vault, row["under"])]
        for use in (Passing.SESSIONS, Passing.SETTLED):
            session_ids = [row["session_id"] for row in stale if _use_of(row["learned_ms"], now_ms) is use]
            for begin in range(0, len(session_ids), BATCH):
                batch = session_ids[begin : begin + BATCH]
                await database.commit(partial(_reseal_inbound, vault, room, use, batch))
                await asyncio.sleep(0)
        ours = await outbound_table.sessions_in_room(database, room.room_id)
        if any(_is_stale(vault, part) for row in ours for part in (row["first_key"], row["ratchet"])):
            await database.commit(partial(_reseal_outbound, vault, room, now_ms, database.history))
        await asyncio.sleep(0)


async def _reseal_inbound(vault: Vault, room: Room, use: Passing, session_ids: list[str], transaction: Transaction) -> None:
    for row in await inbound_table.ratchets(transaction, room.room_id, session_ids):
        sealed = await _reseal(vault, use, inbound_seal_context(row["session_id"]), row["ratchet"])
        await inbound_table.set_ratchet(transaction, room.room_id, row["session_id"], row["sender"], sealed)


async def _reseal_outbound(vault: Vault, room: Room, now_ms: int, history: str, transaction: Transaction) -> None:
    for row in await outbound_table.sessions_in_room(transaction, room.room_id):
        session_id, use = row["session_id"], _use_of(row["begun_ms"], now_ms)
        if _is_stale(vault, row["first_key"]):
            first_key = await _reseal(vault, use, first_key_seal_context(session_id), row["first_key"])
            await outbound_table.set_first_key(transaction, session_id, first_key)
        if _is_stale(vault, row["ratchet"]):
            try:
                ratchet = await _reseal(vault, use, ratchet_seal_context(session_id, history), row["ratchet"])
            except CannotOpen:  # a ratchet of another history of the server: its session encrypts nothing more
                ratchet = None
            await outbound_table.set_ratchet(transaction, session_id, ratchet)


async def _reseal(vault: Vault, use: Passing, context: str, sealed: bytes) -> bytes:
    return await vault.seal_passing(use, context, await vault.open_either("", context, bytes(sealed)))


def _use_of(at_ms: int, now_ms: int) -> Passing:
    return Passing.SESSIONS if at_ms >= now_ms - IN_USE_MS else Passing.SETTLED


def _is_stale(vault: Vault, sealed: bytes | None) -> bool:
    """Whether a value is sealed under a retired key. `sealed` may be None: nothing is stored."""
    return sealed is not None and vault.is_retired(passing_owner_of(bytes(sealed)))


async def forget_lost(main: Database, puppet: Database, vault: Vault, *, policy_mxid: str, puppet_mxid: str) -> None:
    """At a start: where a passing key is not in `keys.db`, as after a restore, forget what needs it.

    Without its Olm account an identity gets a new device, to which each client sends the key of its session with its next
    message; so the sessions of desk and offices, ours and other people's, are forgotten with the policy bot's account, in
    one commit.
    """
    keys = await vault.passing_owners() | {""}
    needed = set[str]()
    for table in (inbound_table, outbound_table, olm_store):
        needed |= await table.passing_owners(main)
    if needed - keys:
        rooms = [room.room_id for room in await rooms_of_ours(main) if room.is_permanent]
        await main.commit(lambda transaction: _forget(transaction, rooms, policy_mxid))
    if await olm_store.passing_owners(puppet) - keys:
        log.event("matrix.sessions_lost")
        await puppet.commit(lambda transaction: olm_store.delete_account(transaction, puppet_mxid))


async def forget_sessions_in(database: Database, room_id: str, policy: str) -> None:
    """Forget the sessions of a thread's room whose key is gone, in the same way, before the room gets another key."""
    if await inbound_table.sessions_in_room(database, room_id):
        await database.commit(lambda transaction: _forget(transaction, [room_id], policy))


async def _forget(transaction: Transaction, rooms: list[str], policy: str) -> None:
    log.event("matrix.sessions_lost")
    for room_id in rooms:
        await inbound_table.forget_sessions(transaction, room_id)
        await outbound_table.delete_room(transaction, room_id)
    await olm_store.delete_account(transaction, policy)


async def destroy_keys(transaction: Transaction, room_id: str) -> None:
    """Delete a room's outbound and inbound sessions, and events that wait for a key.

    The room's row stays until the purge.
    """
    await outbound_table.delete_room(transaction, room_id)
    await inbound_table.delete_room(transaction, room_id)
    await inbound_table.delete_waiting_of_room(transaction, room_id)


async def prune_ratchets(database: Database, vault: Vault) -> int:
    """Advance other people's sessions past erased messages, and delete our unused ones; return how many were advanced."""
    await database.commit(outbound_table.delete_retired_sessions)
    moved = 0
    for room in await rooms_of_ours(database):
        for row in await inbound_table.read_with(database, room.room_id):
            first = row["last"] + 1 if row["kept"] is None else row["kept"]
            if first <= row["first_index"]:
                continue
            context = inbound_seal_context(row["session_id"])
            try:
                pickle = await vault.open_either(row["key_owner"], context, bytes(row["ratchet"]))
                later = InboundGroupSession.from_pickle(pickle).since(first).pickle()
                moved += await database.commit(partial(_advance, vault, room, row, first, later))
            except CannotOpen:
                continue  # its room's key is destroyed
        # A read runs in the event loop: without a pause after each room, texts would wait for all rooms.
        await asyncio.sleep(0)
    return moved


async def _advance(vault: Vault, room: Room, row: Row, first: int, later: bytes, transaction: Transaction) -> bool:
    """Write the later state; return False if a key that begins earlier came meanwhile: then the next turn does it."""
    ratchet = await seal_session(vault, room, inbound_seal_context(row["session_id"]), later)
    return await inbound_table.advance(transaction, row, first=first, ratchet=ratchet)
