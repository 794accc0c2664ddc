"""What colleagues typed, for somebody who is about to be invited, and again when they are in: a room key bundle (MSC4268).

Rules of this module: only sessions that we hold ourselves are given, to trusted devices of the invitee only, by the same
identity that invites; every upload is noted before it is made, so that it can be deleted again.

Source: MSC4268 and facts-matrix, sections 3 and 11. The texter's side does not need this: its first keys are ours.
"""

from __future__ import annotations

from typing import Any, Final

from mautrix.crypto.attachments import encrypt_attachment

from bridge.matrix.api.json_fields import dumps
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_outbox import Mail, Post
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys.device_lists import Devices
from bridge.matrix.room_keys.inbound_sessions import inbound_context
from bridge.matrix.rooms.media import note_upload
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Store
from bridge.storage.vault import Sealed, Vault

KIND: Final = "m.room_key_bundle"


class Bundles:
    """Makes and hands out bundles as the policy bot."""

    def __init__(
        self, *, store: Store, vault: Vault, clock: Clock, identity: Identity, devices: Devices, post: Post, crash: Crash
    ) -> None:
        self._store, self._vault, self._clock, self._crash = store, vault, clock, crash
        self._identity, self._devices, self._post = identity, devices, post

    async def give(self, room_id: str, user: str) -> int:
        """Give a user what others typed in a room; returns the number of sessions. Raises what `Wire` raises."""
        devices = await self._devices.trusted(user)
        sessions = await self._sessions(room_id) if devices else []
        if not sessions:
            return 0
        data, file = encrypt_attachment(dumps({"room_keys": sessions, "withheld": []}).encode())
        url = await self._identity.wire.reserve()
        at = int(self._clock.wall() * 1000)

        await self._store.commit(lambda conn: note_upload(conn, url, room_id=room_id, user_id=user, at_ms=at))
        self._crash(CrashPoint.BUNDLE_NOTED)
        await self._identity.wire.upload(url, bytes(data))
        self._crash(CrashPoint.BUNDLE_UPLOADED)
        content = {"room_id": room_id, "file": {**file.serialize(), "url": url}}
        await self._post.send([Mail(device=device, type=KIND, content=content) for device in devices])
        return len(sessions)

    async def _sessions(self, room_id: str) -> list[dict[str, Any]]:
        rows = await self._store.fetch(
            """
            SELECT i.session_id, i.sender_key, i.signing_key, i.ratchet, r.key_owner FROM matrix_inbound i
            JOIN matrix_room r ON r.room_id = i.room_id WHERE i.room_id = $1
            """,
            room_id,
        )
        sessions = []
        for row in rows:
            try:
                pickle = await self._vault.open(row["key_owner"], inbound_context(row["session_id"]), bytes(row["ratchet"]))
                session = InboundGroupSession.from_pickle(pickle, row["session_id"])
                exported = session.export_session(session.first_known_index)
            except (Sealed, OlmGroupSessionError):
                continue
            sessions.append(
                {
                    "algorithm": MEGOLM,
                    "room_id": room_id,
                    "sender_key": row["sender_key"],
                    "session_id": row["session_id"],
                    "session_key": exported,
                    "sender_claimed_keys": {"ed25519": row["signing_key"]},
                }
            )
        return sessions
