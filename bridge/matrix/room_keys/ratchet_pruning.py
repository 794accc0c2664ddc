"""Moves other people's sessions past erased messages, so that we cannot decrypt those any more.

Rules of this module: an inbound session is advanced to the first message that is still on the deletion index, or past the
last one that was read, and that index is its floor. Earlier messages can then not be decrypted with our files, and not be
replayed to us, whatever key the device sends again; so the read indices need not be stored, not even after the session was
deleted to make space (`inbound_table`). Other people's sessions are not deleted for their age, because the owner may still
use them; they are deleted with their room, like ours. Where the database keeps overwritten data, the key of the earlier
state is destroyed as well (`resealing`).

Source: https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2 (a ratchet goes forward only).
"""

from __future__ import annotations

import asyncio
from functools import partial

from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys import inbound_table, outbound_table, waiting_table
from bridge.matrix.room_keys.sealing import inbound_seal_context, seal_session
from bridge.matrix.rooms.room_state import Room, rooms_of_ours
from bridge.storage.database import Database, Row, Transaction
from bridge.storage.vault import CannotOpen, Vault


async def destroy_keys(transaction: Transaction, room_id: str) -> None:
    """Delete a room's outbound and inbound sessions, and events that wait for a key.

    The room's row stays until the purge.
    """
    await outbound_table.delete_room(transaction, room_id)
    await inbound_table.delete_room(transaction, room_id)
    await waiting_table.delete_room(transaction, room_id)


async def prune_ratchets(database: Database, vault: Vault) -> int:
    """Advance other people's sessions past erased messages, and delete our unused ones; return how many were advanced."""
    await database.commit(outbound_table.delete_retired_sessions)
    moved = 0
    for room in await rooms_of_ours(database):
        for row in await inbound_table.read_with(database, room.room_id):
            first = row["last"] + 1 if row["kept"] is None else row["kept"]
            if first <= row["first_index"]:
                continue
            try:
                later = await _later_pickle(vault, row, first)
                moved += await database.commit(partial(_advance, vault, room, row, first, later))
            except (CannotOpen, OlmGroupSessionError):
                continue  # its room's key is destroyed, or it is damaged
        # A read runs in the event loop: without a pause after each room, texts would wait for all rooms.
        await asyncio.sleep(0)
    return moved


async def _advance(vault: Vault, room: Room, row: Row, first: int, later: bytes, transaction: Transaction) -> bool:
    """Write the later state; return False if a key that begins earlier came meanwhile: then the next turn does it."""
    ratchet = await seal_session(vault, room, inbound_seal_context(row["session_id"]), later)
    return await inbound_table.advance(transaction, row, first=first, ratchet=ratchet)


async def _later_pickle(vault: Vault, row: Row, first: int) -> bytes:
    context, session_id = inbound_seal_context(row["session_id"]), row["session_id"]
    pickle = await vault.open_either(row["key_owner"], context, bytes(row["ratchet"]))
    session = InboundGroupSession.from_pickle(pickle, session_id)
    return InboundGroupSession.import_session(session.export_session(first)).pickle(session_id)
