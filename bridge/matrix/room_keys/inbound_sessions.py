"""Megolm on its way in: from an `m.room.encrypted` event to what a trusted device said.

Rules of this module: a session belongs to the device that sent it over Olm, and to nobody else; a key is replaced only by
one of the same sender that reaches further back; an index is read once; nobody is called untrusted before a fresh query.
What cannot be judged yet waits, as ciphertext, in a table. All of it runs inside the sync commit.

Sources: facts-matrix, section 4; https://spec.matrix.org/latest/client-server-api/#mmegolmv1aes-sha2
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from bridge.matrix.api.events import Item, Said, Unreadable, Untrusted
from bridge.matrix.api.json_fields import BAD_DATA, Json, Malformed, dumps, inner, loads, mapping, number, plain, text
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.olm.sessions import Letter
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession, OlmGroupSessionError
from bridge.matrix.room_keys.device_lists import Devices
from bridge.matrix.rooms.room_state import room_of
from bridge.runtime.clock import Clock
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Sealed, Vault

PATIENCE_MS: Final = 30_000
"""How long an event may wait for its key."""
TOO_LONG: Final = "(needs='key' AND deadline_ms <= $1 OR needs='device' AND deadline_ms <= $2)"
DAY_MS: Final = 86_400_000
"""How much longer it may wait for its sender's devices: a homeserver that is away for hours loses nobody's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted:
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
            event_id=text(event, "event_id", longest=255),
            room_id=room_id,
            sender=text(event, "sender", longest=255),
            at=number(event, "origin_server_ts", default=0),
            content=plain(mapping(event.get("content"), "content")),
        )

    def unreadable(self) -> Unreadable:
        """Say that it cannot be read."""
        return Unreadable(event_id=self.event_id, room_id=self.room_id, sender=self.sender, at=self.at)

    def untrusted(self) -> Untrusted:
        """Say that it is of an untrusted device."""
        return Untrusted(event_id=self.event_id, room_id=self.room_id, sender=self.sender, at=self.at)


class _Wait(Exception):  # noqa: N818 - an answer, not a failure
    def __init__(self, needs: Literal["key", "device"]) -> None:
        super().__init__()
        self.needs = needs


