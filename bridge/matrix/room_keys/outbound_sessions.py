"""Our Megolm sessions: one for each identity and room; its first key is kept, sealed, as long as the room.

Rules of this module: a session and its first key are committed before they are sent to any device. A retired session never
encrypts again, not even a message that was on its way. With an existing session, encrypting needs no request, and a commit
only once in some messages.

Why the stored ratchet is ahead: no index may be used twice, even after a crash, so an index is reserved in the database
before it is used. Reserving several at once saves a sync of the disk for nearly every text. A ratchet only advances: after
a restart the reserved and unused indices are skipped, which every receiver expects, and the stored ratchet cannot decrypt
earlier messages. A promoted replica may have lost a reservation: so a ratchet is sealed for the server's history
(`Database.history`), opens in no other, and the room then begins another session.

Source: https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from bridge.matrix.api.json_fields import Json, dumps
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.vodozemac_olm import OutboundGroupSession
from bridge.matrix.room_keys import outbound_table
from bridge.matrix.room_keys.key_sharing import RoomKeySharing
from bridge.matrix.room_keys.sealing import first_key_seal_context, ratchet_seal_context, seal_session
from bridge.matrix.rooms.room_state import Room, UnknownRoom, members_for_keys, room_of
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.vault import CannotOpen

MAX_MESSAGES: Final = 1000
MAX_AGE_MS: Final = 7 * 24 * 3600 * 1000
"""A session is retired after so many messages, or so many milliseconds."""

RESERVED_INDICES: Final = 16
"""Indices that are reserved at once."""

MAX_CACHED: Final = 1024
"""Sessions in memory, 2 KiB each: those of the 500 rooms with the latest messages. Others are loaded when they are used."""


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
