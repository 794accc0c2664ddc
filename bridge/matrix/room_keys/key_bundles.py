"""What colleagues typed, for somebody who is about to be invited, and again when they are in: a room key bundle (MSC4268).

Rules of this module: only sessions that we hold ourselves are given, to trusted devices of the invitee only, by the same
identity that invites; every upload is noted before it is made, so that it can be deleted again.

Source: MSC4268 and facts-matrix.md, "Key bundles". The texter's side does not need this: its first keys are ours.
"""

from __future__ import annotations

from typing import Any, Final

from mautrix.crypto.attachments import encrypt_attachment

from bridge.matrix.api.json_fields import dumps
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_sender import ToDevicePayload, ToDeviceSender
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.room_keys.inbound_sessions import inbound_seal_context
from bridge.matrix.rooms.media import record_upload
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import CrashHook, CrashPoint
from bridge.storage.database import Database
from bridge.storage.vault import CannotOpen, Vault

EVENT_TYPE: Final = "m.room_key_bundle"


class KeyBundles:
    """Makes and hands out bundles as the policy bot."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        identity: Identity,
        devices: DeviceLists,
        to_device: ToDeviceSender,
        crash: CrashHook,
    ) -> None:
        self._database, self._vault, self._clock, self._crash = database, vault, clock, crash
        self._identity, self._devices, self._to_device = identity, devices, to_device

    async def share(self, room_id: str, user: str) -> int:
        """Give a user what others typed in a room; returns the number of sessions. Raises what `Wire` raises."""
        devices = await self._devices.trusted(user)
        sessions = await self._sessions(room_id) if devices else []
        if not sessions:
            return 0
        data, file = encrypt_attachment(dumps({"room_keys": sessions, "withheld": []}).encode())
        url = await self._identity.client.create_media()
        at = int(self._clock.now() * 1000)

        await self._database.commit(lambda conn: record_upload(conn, url, room_id=room_id, user_id=user, at_ms=at))
        self._crash(CrashPoint.BUNDLE_NOTED)
        await self._identity.client.upload_media(url, bytes(data))
        self._crash(CrashPoint.BUNDLE_UPLOADED)
        content = {"room_id": room_id, "file": {**file.serialize(), "url": url}}
        await self._to_device.send([ToDevicePayload(device=device, type=EVENT_TYPE, content=content) for device in devices])
        return len(sessions)

    async def _sessions(self, room_id: str) -> list[dict[str, Any]]:
        rows = await self._database.fetch(
            """
            SELECT i.session_id, i.sender_key, i.signing_key, i.ratchet, r.key_owner FROM matrix_inbound i
            JOIN matrix_room r ON r.room_id = i.room_id WHERE i.room_id = $1
            """,
            room_id,
        )
        sessions = []
        for row in rows:
            try:
                pickle = await self._vault.open(
                    row["key_owner"], inbound_seal_context(row["session_id"]), bytes(row["ratchet"])
                )
                session = InboundGroupSession.from_pickle(pickle, row["session_id"])
                exported = session.export_session(session.first_known_index)
            except (CannotOpen, OlmGroupSessionError):
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