class Reading:
    """Reads encrypted events of rooms of ours and keeps what must wait."""

    def __init__(self, *, devices: Devices, vault: Vault, clock: Clock) -> None:
        self._devices = devices
        self._vault = vault
        self._clock = clock

    async def learn(self, conn: Connection, letter: Letter) -> tuple[str, str] | None:
        """Keep the key of an `m.room_key` message; returns (room id, session id) if it is new. Raises `Malformed`."""
        if letter.content.get("algorithm") != MEGOLM:
            raise Malformed("algorithm")
        room_id = text(letter.content, "room_id", longest=255)
        session_id = text(letter.content, "session_id", longest=64)
        room = await room_of(conn, room_id)
        if room is None:
            return None
        try:
            session = InboundGroupSession(text(letter.content, "session_key", longest=1024))
        except OlmGroupSessionError:
            raise Malformed("session_key") from None
        if session.id != session_id:
            raise Malformed("session_id")
        try:
            sealed = await self._vault.seal(room.key_owner, inbound_context(session_id), session.pickle(session_id))
        except Sealed:  # the room's key is destroyed: what is said there now is not for us
            return None
        stored = await conn.fetchval(
            """
            INSERT INTO matrix_inbound (room_id, session_id, sender, sender_key, signing_key, first_index, ratchet)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (room_id, session_id, sender)
            DO UPDATE SET first_index=excluded.first_index, ratchet=excluded.ratchet
            WHERE matrix_inbound.sender_key = excluded.sender_key
            AND matrix_inbound.signing_key = excluded.signing_key AND matrix_inbound.first_index > excluded.first_index
            RETURNING session_id
            """,
            room_id,
            session_id,
            letter.sender,
            letter.sender_key,
            letter.signing_key,
            session.first_known_index,
            sealed,
        )
        return None if stored is None else (room_id, session_id)

    async def read(self, conn: Connection, event: Encrypted, *, fresh: Collection[str] = ()) -> Item | None:
        """Return what the event is, or None: it waits, is redacted, or was read at another place before.

        `fresh`: users whose devices were asked for just now, of whom no better answer is to be expected.
        """
        if not event.content:  # redacted before we saw it
            return None
        try:
            item = await self._judge(conn, event, fresh)
        except _Wait as wait:
            await self._keep(conn, event, wait.needs)
            return None
        except BAD_DATA:
            item = event.unreadable()
        await self.drop(conn, event.event_id)
        return item

    async def with_key(self, conn: Connection, room_id: str, session_id: str) -> list[Item]:
        """Try again what waited for this session."""
        rows = await conn.fetch(
            "SELECT room_id, event FROM matrix_waiting WHERE room_id=$1 AND session_id=$2 ORDER BY arrived",
            room_id,
            session_id,
        )
        return await self._again(conn, rows, ())

    async def with_devices(self, conn: Connection, users: Collection[str]) -> list[Item]:
        """Try again what waited for the devices of these users, who were asked for just now."""
        items: list[Item] = []
        for user_id in users:
            rows = await conn.fetch(
                "SELECT room_id, event FROM matrix_waiting WHERE sender=$1 AND needs='device' ORDER BY arrived", user_id
            )
            items += await self._again(conn, rows, users)
        return items

    async def give_up(self, conn: Connection) -> list[Item]:
        """Return what has waited too long for its key, or a day for its sender's devices, and keep it no longer.

        Only what is returned is put on the deletion index: nothing may wait for ever.
        """
        query = f"SELECT room_id, event, needs FROM matrix_waiting WHERE {TOO_LONG} ORDER BY arrived"  # noqa: S608
        rows = await conn.fetch(query, *self._deadlines())
        items: list[Item] = []
        for row in rows:
            event = Encrypted.read(loads(row["event"]), row["room_id"])
            await self.drop(conn, event.event_id)
            items.append(event.unreadable() if row["needs"] == "key" else event.untrusted())
        return items

    async def waits_too_long(self, store: Store) -> bool:
        """Whether there is anything to give up."""
        query = f"SELECT 1 FROM matrix_waiting WHERE {TOO_LONG} LIMIT 1"  # noqa: S608 - a constant
        return await store.fetchval(query, *self._deadlines()) is not None

    def _deadlines(self) -> tuple[int, int]:
        now = int(self._clock.wall() * 1000)
        return now, now - DAY_MS

    async def drop(self, conn: Connection, event_id: str) -> None:
        """Keep an event no longer: it was read, given up or redacted."""
        await conn.execute("DELETE FROM matrix_waiting WHERE event_id=$1", event_id)

    async def _judge(self, conn: Connection, event: Encrypted, fresh: Collection[str]) -> Item | None:
        if event.content.get("algorithm") != MEGOLM:
            raise Malformed("algorithm")
        session_id = text(event.content, "session_id", longest=64)
        row: Any = await conn.fetchrow(
            """
            SELECT i.sender_key, i.signing_key, i.ratchet, r.key_owner FROM matrix_inbound i
            JOIN matrix_room r ON r.room_id = i.room_id WHERE i.room_id=$1 AND i.session_id=$2 AND i.sender=$3
            """,
            event.room_id,
            session_id,
            event.sender,
        )
        if row is None:
            raise _Wait("key")
        payload, index = await self._decrypt(row, event, session_id)
        known = await self._devices.find(conn, event.sender, row["sender_key"])
        trusted = known is not None and known[1] and known[0].ed25519 == row["signing_key"]
        if event.sender not in fresh:
            stale = await self._devices.is_stale(conn, event.sender)
            if known is None and not stale:
                await self._devices.mark(conn, [event.sender])
            if known is None or stale:
                raise _Wait("device")
        if known is None or not trusted:
            return event.untrusted()
        if not await self._first_time(conn, event, session_id, index):
            return None
        await self._devices.heard(conn, known[0])
        return opened(event, payload, known[0].device_id)

    async def _decrypt(self, row: Any, event: Encrypted, session_id: str) -> tuple[str, int]:
        try:
            pickle = await self._vault.open(row["key_owner"], inbound_context(session_id), bytes(row["ratchet"]))
        except Sealed:
            raise Malformed("key") from None
        try:
            return InboundGroupSession.from_pickle(pickle, session_id).decrypt(text(event.content, "ciphertext"))
        except OlmGroupSessionError:  # perhaps a key that reaches further back is on its way
            raise _Wait("key") from None

    async def _first_time(self, conn: Connection, event: Encrypted, session_id: str, index: int) -> bool:
        await conn.execute(
            """
            INSERT INTO matrix_read (room_id, session_id, position, event_id) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING
            """,
            event.room_id,
            session_id,
            index,
            event.event_id,
        )
        reader = await conn.fetchval(
            "SELECT event_id FROM matrix_read WHERE room_id=$1 AND session_id=$2 AND position=$3",
            event.room_id,
            session_id,
            index,
        )
        return bool(reader == event.event_id)

    async def _keep(self, conn: Connection, event: Encrypted, needs: Literal["key", "device"]) -> None:
        kept = {
            "event_id": event.event_id,
            "sender": event.sender,
            "origin_server_ts": event.at,
            "content": event.content,
        }
        session_id = event.content.get("session_id")
        await conn.execute(
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
            int(self._clock.wall() * 1000) + PATIENCE_MS,
        )

    async def _again(self, conn: Connection, rows: list[Any], fresh: Collection[str]) -> list[Item]:
        items = []
        for row in rows:
            item = await self.read(conn, Encrypted.read(loads(row["event"]), row["room_id"]), fresh=fresh)
            if item is not None:
                items.append(item)
        return items


def opened(event: Encrypted, plaintext: str, device_id: str = "") -> Said:
    """Return what a decrypted event says. Raises what is in `BAD_DATA`."""
    payload = loads(plaintext)
    if payload.get("room_id") != event.room_id:
        raise Malformed("room_id")
    content = mapping(payload.get("content"), "content")
    relation = inner(event.content, "m.relates_to") or None
    if relation is not None and "m.relates_to" not in content:
        content = {**content, "m.relates_to": relation}
    return Said(
        event_id=event.event_id,
        room_id=event.room_id,
        sender=event.sender,
        device_id=device_id,
        type=text(payload, "type", longest=255),
        content=content,
        clear_relation=relation,
        at=event.at,
    )


def inbound_context(session_id: str) -> str:
    """Name the place of an inbound session, for the seal; its pickle's passphrase is the session id."""
    return f"matrix inbound {session_id}"
