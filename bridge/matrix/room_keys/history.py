"""What people typed in a room of ours before: read for `!recap`, and shared with a newcomer as a room key bundle (MSC4268).

`RoomHistory` only reads; no session advances, and no index is stored. It opens only messages that were accepted when they
came (`inbound_sessions` stored the index): at that time they were from a trusted device and no replay. Everything else is
counted, and its content is used nowhere. A bundle is sent before the invite and again after the join. It has only
sessions with which a message was read (`accepted_sessions`), and goes only to trusted devices of the invitee, from the
identity that invites. Every upload is noted before it is made, so that it can be deleted.

Sources: MSC4268 and facts-matrix.md, "Key bundles";
https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomidmessages
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from bridge.matrix.api.events import DecryptedMessage
from bridge.matrix.api.json_fields import BAD_DATA, Json, dumps, objects_in, string_field
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device import ToDevicePayload, ToDeviceSender
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys import inbound_table
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.room_keys.inbound_sessions import EncryptedEvent, accepted_sessions, parse_plaintext
from bridge.matrix.rooms.media import record_upload
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services

EVENT_TYPES: Final = ("m.room_key_bundle", "io.element.msc4268.room_key_bundle")
"""The name in the specification, and the earlier one: clients of 2025 know only the second."""
PAGE: Final = 100
MAX_PAGES: Final = 5
"""About five hundred messages of colleagues: more than anybody reads again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentMessages:
    """`messages`: oldest first.

    `unread`: number of messages that are left out; `more`: there are older ones, which were not read.
    """

    messages: tuple[DecryptedMessage, ...]
    unread: int = 0
    more: bool = False


class RoomHistory:
    """Reads as the policy bot. `ours`: the user ids of both identities, whose messages are skipped."""

    def __init__(self, services: Services, *, identity: Identity, ours: Collection[str]) -> None:
        self._database, self._vault = services.database, services.vault
        self._client, self._ours = identity.client, frozenset(ours)

    async def recent_messages(self, room_id: str) -> RecentMessages:
        """Return the latest messages of other people in a room, with edits as separate messages.

        Raises what `HomeserverClient` raises.
        """
        events, more = await self._events(room_id)
        sessions, event_ids = await self._sessions(room_id), await inbound_table.events_read(self._database, room_id)
        messages: list[DecryptedMessage] = []
        unread = 0
        for raw in events:
            try:
                event = EncryptedEvent.read(raw, room_id)
                if not event.content:  # redacted
                    continue
                session_id = string_field(event.content, "session_id", longest=64)
                payload, index = sessions[session_id, event.sender].decrypt(string_field(event.content, "ciphertext"))
                if event_ids[session_id, index] != event.event_id:
                    raise KeyError
                messages.append(parse_plaintext(event, payload))
            except (OlmGroupSessionError, *BAD_DATA):
                unread += 1
        return RecentMessages(messages=tuple(reversed(messages)), unread=unread, more=more)

    async def _events(self, room_id: str) -> tuple[list[Json], bool]:
        """Page back; return the events, newest first, and whether there are more."""
        event_filter = dumps({"types": ["m.room.encrypted"], "not_senders": sorted(self._ours)})
        events: list[Json] = []
        start = ""
        for _ in range(MAX_PAGES):
            query = {"dir": "b", "limit": str(PAGE), "filter": event_filter, **({"from": start} if start else {})}
            answer = await self._client.request("GET", "rooms", room_id, "messages", query=query)
            events += [
                event
                for event in objects_in(answer.get("chunk"))
                if event.get("type") == "m.room.encrypted" and event.get("sender") not in self._ours
            ]
            end = answer.get("end")
            if not isinstance(end, str) or end == start:
                return events, False
            start = end
        return events, True

    async def _sessions(self, room_id: str) -> dict[tuple[str, str], InboundGroupSession]:
        accepted = await accepted_sessions(self._database, self._vault, room_id)
        return {(each.session_id, each.sender): each.session for each in accepted}


class KeyBundles:
    """Makes and sends bundles as the policy bot."""

    def __init__(self, services: Services, *, identity: Identity, devices: DeviceLists, to_device: ToDeviceSender) -> None:
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
        await self._identity.client.upload_media(url, data)
        self._crash(CrashPoint.BUNDLE_UPLOADED)
        content = {"room_id": room_id, "file": {**file, "url": url}}
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


def encrypt_attachment(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return the ciphertext, and what decrypts it: an `EncryptedFile` without its address.

    Source: https://spec.matrix.org/latest/client-server-api/#sending-encrypted-attachments
    """
    key, iv = os.urandom(32), os.urandom(8) + bytes(8)
    encryptor = Cipher(AES(key), CTR(iv)).encryptor()
    ciphertext = encryptor.update(data) + encryptor.finalize()
    jwk = {
        "kty": "oct",
        "alg": "A256CTR",
        "ext": True,
        "key_ops": ["encrypt", "decrypt"],
        "k": urlsafe_b64encode(key).decode().rstrip("="),
    }
    digest = hashlib.sha256(ciphertext).digest()
    return ciphertext, {"v": "v2", "key": jwk, "iv": _unpadded(iv), "hashes": {"sha256": _unpadded(digest)}}


def _unpadded(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")
