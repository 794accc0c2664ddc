"""Inbound Megolm: from an `m.room.encrypted` event to what a trusted device said.

Rules of this module: a session belongs to the device that sent it over Olm, and to no other. Keys are taken from members of
the room only, and so many of each. A key is replaced only by one of the same sender that reaches further back, and never
reaches further back than its `floor`: what was said before that has gone, and is read by nobody again. An index is read
once. What is handed on to others (`accepted_sessions`) was read, and its device was trusted then. No device is called
untrusted before a fresh query. An event that cannot be judged yet waits, as ciphertext, in a table. All of it runs inside
the sync commit.

Sources: facts-matrix.md, "Application service and mautrix";
https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Self

from bridge.matrix.api.events import DecryptedMessage, MatrixEvent, UndecryptableEvent, UntrustedMessage
from bridge.matrix.api.json_fields import (
    BAD_DATA,
    Json,
    Malformed,
    as_object,
    dumps,
    encodable,
    int_field,
    loads,
    object_at,
    string_field,
)
from bridge.matrix.api.message_body import command_in, tap_in
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.sessions import ToDeviceMessage
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.room_keys.session_space import floor_of_deleted, make_space
from bridge.matrix.rooms.room_state import KEY_MEMBERSHIPS, room_of
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Database, Transaction, attempt
from bridge.storage.vault import CannotOpen

KEY_TIMEOUT_MS: Final = 30_000
"""How long an event may wait for its key."""
EXPIRED: Final = "(needs='key' AND deadline_ms <= $1 OR needs='device' AND deadline_ms <= $2)"
WAITING: Final = "event_id, room_id, sender, event"
MAX_SESSIONS: Final = 500
"""Sessions kept of one sender in one room: some years of one person. Those with which nothing was read go first."""
DEVICE_GRACE_MS: Final = 86_400_000
"""How much longer it may wait for its sender's devices: a homeserver that is away for hours loses nobody's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedEvent:
    """An encrypted room event, read as far as it is in the clear."""

    event_id: str
    room_id: str
    sender: str
    at: int
    content: Json

    @classmethod
    def read(cls, event: Json, room_id: str) -> Self:
        """Raise `Malformed` for what is no event."""
        return cls(
            event_id=string_field(event, "event_id", longest=255),
            room_id=room_id,
            sender=string_field(event, "sender", longest=255),
            at=int_field(event, "origin_server_ts", default=0),
            content=encodable(as_object(event.get("content"), "content")),
        )

    def undecryptable(self) -> UndecryptableEvent:
        """Say that it cannot be read."""
        return UndecryptableEvent(event_id=self.event_id, room_id=self.room_id, sender=self.sender, at=self.at)

    def untrusted(self, command: str = "") -> UntrustedMessage:
        """Say that it is of an untrusted device. `command`: its beginning, where it looks like a command."""
        return UntrustedMessage(
            event_id=self.event_id, room_id=self.room_id, sender=self.sender, at=self.at, command=command
        )


class NotMember(Exception):  # noqa: N818 - an answer, not a failure
    """The sender of a room key is not in that room; the homeserver may tell of their joining a moment later."""


class _MustWait(Exception):  # noqa: N818 - an answer, not a failure
    def __init__(self, needs: Literal["key", "device"]) -> None:
        super().__init__()
        self.needs = needs


