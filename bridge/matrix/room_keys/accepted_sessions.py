"""Selects sessions of other people's devices that may be shared, and read again for others.

Rule of this module: a message was read with each of them, and its device was trusted then. So a newcomer gets no session
that a person outside the room only claims to be of that room; the key bundle and the recap both use this rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys import inbound_table
from bridge.matrix.room_keys.sealing import inbound_seal_context
from bridge.storage.database import Database
from bridge.storage.vault import CannotOpen, Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedSession:
    """A session of another person's device, with which a message was read while the device was trusted."""

    session_id: str
    sender: str
    sender_key: str
    signing_key: str
    session: InboundGroupSession


async def accepted_sessions(database: Database, vault: Vault, room_id: str) -> list[AcceptedSession]:
    """Return the sessions of a room that may be shared with others, and read again for them."""
    sessions = []
    for row in await inbound_table.accepted_rows(database, room_id):
        session_id = row["session_id"]
        try:
            pickle = await vault.open_either(row["key_owner"], inbound_seal_context(session_id), bytes(row["ratchet"]))
            session = InboundGroupSession.from_pickle(pickle, session_id)
        except (CannotOpen, OlmGroupSessionError):
            continue
        sessions.append(
            AcceptedSession(
                session_id=session_id,
                sender=row["sender"],
                sender_key=row["sender_key"],
                signing_key=row["signing_key"],
                session=session,
            )
        )
    return sessions
