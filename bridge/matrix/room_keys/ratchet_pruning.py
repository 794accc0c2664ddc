"""What we could still read of messages that are gone: keys of others are moved past them.

Rules of this module: an inbound session is moved forward to the first message that is still on the deletion index, or past
the last one that was read, and that index is its floor. What lies before can then be read by nobody with our files, and be
replayed to us by nobody either, whatever key its device sends again, so that we need not remember which indices were read;
nor once the session has made space for others (`session_space`).
A session of others is never thrown away here: its owner may still use it. One of ours for desk or office is, once it is
retired and nothing said with it is left on the index; a thread's goes with its room.

What was said with a session is told by times: from when it began until its successor did, and a minute more for what was
just being sent. An event noted even later, after a crash, is lost to newcomers; nothing is kept for longer by it.

Source: https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2 (a ratchet goes forward only).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys.inbound_sessions import inbound_seal_context
from bridge.matrix.rooms.room_state import rotate_sessions
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import CannotOpen, Vault

JUST_SENT_MS: Final = 60_000

# `kept`: the first index whose message is still there; `last`: the last one that was read.
_SELECT_INBOUND: Final = """
    SELECT i.room_id, i.session_id, i.sender, i.first_index, i.ratchet, r.key_owner,
           MIN(CASE WHEN e.event_id IS NULL THEN NULL ELSE m.position END) AS kept, MAX(m.position) AS last
    FROM matrix_inbound i JOIN matrix_room r ON r.room_id = i.room_id
    JOIN matrix_read m ON m.room_id = i.room_id AND m.session_id = i.session_id
    LEFT JOIN event e ON e.event_id = m.event_id
    WHERE i.room_id = $1
    GROUP BY i.room_id, i.session_id, i.sender, i.first_index, i.ratchet, r.key_owner
"""


# Of all events of the room: also what others said in that time keeps it, and nothing stands there for more than a day but
# the board and cards.
_DELETE_RETIRED: Final = f"""
    DELETE FROM matrix_session WHERE NOT active
    AND room_id IN (SELECT room_id FROM matrix_room WHERE kind <> 'thread')
    AND NOT EXISTS (
        SELECT 1 FROM event e WHERE e.room_id = matrix_session.room_id AND NOT e.state AND e.at >= matrix_session.begun_ms
        AND e.at <= COALESCE((
            SELECT MIN(s.begun_ms) FROM matrix_session s WHERE s.room_id = matrix_session.room_id
            AND s.user_id = matrix_session.user_id AND s.begun_ms > matrix_session.begun_ms
        ) + {JUST_SENT_MS}, e.at)
    )
"""  # noqa: S608 - a constant


async def delete_retired_sessions(transaction: Transaction) -> None:
    """Delete first keys of desk and offices with which nothing is read any more."""
    await transaction.execute(_DELETE_RETIRED)


async def delete_sessions_since(transaction: Transaction, room_id: str, since: float) -> None:
    """Delete what was begun in a room since then (seconds), and let nothing be encrypted with it any more."""
    await rotate_sessions(transaction, room_id)
    query = "DELETE FROM matrix_session WHERE room_id = $1 AND NOT active AND begun_ms >= $2"
    await transaction.execute(query, room_id, int(since * 1000))


async def prune_ratchets(database: Database, vault: Vault) -> int:
    """Move every session of others past what is gone, and delete those of ours; return how many were moved."""
    await database.commit(delete_retired_sessions)
    moved = 0
    for room in await database.fetch("SELECT room_id FROM matrix_room"):
        for row in await database.fetch(_SELECT_INBOUND, room["room_id"]):
            first = row["last"] + 1 if row["kept"] is None else row["kept"]
            if first <= row["first_index"]:
                continue
            try:
                sealed = await _advance_ratchet(vault, row, first)
            except (CannotOpen, OlmGroupSessionError):
                continue  # its room's key is destroyed, or it cannot be read anyway
            moved += await database.commit(partial(_store_ratchet, row=row, first=first, sealed=sealed))
        # A read runs in the event loop: of all rooms at once it would hold up texts for as long as there are rooms.
        await asyncio.sleep(0)
    return moved


async def _advance_ratchet(vault: Vault, row: Any, first: int) -> bytes:
    context, session_id = inbound_seal_context(row["session_id"]), row["session_id"]
    pickle = await vault.open(row["key_owner"], context, bytes(row["ratchet"]))
    session = InboundGroupSession.from_pickle(pickle, session_id)
    later = InboundGroupSession.import_session(session.export_session(first))
    return await vault.seal(row["key_owner"], context, later.pickle(session_id))


async def _store_ratchet(transaction: Transaction, *, row: Any, first: int, sealed: bytes) -> int:
    where = (row["room_id"], row["session_id"])
    done = await transaction.fetchval(
        """UPDATE matrix_inbound SET ratchet = $5, first_index = $4, floor = $4
           WHERE room_id = $1 AND session_id = $2 AND sender = $3 AND first_index = $6 RETURNING session_id""",
        *where,
        row["sender"],
        first,
        sealed,
        row["first_index"],
    )
    if done is None:  # a key that reaches further back came meanwhile: the next time
        return 0
    await transaction.execute(
        "DELETE FROM matrix_read WHERE room_id = $1 AND session_id = $2 AND position < $3", *where, first
    )
    return 1
