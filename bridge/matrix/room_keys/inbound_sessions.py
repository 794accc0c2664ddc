"""Inbound Megolm: from an `m.room.encrypted` event to what a trusted device said.

Rules of this module: a session belongs to the device that sent it over Olm, and to no other. Keys are accepted from members
of the room only, and a limited number of each. A key is replaced only by one of the same sender that begins earlier, and
never begins before its `floor`: earlier messages were erased, and must not be readable again. An index is read once.
Sessions that are shared with others (`accepted_sessions`) were read, and their devices were trusted then. No device is
called untrusted before a fresh query. An event that cannot be judged yet waits, as ciphertext, in a table; one whose edit
is read first is given up. All of it runs inside the sync commit.

Sources: facts-matrix.md, "Application service and mautrix";
https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from bridge.matrix.api.events import DecryptedMessage, MatrixEvent, UndecryptableEvent, UntrustedMessage
from bridge.matrix.api.json_fields import (
    BAD_DATA,
    Json,
    MalformedJson,
    as_object,
    dumps,
    encodable,
    int_field,
    loads,
    object_at,
    string_field,
)
from bridge.matrix.api.message_body import command_in, tap_in, uploads_in
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.olm_store import ToDeviceMessage
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys import confirmed_identities, inbound_table
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.room_keys.inbound_table import Needs
from bridge.matrix.room_keys.sealing import inbound_seal_context, seal_session
from bridge.matrix.rooms.room_state import membership_of, room_of
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Database, Transaction, attempt
from bridge.storage.vault import CannotOpen, Vault

KEY_TIMEOUT_MS: Final = 30_000
"""How long an event may wait for its key."""
MAX_SESSIONS: Final = 500
"""Sessions kept of one sender in one room: enough for years. Those with which nothing was read are deleted first."""
DEVICE_GRACE_MS: Final = 86_400_000
"""How much longer an event may wait for its sender's devices: an outage of hours must lose no message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedEvent:
    """The unencrypted fields of an encrypted room event."""

    event_id: str
    room_id: str
    sender: str
    at: int
    content: Json

    @classmethod
    def read(cls, event: Json, room_id: str) -> Self:
        """Parse an event. Raises `MalformedJson`."""
        return cls(
            event_id=string_field(event, "event_id", longest=255),
            room_id=room_id,
            sender=string_field(event, "sender", longest=255),
            at=int_field(event, "origin_server_ts", default=0),
            content=encodable(as_object(event.get("content"), "content")),
        )

    def as_undecryptable(self) -> UndecryptableEvent:
        """Return that it cannot be decrypted."""
        return UndecryptableEvent(event_id=self.event_id, room_id=self.room_id, sender=self.sender, at=self.at)

    def as_untrusted(self, plaintext: str = "") -> UntrustedMessage:
        """Return that an untrusted device sent it. `plaintext`: what is in it, if readable."""
        command, uploads = "", tuple[str, ...]()
        if plaintext:
            with suppress(*BAD_DATA):
                message = parse_plaintext(self, plaintext)
                command = tap_in(message.content) if message.type == "m.reaction" else command_in(message.content)
                uploads = uploads_in(message.content)
        return UntrustedMessage(
            event_id=self.event_id, room_id=self.room_id, sender=self.sender, at=self.at, command=command, uploads=uploads
        )


class NotMember(Exception):  # noqa: N818 - an answer, not a failure
    """The sender of a room key is not in that room; the sync may report their joining a moment later."""


class _MustWait(Exception):  # noqa: N818 - an answer, not a failure
    def __init__(self, needs: Needs) -> None:
        super().__init__()
        self.needs = needs