class InboundSessions:
    """Reads encrypted events of rooms of ours and keeps what must wait."""

    def __init__(self, services: Services, *, devices: DeviceLists) -> None:
        self._devices = devices
        self._vault = services.vault
        self._clock = services.clock

    async def add_room_key(self, transaction: Transaction, message: ToDeviceMessage) -> tuple[str, str] | None:
        """Keep the key of an `m.room_key` message; returns (room id, session id) if it is new.

        Raises `Malformed`, and `NotMember` when its sender is not in that room as far as we know now.
        """
        if message.content.get("algorithm") != MEGOLM:
            raise Malformed("algorithm")
        room_id = string_field(message.content, "room_id", longest=255)
        session_id = string_field(message.content, "session_id", longest=64)
        room = await room_of(transaction, room_id)
        if room is None:
            return None
        try:
            session = InboundGroupSession(string_field(message.content, "session_key", longest=1024))
        except OlmGroupSessionError:
            raise Malformed("session_key") from None
        if session.id != session_id:
            raise Malformed("session_id")
        if not await self._is_member(transaction, room_id, message.sender):
            raise NotMember
        where = (room_id, session_id, message.sender)
        known = await transaction.fetchval(
            "SELECT floor FROM matrix_inbound WHERE room_id=$1 AND session_id=$2 AND sender=$3", *where
        )
        floor = await floor_of_deleted(transaction, room_id, session_id) if known is None else known
        if session.first_known_index < floor:
            session = InboundGroupSession.import_session(session.export_session(floor))
        try:
            sealed = await self._vault.seal(room.key_owner, inbound_seal_context(session_id), session.pickle(session_id))
        except CannotOpen:  # the room's key is destroyed: what is said there now is not for us
            return None
        if known is None:
            await make_space(transaction, room_id, message.sender, most=MAX_SESSIONS - 1)
        stored = await transaction.fetchval(
            """
            INSERT INTO matrix_inbound
            (room_id, session_id, sender, sender_key, signing_key, first_index, ratchet, learned_ms, floor)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (room_id, session_id, sender)
            DO UPDATE SET first_index=excluded.first_index, ratchet=excluded.ratchet
            WHERE matrix_inbound.sender_key = excluded.sender_key
            AND matrix_inbound.signing_key = excluded.signing_key AND matrix_inbound.first_index > excluded.first_index
            RETURNING session_id
            """,
            *where,
            message.sender_key,
            message.signing_key,
            session.first_known_index,
            sealed,
            int(self._clock.now() * 1000),
            floor,
        )
        return None if stored is None else (room_id, session_id)

    async def _is_member(self, transaction: Transaction, room_id: str, user_id: str) -> bool:
        query = f"SELECT 1 FROM matrix_member WHERE room_id=$1 AND user_id=$2 AND membership IN {KEY_MEMBERSHIPS}"  # noqa: S608
        return await transaction.fetchval(query, room_id, user_id) is not None

    async def decrypt(
        self, transaction: Transaction, event: EncryptedEvent, *, fresh: Collection[str] = ()
    ) -> MatrixEvent | None:
        """Return what the event is, or None: it waits, is redacted, or was read at another place before.

        `fresh`: users whose devices were asked for just now, of whom no better answer is to be expected.
        """
        if not event.content:  # redacted before we saw it
            return None
        try:
            item = await self._decrypt_trusted(transaction, event, fresh)
        except _MustWait as wait:
            await self._store_waiting(transaction, event, wait.needs)
            return None
        except BAD_DATA:
            item = event.undecryptable()
        await self.drop_waiting(transaction, event.event_id)
        return item

    async def retry_with_key(self, transaction: Transaction, room_id: str, session_id: str) -> list[MatrixEvent]:
        """Try again what waited for this session."""
        rows = await transaction.fetch(
            f"SELECT {WAITING} FROM matrix_waiting WHERE room_id=$1 AND session_id=$2 ORDER BY arrived",  # noqa: S608
            room_id,
            session_id,
        )
        return await self._retry(transaction, rows, ())

    async def retry_with_devices(self, transaction: Transaction, users: Collection[str]) -> list[MatrixEvent]:
        """Try again what waited for the devices of these users, who were asked for just now."""
        items: list[MatrixEvent] = []
        for user_id in users:
            rows = await transaction.fetch(
                f"SELECT {WAITING} FROM matrix_waiting WHERE sender=$1 AND needs='device' ORDER BY arrived",  # noqa: S608
                user_id,
            )
            items += await self._retry(transaction, rows, users)
        return items

    async def expire_waiting(self, transaction: Transaction) -> list[MatrixEvent]:
        """Return what has waited too long for its key, or a day for its sender's devices, and keep it no longer.

        Only what is returned is put on the deletion index: nothing may wait for ever.
        """
        query = f"SELECT {WAITING}, needs FROM matrix_waiting WHERE {EXPIRED} ORDER BY arrived"  # noqa: S608
        rows = await transaction.fetch(query, *self._deadlines())
        items: list[MatrixEvent] = []
        for row in rows:
            await self.drop_waiting(transaction, row["event_id"])
            try:
                event = EncryptedEvent.read(loads(row["event"]), row["room_id"])
            except BAD_DATA:
                items.append(self._damaged(row))
            else:
                items.append(event.undecryptable() if row["needs"] == "key" else event.untrusted())
        return items

    async def has_expired(self, database: Database) -> bool:
        """Whether there is anything to give up."""
        query = f"SELECT 1 FROM matrix_waiting WHERE {EXPIRED} LIMIT 1"  # noqa: S608 - a constant
        return await database.fetchval(query, *self._deadlines()) is not None

    def _deadlines(self) -> tuple[int, int]:
        now = int(self._clock.now() * 1000)
        return now, now - DEVICE_GRACE_MS

    async def drop_waiting(self, transaction: Transaction, event_id: str) -> None:
        """Keep an event no longer: it was read, given up or redacted."""
        await transaction.execute("DELETE FROM matrix_waiting WHERE event_id=$1", event_id)

    async def _decrypt_trusted(
        self, transaction: Transaction, event: EncryptedEvent, fresh: Collection[str]
    ) -> MatrixEvent | None:
        if event.content.get("algorithm") != MEGOLM:
            raise Malformed("algorithm")
        session_id = string_field(event.content, "session_id", longest=64)
        row: Any = await transaction.fetchrow(
            """
            SELECT i.sender_key, i.signing_key, i.ratchet, i.floor, i.accepted, r.key_owner FROM matrix_inbound i
            JOIN matrix_room r ON r.room_id = i.room_id WHERE i.room_id=$1 AND i.session_id=$2 AND i.sender=$3
            """,
            event.room_id,
            session_id,
            event.sender,
        )
        if row is None:
            raise _MustWait("key")
        payload, index = await self._decrypt(row, event, session_id)
        if index < row["floor"]:
            raise Malformed("index")
        known = await self._devices.find(transaction, event.sender, row["sender_key"])
        trusted = known is not None and known[1] and known[0].ed25519 == row["signing_key"]
        if event.sender not in fresh:
            stale = await self._devices.is_stale(transaction, event.sender)
            if known is None and not stale:
                await self._devices.mark(transaction, [event.sender])
            if known is None or stale:
                raise _MustWait("device")
        if known is None or not trusted:
            return event.untrusted(command_of(event, payload))
        if not await self._claim_index(transaction, event, session_id, index):
            return None
        if not row["accepted"]:
            query = "UPDATE matrix_inbound SET accepted=$4 WHERE room_id=$1 AND session_id=$2 AND sender=$3"
            await transaction.execute(query, event.room_id, session_id, event.sender, True)
        await self._devices.record_message(transaction, known[0])
        return parse_plaintext(event, payload, known[0].device_id)

    async def _decrypt(self, row: Any, event: EncryptedEvent, session_id: str) -> tuple[str, int]:
        try:
            pickle = await self._vault.open(row["key_owner"], inbound_seal_context(session_id), bytes(row["ratchet"]))
        except CannotOpen:
            raise Malformed("key") from None
        try:
            return InboundGroupSession.from_pickle(pickle, session_id).decrypt(string_field(event.content, "ciphertext"))
        except OlmGroupSessionError:  # perhaps a key that reaches further back is on its way
            raise _MustWait("key") from None

    async def _claim_index(self, transaction: Transaction, event: EncryptedEvent, session_id: str, index: int) -> bool:
        await transaction.execute(
            """
            INSERT INTO matrix_read (room_id, session_id, position, event_id) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING
            """,
            event.room_id,
            session_id,
            index,
            event.event_id,
        )
        reader = await transaction.fetchval(
            "SELECT event_id FROM matrix_read WHERE room_id=$1 AND session_id=$2 AND position=$3",
            event.room_id,
            session_id,
            index,
        )
        return bool(reader == event.event_id)

    async def _store_waiting(
        self, transaction: Transaction, event: EncryptedEvent, needs: Literal["key", "device"]
    ) -> None:
        kept = {
            "event_id": event.event_id,
            "sender": event.sender,
            "origin_server_ts": event.at,
            "content": event.content,
        }
        session_id = event.content.get("session_id")
        await transaction.execute(
            """
            INSERT INTO matrix_waiting (event_id, room_id, session_id, sender, event, needs, arrived, deadline_ms)
            VALUES ($1, $2, $3, $4, $5, $6, (SELECT COALESCE(MAX(arrived), 0) + 1 FROM matrix_waiting), $7)
            ON CONFLICT (event_id) DO UPDATE SET needs=excluded.needs
            """,
            event.event_id,
            event.room_id,
            session_id if isinstance(session_id, str) else "",
            event.sender,
            dumps(kept),
            needs,
            int(self._clock.now() * 1000) + KEY_TIMEOUT_MS,
        )

    async def _retry(self, transaction: Transaction, rows: list[Any], fresh: Collection[str]) -> list[MatrixEvent]:
        """Try again, each row alone: on whatever one of them fails, it is given up, and its author hears so."""
        items: list[MatrixEvent] = []
        for row in rows:
            failed = await attempt(transaction, partial(self._retry_one, row, fresh, items))
            if failed is not None:
                log.failure("matrix.waiting_event_failed", failed)
                await self.drop_waiting(transaction, row["event_id"])
                items.append(self._damaged(row))
        return items

    async def _retry_one(
        self, row: Any, fresh: Collection[str], items: list[MatrixEvent], transaction: Transaction
    ) -> None:
        item = await self.decrypt(transaction, EncryptedEvent.read(loads(row["event"]), row["room_id"]), fresh=fresh)
        if item is not None:
            items.append(item)

    def _damaged(self, row: Any) -> UndecryptableEvent:
        at = int(self._clock.now() * 1000)
        return UndecryptableEvent(event_id=row["event_id"], room_id=row["room_id"], sender=row["sender"], at=at)


