"""Sends room key bundles (MSC4268): colleagues' earlier messages, for a person before the invite and again after the join.

Rules of this module: a bundle has only sessions with which a message was read (`accepted_sessions`), and goes only to
trusted devices of the invitee, from the identity that invites. Every upload is noted before it is made, so that it can be
deleted.

Source: MSC4268 and facts-matrix.md, "Key bundles". The texter's side does not need this: its first keys are ours.
"""

from __future__ import annotations

from typing import Any, Final

from mautrix.crypto.attachments import encrypt_attachment

from bridge.matrix.api.json_fields import dumps
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_sender import ToDevicePayload, ToDeviceSender
from bridge.matrix.olm.vodozemac_olm import OlmGroupSessionError
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.room_keys.inbound_sessions import accepted_sessions
from bridge.matrix.rooms.media import record_upload
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services

EVENT_TYPES: Final = ("m.room_key_bundle", "io.element.msc4268.room_key_bundle")
"""The name in the specification, and the earlier one: clients of 2025 know only the second."""


class KeyBundles:
    """Makes and sends bundles as the policy bot."""

    def __init__(
        self,
        services: Services,
        *,
        identity: Identity,
        devices: DeviceLists,
        to_device: ToDeviceSender,
    ) -> None:
        self._database, self._vault = services.database, services.vault
        self._clock, self._crash = services.clock, services.crash
        self._identity, self._devices, self._to_device = identity, devices, to_device

    async def share(self, room_id: str, user: str) -> int:
        """Send a user the sessions of other people in a room; return how many. Raises what `HomeserverClient` raises."""
        devices = await self._devices.trusted_devices(user)
        sessions = await self._sessions(room_id) if devices else []
        if not sessions:
            return 0
        data, file = encrypt_attachment(dumps({"room_keys": sessions, "withheld": []}).encode())
        url = await self._identity.client.create_media()
        at = int(self._clock.now() * 1000)

        if not await self._database.commit(
            lambda transaction: record_upload(transaction, url, room_id=room_id, user_id=user, at_ms=at)
        ):  # the room's erasure has begun since the sessions were read
            return 0
        self._crash(CrashPoint.BUNDLE_NOTED)
        await self._identity.client.upload_media(url, bytes(data))
        self._crash(CrashPoint.BUNDLE_UPLOADED)
        content = {"room_id": room_id, "file": {**file.serialize(), "url": url}}
        await self._to_device.send(
            [ToDevicePayload(device=device, type=kind, content=content) for kind in EVENT_TYPES for device in devices]
        )
        return len(sessions)

    async def _sessions(self, room_id: str) -> list[dict[str, Any]]:
        sessions = []
        for accepted in await accepted_sessions(self._database, self._vault, room_id):
            try:
                exported = accepted.session.export_session(accepted.session.first_known_index)
            except OlmGroupSessionError:
                continue
            sessions.append(
                {
                    "algorithm": MEGOLM,
                    "room_id": room_id,
                    "sender_key": accepted.sender_key,
                    "session_id": accepted.session_id,
                    "session_key": exported,
                    "sender_claimed_keys": {"ed25519": accepted.signing_key},
                }
            )
        return sessions