class InboundSessions:
    """Decrypts events of our rooms and stores those that must wait."""

    def __init__(self, services: Services, *, devices: DeviceLists) -> None:
        self._devices = devices
        self._vault = services.vault
        self._clock = services.clock

    async def add_room_key(self, transaction: Transaction, message: ToDeviceMessage) -> tuple[str, str] | None:
        """Store the key of an `m.room_key` message; return (room id, session id) if it is new.

        Raises `MalformedJson`, and `NotMember` when its sender is not in that room as far as we know now.
        """
        if message.content.get("algorithm") != MEGOLM:
            raise MalformedJson("algorithm")
        room_id = string_field(message.content, "room_id", longest=255)
        session_id = string_field(message.content, "session_id", longest=64)
        room = await room_of(transaction, room_id)
        if room is None:
            return None
        try:
            session = InboundGroupSession.from_key(string_field(message.content, "session_key", longest=1024))
        except OlmGroupSessionError:
            raise MalformedJson("session_key") from None
        if session.id != session_id:
            raise MalformedJson("session_id")
        if await membership_of(transaction, room_id, message.sender) not in {"join", "invite"}:
            raise NotMember
        known = await inbound_table.find(transaction, room_id, session_id, message.sender)
        floor = await inbound_table.floor_of_deleted(transaction, room_id, session_id) if known is None else known["floor"]
        if session.first_known_index < floor:
            session = session.since(floor)
        try:
            context = inbound_seal_context(session_id)
            sealed = await seal_session(self._vault, room, context, session.pickle())
        except CannotOpen:  # the room's key is destroyed: new messages there are not read
            return None
        if known is None:
            await inbound_table.make_space(transaction, room_id, message.sender, most=MAX_SESSIONS - 1)
        is_kept = await inbound_table.put(
            transaction,
            room_id=room_id,
            session_id=session_id,
            sender=message.sender,
            sender_key=message.sender_key,
            signing_key=message.signing_key,
            first_index=session.first_known_index,
            ratchet=sealed,
            learned_ms=int(self._clock.now() * 1000),
            floor=floor,
        )
        return (room_id, session_id) if is_kept else None

    async def decrypt(
        self, transaction: Transaction, event: EncryptedEvent, *, fresh: Collection[str] = ()
    ) -> MatrixEvent | None:
        """Return the decrypted event; None if it waits, is redacted, or its index was read in another event.

        `fresh`: users whose devices were just queried, so that another query would bring nothing new.
        """
        if not event.content:  # redacted before we saw it
            return None
        try:
            item = await self._decrypt_trusted(transaction, event, fresh)
        except _MustWait as wait:
            await self._store_waiting(transaction, event, wait.needs)
            return None
        except BAD_DATA:
            item = event.as_undecryptable()
        await inbound_table.delete_waiting(transaction, event.event_id)
        if isinstance(item, DecryptedMessage) and (original := edited_event(item)):
            # Its words are not what the room shows any more: its author is told that it was not read.
            await inbound_table.give_up(transaction, original, room_id=item.room_id, sender=item.sender)
        return item

    async def retry_with_key(self, transaction: Transaction, room_id: str, session_id: str) -> list[MatrixEvent]:
        """Try again the events that waited for this session."""
        return await self._retry(transaction, await inbound_table.waiting_for_session(transaction, room_id, session_id), ())

    async def retry_with_devices(self, transaction: Transaction, users: Collection[str]) -> list[MatrixEvent]:
        """Try again the events that waited for the devices of these users, which were just queried."""
        items: list[MatrixEvent] = []
        for user_id in users:
            items += await self._retry(transaction, await inbound_table.waiting_for_sender(transaction, user_id), users)
        return items

    async def expire_waiting(self, transaction: Transaction) -> list[MatrixEvent]:
        """Delete and return events that waited too long for their key, or a day for their sender's devices.

        Only returned events are put on the deletion index, so no event may wait for ever.
        """
        now = int(self._clock.now() * 1000)
        items: list[MatrixEvent] = []
        for row in await inbound_table.expired_waiting(transaction, key_ms=now, device_ms=now - DEVICE_GRACE_MS):
            await inbound_table.delete_waiting(transaction, row["event_id"])
            event = EncryptedEvent.read(loads(row["event"]), row["room_id"])
            items.append(event.as_undecryptable() if row["needs"] == "key" else event.as_untrusted())
        return items

    async def has_expired(self, database: Database) -> bool:
        """Whether an event has waited too long."""
        now = int(self._clock.now() * 1000)
        return await inbound_table.has_expired_waiting(database, key_ms=now, device_ms=now - DEVICE_GRACE_MS)

    async def _decrypt_trusted(
        self, transaction: Transaction, event: EncryptedEvent, fresh: Collection[str]
    ) -> MatrixEvent | None:
        if event.content.get("algorithm") != MEGOLM:
            raise MalformedJson("algorithm")
        session_id = string_field(event.content, "session_id", longest=64)
        row = await inbound_table.find(transaction, event.room_id, session_id, event.sender)
        if row is None:
            raise _MustWait("key")
        payload, index = await self._decrypt(row, event, session_id)
        if index < row["floor"]:
            raise MalformedJson("index")
        known = await self._devices.find(transaction, event.sender, row["sender_key"])
        trusted = known is not None and known[1] and known[0].ed25519 == row["signing_key"]
        if event.sender not in fresh:
            stale = await confirmed_identities.is_stale(transaction, event.sender)
            if known is None and not stale:
                await self._devices.mark(transaction, [event.sender])
            if known is None or stale:
                raise _MustWait("device")
        if known is None or not trusted:
            return event.as_untrusted(payload)
        if not await inbound_table.claim_index(transaction, event.room_id, session_id, index, event.event_id):
            return None
        if not row["accepted"]:
            await inbound_table.accept(transaction, event.room_id, session_id, event.sender)
        await self._devices.record_message(transaction, known[0])
        return parse_plaintext(event, payload, known[0].device_id)

    async def _decrypt(self, row: Any, event: EncryptedEvent, session_id: str) -> tuple[str, int]:
        try:
            pickle = await self._vault.open_either(
                row["key_owner"], inbound_seal_context(session_id), bytes(row["ratchet"])
            )
        except CannotOpen:
            raise MalformedJson("key") from None
        try:
            return InboundGroupSession.from_pickle(pickle).decrypt(string_field(event.content, "ciphertext"))
        except OlmGroupSessionError:  # a key that begins earlier may still arrive
            raise _MustWait("key") from None

    async def _store_waiting(self, transaction: Transaction, event: EncryptedEvent, needs: Needs) -> None:
        fields = {
            "event_id": event.event_id,
            "sender": event.sender,
            "origin_server_ts": event.at,
            "content": event.content,
        }
        session_id = event.content.get("session_id")
        await inbound_table.add_waiting(
            transaction,
            event_id=event.event_id,
            room_id=event.room_id,
            session_id=session_id if isinstance(session_id, str) else "",
            sender=event.sender,
            event=dumps(fields),
            needs=needs,
            deadline_ms=int(self._clock.now() * 1000) + KEY_TIMEOUT_MS,
        )

    async def _retry(self, transaction: Transaction, rows: list[Any], fresh: Collection[str]) -> list[MatrixEvent]:
        """Try each event again alone: one that a bug fails is given up, and its author is told. Others and keys stay."""
        items: list[MatrixEvent] = []
        for row in rows:
            event = EncryptedEvent.read(loads(row["event"]), row["room_id"])

            async def read(transaction: Transaction, event: EncryptedEvent = event) -> None:
                if (item := await self.decrypt(transaction, event, fresh=fresh)) is not None:
                    items.append(item)

            if (failed := await attempt(transaction, read)) is not None:
                log.failure("matrix.waiting_event_failed", failed)
                await inbound_table.delete_waiting(transaction, event.event_id)
                items.append(event.as_undecryptable())
        return items


def parse_plaintext(event: EncryptedEvent, plaintext: str, device_id: str = "") -> DecryptedMessage:
    """Parse a decrypted event. Raises what is in `BAD_DATA`."""
    payload = loads(plaintext)
    if payload.get("room_id") != event.room_id:
        raise MalformedJson("room_id")
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


def edited_event(message: DecryptedMessage) -> str:
    """Return the id of the message that an edit replaces; empty for a message that is no edit."""
    relation = object_at(message.content, "m.relates_to")
    kinds = {part.get("rel_type") for part in (relation, message.clear_relation or {})}
    original = relation.get("event_id")
    return original if "m.replace" in kinds and isinstance(original, str) and "\0" not in original else ""


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
            session = InboundGroupSession.from_pickle(pickle)
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