def parse_plaintext(event: EncryptedEvent, plaintext: str, device_id: str = "") -> DecryptedMessage:
    """Return what a decrypted event says. Raises what is in `BAD_DATA`."""
    payload = loads(plaintext)
    if payload.get("room_id") != event.room_id:
        raise Malformed("room_id")
    content = as_object(payload.get("content"), "content")
    relation = object_at(event.content, "m.relates_to") or None
    if relation is not None and "m.relates_to" not in content:
        content = {**content, "m.relates_to": relation}
    return DecryptedMessage(
        event_id=event.event_id,
        room_id=event.room_id,
        sender=event.sender,
        device_id=device_id,
        type=string_field(payload, "type", longest=255),
        content=content,
        clear_relation=relation,
        at=event.at,
    )


def command_of(event: EncryptedEvent, plaintext: str) -> str:
    """Return the beginning of a decrypted message that looks like a command, or a tap's key; else empty; of any sender."""
    try:
        message = parse_plaintext(event, plaintext)
    except BAD_DATA:
        return ""
    return tap_in(message.content) if message.type == "m.reaction" else command_in(message.content)


def inbound_seal_context(session_id: str) -> str:
    """Name the place of an inbound session, for the seal; its pickle's passphrase is the session id."""
    return f"matrix inbound {session_id}"
