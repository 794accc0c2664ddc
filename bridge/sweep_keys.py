"""What we could still read of messages that are gone: keys of others are moved past them.

Rules of this module: an inbound session is moved forward to the first message that is still on the deletion index, or past
the last one that was read; what lies before can then be read by nobody with our files, and be replayed to us by nobody
either, so that we need not remember which indices were read. A session is never thrown away: its owner may still use it.

Source: https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2 (a ratchet goes forward only).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from bridge.matrix.olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.reading import inbound_context
from bridge.store import Connection, Store
from bridge.vault import Sealed, Vault

# `kept`: the first index whose message is still there; `last`: the last one that was read.
_READ: Final = """
    SELECT i.room_id, i.session_id, i.sender, i.first_index, i.ratchet, r.key_owner,
           MIN(CASE WHEN e.event_id IS NULL THEN NULL ELSE m.position END) AS kept, MAX(m.position) AS last
    FROM matrix_inbound i JOIN matrix_room r ON r.room_id = i.room_id
    JOIN matrix_read m ON m.room_id = i.room_id AND m.session_id = i.session_id
    LEFT JOIN event e ON e.event_id = m.event_id
    GROUP BY i.room_id, i.session_id, i.sender, i.first_index, i.ratchet, r.key_owner
"""


async def prune(store: Store, vault: Vault) -> int:
    """Move every session past what is gone; return how many were moved."""
    moved = 0
    for row in await store.fetch(_READ):
        first = row["last"] + 1 if row["kept"] is None else row["kept"]
        if first <= row["first_index"]:
            continue
        try:
            sealed = await _forward(vault, row, first)
        except (Sealed, OlmGroupSessionError):
            continue  # its room's key is destroyed, or it cannot be read anyway
        moved += await store.commit(partial(_write, row=row, first=first, sealed=sealed))
    return moved


async def _forward(vault: Vault, row: Any, first: int) -> bytes:
    context, session_id = inbound_context(row["session_id"]), row["session_id"]
    pickle = await vault.open(row["key_owner"], context, bytes(row["ratchet"]))
    session = InboundGroupSession.from_pickle(pickle, session_id)
    later = InboundGroupSession.import_session(session.export_session(first))
    return await vault.seal(row["key_owner"], context, later.pickle(session_id))


async def _write(conn: Connection, *, row: Any, first: int, sealed: bytes) -> int:
    where = (row["room_id"], row["session_id"])
    done = await conn.fetchval(
        """UPDATE matrix_inbound SET ratchet = $5, first_index = $4
           WHERE room_id = $1 AND session_id = $2 AND sender = $3 AND first_index = $6 RETURNING session_id""",
        *where,
        row["sender"],
        first,
        sealed,
        row["first_index"],
    )
    if done is None:  # a key that reaches further back came meanwhile: the next time
        return 0
    await conn.execute("DELETE FROM matrix_read WHERE room_id = $1 AND session_id = $2 AND position < $3", *where, first)
    return 1
