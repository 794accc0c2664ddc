"""Seals the Megolm sessions of a room: a thread's under its room's key, those of desk and offices under a passing one.

Rules of this module: a thread's sessions end with their room and its key. Desk and offices exist as long as the line, and
PostgreSQL keeps deleted rows; so their sessions are sealed again, and the old key is destroyed (`resealing`). A session is
sealed within the commit that writes it, because its key must exist until the end of the commit
(`bridge/erasure/passing_keys.py`).
"""

from __future__ import annotations

from bridge.matrix.rooms.room_state import Room
from bridge.storage.vault import Passing, Vault


async def seal_session(vault: Vault, room: Room, context: str, data: bytes, *, use: Passing = Passing.SESSIONS) -> bytes:
    """Seal a session of a room, within a commit. `use`: which passing key. `Vault.open_either` opens it.

    Raises `CannotOpen` where a thread's room has no key.
    """
    if room.is_permanent:
        return await vault.seal_passing(use, context, data)
    return await vault.seal(room.key_owner, context, data)


def inbound_seal_context(session_id: str) -> str:
    """Return the seal context of an inbound session; its pickle's passphrase is the session id."""
    return f"matrix inbound {session_id}"


def first_key_seal_context(session_id: str) -> str:
    """Return the seal context of the first key of an outbound session."""
    return f"matrix first key {session_id}"


def ratchet_seal_context(session_id: str, history: str) -> str:
    """Return the seal context of the ratchet of an outbound session, which opens only in this `history` of the database."""
    return f"matrix ratchet {session_id} {history}".rstrip()
