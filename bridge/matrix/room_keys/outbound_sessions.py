"""Our Megolm sessions, one for each identity and room, and the sending of their keys to other people's devices.

A session and its first key are committed before they are sent to any device; a retired session never encrypts again. No
index may be used twice, even after a crash, so indices are reserved in the database, several at once, before they are
used, and the stored ratchet is ahead of what was sent. A promoted replica may have lost a reservation: so a ratchet is
sealed for the server's history (`Database.history`), and in another one the room begins another session.

Keys go to trusted devices of members and of people whom the caller names, and never carry `shared_history`
(facts-matrix.md, "Late joiners"). A key is noted as due before it is encrypted, in the commit that finds its device
trusted, and as delivered once the homeserver has accepted it, unless the device asked for it meanwhile; so `share` may be
repeated.

Sources: https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2, #mroom_key and #mroom_keywithheld
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

from bridge.matrix.api.json_fields import Json, dumps
from bridge.matrix.olm.cross_signing import MEGOLM, Device
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device import ToDevicePayload, ToDeviceSender
from bridge.matrix.olm.vodozemac_olm import OutboundGroupSession
from bridge.matrix.room_keys import outbound_table
from bridge.matrix.room_keys.confirmed_identities import device_of
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.room_keys.sealing import first_key_seal_context, ratchet_seal_context, seal_session
from bridge.matrix.rooms.room_state import UNREADABLE, Room, UnknownRoom, members_for_keys, room_of
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Row, Transaction
from bridge.storage.vault import CannotOpen

NO_KEY_SECONDS: Final = 60.0
"""Seconds until a device without a usable one-time key is asked for one again."""
NOTED_TOGETHER: Final = 50
"""Keys that one commit notes; texts wait a few milliseconds for it."""

Marks: TypeAlias = dict[tuple[str, str, str], int]
"""Of keys that are due, by session, user and device: the mark that was read before they were encrypted."""


MAX_MESSAGES: Final = 1000
MAX_AGE_MS: Final = 7 * 24 * 3600 * 1000
"""A session is retired after so many messages, or so many milliseconds."""
RESERVED_INDICES: Final = 16
"""Indices that are reserved at once."""
MAX_CACHED: Final = 1024
"""Sessions in memory, 2 KiB each: those of the 500 rooms with the latest messages. Others are loaded when they are used."""


class RoomKeySharing:
    """Delivers first keys as each of our identities."""

    def __init__(self, services: Services, *, devices: DeviceLists, identities: Sequence[Identity]) -> None:
        self._database, self._crash = services.database, services.crash
        self._devices = devices
        self._senders = {identity.user_id: ToDeviceSender(identity=identity) for identity in identities}
        self._vault = services.vault

    def to_device(self, identity: Identity) -> ToDeviceSender:
        """Return the identity's only to-device sender."""
        return self._senders[identity.user_id]

    async def share(
        self, room_id: str, users: Iterable[str], *, again: bool = False, members_only: bool = False
    ) -> list[Device]:
        """Send every live first key of the room to those trusted devices of these users that do not have it.

        `members_only`: not to a user who has left by the time when the keys are read; otherwise a user may be invited next.
        `again`: also to those that have it, for a device that says that it lost it. It stays noted that they have it,
        because a session is retired when a device with its key is no longer trusted. Live are all sessions of the room
        whose keys are stored. Returns devices without a one-time key, whose users are marked to be tried again. Raises what
        `HomeserverClient` raises; what was sent is noted.
        """
        user_ids = list(users)
        await self._devices.refresh_stale(user_ids)
        without_key = await self._share(user_ids, room_id, again=again, members_only=members_only)
        if without_key:
            late = {device.user_id for device in without_key}
            await self._database.commit(
                lambda transaction: self._devices.mark(transaction, late, stale=False, seconds=NO_KEY_SECONDS)
            )
        return without_key

    async def share_everywhere(self, users: Iterable[str]) -> list[Device]:
        """Like `share`, for every room in which each user counts as a member. Device lists are not queried again.

        Users of devices without a one-time key are not marked: the caller has their mark, which may be due already.
        """
        return await self._share(list(users), None)

    async def _share(
        self, users: list[str], room_id: str | None, *, again: bool = False, members_only: bool = False
    ) -> list[Device]:
        users = [user for user in users if user not in self._senders]
        if not users:
            return []
        without_key: list[Device] = []
        for sender, to_device in self._senders.items():
            owed = await outbound_table.owed_keys(
                self._database, sender, users, room_id, again=again, members_only=members_only
            )
            payloads = await self._payloads(owed)
            marks = await self._note_owed(owed, payloads)
            due = [m for m in payloads if _key_of(m) in marks]
            without_key += await to_device.send(due, on_sent=partial(self._note_sent, marks))
            await self._send_withheld(sender, to_device, users)
        return without_key

    async def _payloads(self, owed: Sequence[Any]) -> list[ToDevicePayload]:
        keys: dict[str, str | None] = {}
        payloads = []
        for row in owed:
            session_id = row["session_id"]
            if session_id not in keys:
                keys[session_id] = await self._first_key(row)
            if (key := keys[session_id]) is None:
                continue
            device = device_of(row)
            content = {"algorithm": MEGOLM, "room_id": row["room_id"], "session_id": session_id, "session_key": key}
            payloads.append(ToDevicePayload(device=device, type="m.room_key", content=content))
        return payloads

    async def _first_key(self, row: Any) -> str | None:
        context = first_key_seal_context(row["session_id"])
        try:
            return (await self._vault.open_either(row["key_owner"], context, bytes(row["first_key"]))).decode()
        except CannotOpen:
            return None  # its room's key was destroyed meanwhile: nothing is left to read with it

    async def _send_withheld(self, sender: str, to_device: ToDeviceSender, users: Sequence[str]) -> None:
        """Tell untrusted devices, once for each session, why they get no key (`m.room_key.withheld`).

        It is sent in the clear, because such a device can read nothing else from us; its client shows it for the message.
        """
        for row in await outbound_table.withheld_keys(self._database, sender, users):
            content = {
                "algorithm": MEGOLM,
                "code": "m.unverified",
                "reason": UNREADABLE,
                "room_id": row["room_id"],
                "session_id": row["session_id"],
                "sender_key": to_device.curve25519,
            }
            await to_device.send_unencrypted("m.room_key.withheld", row["user_id"], row["device_id"], content)
            await self._database.commit(
                partial(
                    outbound_table.record_withheld,
                    session_id=row["session_id"],
                    user_id=row["user_id"],
                    device_id=row["device_id"],
                )
            )

    async def _note_owed(self, owed: Sequence[Row], payloads: Sequence[ToDevicePayload]) -> Marks:
        """Note these keys as due, where they are not yet; return their marks, without those that are not to be sent."""
        marks: Marks = {
            (row["session_id"], row["user_id"], row["device_id"]): row["mark"] for row in owed if row["mark"] is not None
        }
        new = [m for m in payloads if _key_of(m) not in marks]
        for begin in range(0, len(new), NOTED_TOGETHER):
            marks |= await self._database.commit(partial(self._record_owed, new[begin : begin + NOTED_TOGETHER]))
        if new:
            self._crash(CrashPoint.KEYS_NOTED)
        return marks

    async def _record_owed(self, payloads: Sequence[ToDevicePayload], transaction: Transaction) -> Marks:
        trusted: dict[Device, bool] = {}
        marks: Marks = {}
        for m in payloads:
            if m.device not in trusted:
                # Its trust may have ended since the keys were read, when no row said that these sessions end with it.
                trusted[m.device] = await self._devices.is_trusted(transaction, m.device)
            if trusted[m.device] and (mark := await outbound_table.record_owed(transaction, *_key_of(m))) is not None:
                marks[_key_of(m)] = mark
        return marks

    async def _note_sent(self, marks: Marks, payloads: Sequence[ToDevicePayload]) -> None:
        async def record(transaction: Transaction) -> None:
            for m in payloads:
                await outbound_table.record_sent(transaction, *_key_of(m), mark=marks[_key_of(m)])

        self._crash(CrashPoint.KEYS_DELIVERED)
        await self._database.commit(record)


def _key_of(payload: ToDevicePayload) -> tuple[str, str, str]:
    return payload.content["session_id"], payload.device.user_id, payload.device.device_id


@dataclass(slots=True, kw_only=True)
class _Session:
    room: Room
    ratchet: OutboundGroupSession
    begun_ms: int
    reserved: int
    """The first index that is not reserved in the database."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class _SessionRetired(Exception):  # noqa: N818 - an answer, not a failure
    """The session was retired, or used elsewhere, between its load from memory and the commit."""


class OutboundSessions:
    """Encrypts for our rooms; a new session's key is delivered before its first event exists."""

    def __init__(self, services: Services, *, key_sharing: RoomKeySharing) -> None:
        self._database = services.database
        self._key_sharing = key_sharing
        self._vault = services.vault
        self._clock = services.clock
        self._cache: OrderedDict[tuple[str, str], _Session] = OrderedDict()
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def encrypt(self, identity: Identity, room_id: str, kind: str, content: Json) -> dict[str, Any]:
        """Return the content of an `m.room.encrypted` event, with an index that no other event uses.

        With an existing session this makes no request, and nearly always no commit. Raises `UnknownRoom`, `CannotOpen` when
        the room's key is destroyed, `MalformedJson`, and what `HomeserverClient` raises while keys are delivered.
        """
        payload = dumps({"type": kind, "room_id": room_id, "content": content})
        while True:
            session = await self._session(identity.user_id, room_id)
            try:
                ciphertext = await self._encrypt(session, payload)
            except _SessionRetired:
                self._drop(identity.user_id, room_id, session)
                continue
            encrypted: dict[str, Any] = {
                "algorithm": MEGOLM,
                "ciphertext": ciphertext,
                "session_id": session.ratchet.id,
                # deprecated, but older clients still need it
                "sender_key": identity.curve25519,
                "device_id": identity.device_id,
            }
            if isinstance(relation := content.get("m.relates_to"), Mapping):
                encrypted["m.relates_to"] = relation
            return encrypted

    def forget(self, room_id: str) -> None:
        """Delete the room's sessions from memory, after their keys were destroyed."""
        for key in [key for key in self._cache if key[1] == room_id]:
            del self._cache[key]

    async def prepare(self, identity: Identity, room_id: str) -> None:
        """Begin a session, if none is active, so that the first message is as quick as any other. Raises as `encrypt`."""
        session = await self._session(identity.user_id, room_id)
        while not await outbound_table.is_active(self._database, session.ratchet.id):
            self._drop(identity.user_id, room_id, session)
            session = await self._session(identity.user_id, room_id)

    async def _session(self, user_id: str, room_id: str) -> _Session:
        key = (user_id, room_id)
        if (session := self._cache.get(key)) is not None and not self._is_expired(session):
            self._cache.move_to_end(key)
            return session
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            if (session := self._cache.get(key)) is not None and not self._is_expired(session):
                return session
            session = await self._load(user_id, room_id)
            if session is None or self._is_expired(session):
                session = await self._database.commit(lambda transaction: self._create(transaction, user_id, room_id))
            # also after a restart, because the process may have ended before every device had the key
            members = await members_for_keys(self._database, room_id)
            await self._key_sharing.share(room_id, members, members_only=True)
            self._cache[key] = session
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
            return session

    def _is_expired(self, session: _Session) -> bool:
        age = int(self._clock.now() * 1000) - session.begun_ms
        return session.ratchet.message_index >= MAX_MESSAGES or age >= MAX_AGE_MS

    def _drop(self, user_id: str, room_id: str, session: _Session) -> None:
        if self._cache.get((user_id, room_id)) is session:
            del self._cache[user_id, room_id]

    async def _load(self, user_id: str, room_id: str) -> _Session | None:
        row = await outbound_table.active_session(self._database, room_id, user_id)
        if row is None:
            return None
        room = Room(room_id=room_id, kind=row["kind"], owner=row["owner"], key_owner=row["key_owner"])
        session_id = row["session_id"]
        try:
            pickle = await self._vault.open_either(room.key_owner, self._seal_context(session_id), bytes(row["ratchet"]))
        except CannotOpen:
            return None
        ratchet = OutboundGroupSession.from_pickle(pickle)
        return _Session(room=room, ratchet=ratchet, begun_ms=row["begun_ms"], reserved=ratchet.message_index)

    async def _create(self, transaction: Transaction, user_id: str, room_id: str) -> _Session:
        room = await room_of(transaction, room_id)
        if room is None:
            raise UnknownRoom
        now = int(self._clock.now() * 1000)
        session = _Session(room=room, ratchet=OutboundGroupSession(), begun_ms=now, reserved=RESERVED_INDICES)
        session_id = session.ratchet.id
        first_key = session.ratchet.session_key.encode()
        await outbound_table.begin(
            transaction,
            session_id=session_id,
            room_id=room_id,
            user_id=user_id,
            first_key=await seal_session(self._vault, room, first_key_seal_context(session_id), first_key),
            ratchet=await self._ratchet_ahead(session),
            next_index=RESERVED_INDICES,
            begun_ms=session.begun_ms,
        )
        return session

    async def _encrypt(self, session: _Session, payload: str) -> str:
        async with session.lock:
            index = session.ratchet.message_index
            if index >= session.reserved:
                session.reserved = await self._database.commit(partial(self._reserve, session, index))
            elif not await outbound_table.is_active(self._database, session.ratchet.id):
                raise _SessionRetired
            return session.ratchet.encrypt(payload)

    async def _reserve(self, session: _Session, index: int, transaction: Transaction) -> int:
        stored = await outbound_table.reserve(
            transaction,
            session.ratchet.id,
            ratchet=await self._ratchet_ahead(session),
            next_index=index + RESERVED_INDICES,
            index=index,
        )
        if stored is None:
            raise _SessionRetired
        return stored

    async def _ratchet_ahead(self, session: _Session) -> bytes:
        """Return the sealed ratchet in its state after the reserved indices."""
        session_id = session.ratchet.id
        later = OutboundGroupSession.from_pickle(session.ratchet.pickle())
        for _ in range(RESERVED_INDICES):
            later.encrypt("")
        return await seal_session(self._vault, session.room, self._seal_context(session_id), later.pickle())

    def _seal_context(self, session_id: str) -> str:
        return ratchet_seal_context(session_id, self._database.history)
