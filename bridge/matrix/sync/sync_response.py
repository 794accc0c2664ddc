"""One sync response of the policy bot, from JSON to items, inside one commit.

Rule of this module: to-device first, then what waited for the keys that came, then the rooms, and each event is taken or
dropped alone. Rooms that are not ours are not looked at; our own words are dropped by their sender.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from bridge.matrix.api.events import Item, Membership, Ousted, Plain, PowerLevels, RoomLost, Seen
from bridge.matrix.api.json_fields import (
    BAD_DATA,
    LARGEST,
    Json,
    Malformed,
    inner,
    mapping,
    number,
    objects,
    plain,
    strings,
    text,
)
from bridge.matrix.olm.sessions import Letter
from bridge.matrix.olm.to_device_inbox import Opened
from bridge.matrix.room_keys.device_lists import Devices
from bridge.matrix.room_keys.inbound_sessions import Encrypted, Reading
from bridge.matrix.rooms.room_state import room_of, rotate, set_levels, set_membership
from bridge.matrix.rooms.room_templates import bent
from bridge.storage.database import Connection

MEMBERSHIPS: Final = frozenset({"join", "invite", "leave", "ban", "knock"})

LONGEST_ID: Final = 255

KEPT_STATE: Final = ("m.room.member", "m.room.power_levels", "m.room.tombstone")
"""The kinds of state that we know of, and ask for."""

STATE_AFTER: Final = ("state_after", "org.matrix.msc4222.state_after")
"""Where a homeserver tells what holds at the end of the timeline (specification 1.16; before that MSC4222)."""

Gaps: TypeAlias = Mapping[str, Sequence[Json]]
"""Room id -> events that a limited timeline left out, oldest first."""


class Intake:
    """Turns responses into items. `policy`: the user id of whose sync it is; `ours`: those of both identities."""

    def __init__(self, *, devices: Devices, reading: Reading, policy: str, ours: Collection[str]) -> None:
        self._devices = devices
        self._reading = reading
        self._policy = policy
        self._ours = frozenset(ours)

    async def take(self, conn: Connection, response: Json, opened: Opened, gaps: Gaps) -> list[Item]:
        """Write what a response tells and return its items; what is malformed is counted in `opened.dropped`."""
        items: list[Item] = []
        await self._devices.mark(conn, strings(inner(response, "device_lists").get("changed")))
        for letter in opened.letters:
            try:
                items += await self._letter(conn, letter)
            except BAD_DATA:
                opened.dropped += 1
        for room_id, told in inner(response, "rooms", "join").items():
            if await room_of(conn, room_id) is None:
                continue
            for event in _events(told, gaps.get(room_id, ())):
                try:
                    item = await self._event(conn, room_id, event)
                except BAD_DATA:
                    opened.dropped += 1
                else:
                    items += [] if item is None else [item]
            items += self._seen(room_id, told)
        for room_id, told in inner(response, "rooms", "leave").items():
            if await room_of(conn, room_id) is not None:
                items += [lost for event in _events(told, ()) if (lost := self._removed(room_id, event)) is not None]
        return items

    def _removed(self, room_id: str, event: Json) -> RoomLost | None:
        """Say that we are no longer in a room of ours, if this event made it so and somebody else sent it."""
        try:
            kind, sender = text(event, "type", longest=255), text(event, "sender", longest=255)
            if kind != "m.room.member" or text(event, "state_key", longest=255) not in self._ours or sender in self._ours:
                return None
            return None if inner(event, "content").get("membership") == "join" else _lost(room_id, event, "removed")
        except BAD_DATA:
            return None

    def _seen(self, room_id: str, told: object) -> list[Item]:
        """Return who has read what (Client-Server API, m.receipt): of each person the newest that is told."""
        newest: dict[str, str] = {}
        room = told if isinstance(told, dict) else {}
        for event in objects(inner(room, "ephemeral").get("events")):
            if event.get("type") != "m.receipt":
                continue
            content = inner(event, "content")
            for event_id in strings([*content]):
                for user_id in strings([*inner(content, event_id, "m.read")]):
                    if user_id not in self._ours and max(len(event_id), len(user_id)) <= LONGEST_ID:
                        newest[user_id] = event_id
        return [Seen(room_id=room_id, user_id=user_id, event_id=event_id) for user_id, event_id in newest.items()]

    async def _letter(self, conn: Connection, letter: Letter) -> list[Item]:
        if letter.type == "m.room_key":
            learned = await self._reading.learn(conn, letter)
            return [] if learned is None else await self._reading.with_key(conn, *learned)
        if letter.type == "m.dummy":
            # the device began a new Olm session because it could not read our last message, which may have been a key
            known = await self._devices.find(conn, letter.sender, letter.sender_key)
            if known is not None and known[1]:
                await self._devices.send_again(conn, known[0], self._policy)
        return []

    async def _event(self, conn: Connection, room_id: str, event: Json) -> Item | None:
        kind, sender = text(event, "type", longest=255), text(event, "sender", longest=255)
        if "state_key" in event:
            match kind:
                case "m.room.member":
                    return await self._member(conn, room_id, event, sender)
                case "m.room.power_levels" if event["state_key"] == "":
                    return await self._levels(conn, room_id, event, sender)
                case "m.room.tombstone" if event["state_key"] == "":
                    return _lost(room_id, event, "closed")
                case _:
                    return None
        if sender in self._ours:
            return None
        if kind == "m.room.encrypted":
            return await self._reading.read(conn, Encrypted.read(event, room_id))
        content = plain(inner(event, "content"))
        redacts = content.get("redacts", event.get("redacts"))
        if kind == "m.room.redaction":
            await self._reading.drop(conn, text({"redacts": redacts}, "redacts", longest=255))
        return Plain(
            event_id=text(event, "event_id", longest=255),
            room_id=room_id,
            sender=sender,
            type=kind,
            content=content,
            redacts=redacts if kind == "m.room.redaction" else None,
            at=number(event, "origin_server_ts", default=0),
        )

    async def _member(self, conn: Connection, room_id: str, event: Json, sender: str) -> Item | None:
        user_id = text(event, "state_key", longest=255)
        membership = text(mapping(event.get("content"), "content"), "membership", longest=16)
        event_id, at = text(event, "event_id", longest=255), number(event, "origin_server_ts", default=0)
        if membership not in MEMBERSHIPS:
            raise Malformed("membership")
        previous = await set_membership(conn, room_id, user_id, membership)
        if membership == "invite":  # perhaps noted by us already, and a session may have begun between invite and note
            await self._devices.mark(conn, [user_id])
        if previous == membership:  # somebody's name or picture
            return None
        if user_id in self._ours:
            removed = membership in {"leave", "ban"} and sender not in self._ours
            return Ousted(room_id=room_id, user_id=user_id) if removed else None
        if membership == "join":
            await self._devices.mark(conn, [user_id])
        elif previous in {"join", "invite"}:
            await rotate(conn, room_id)
        return Membership(
            room_id=room_id,
            user_id=user_id,
            membership=membership,
            sender=sender,
            previous=previous,
            event_id=event_id,
            at=at,
        )

    async def _levels(self, conn: Connection, room_id: str, event: Json, sender: str) -> Item | None:
        named = inner(event, "content", "users")
        users = {
            user: level
            for user, level in plain(named).items()
            if isinstance(level, int) and not isinstance(level, bool) and abs(level) <= LARGEST
        }
        event_id, at = text(event, "event_id", longest=255), number(event, "origin_server_ts", default=0)
        await set_levels(conn, room_id, users)
        if sender in self._ours:
            return None
        room = await room_of(conn, room_id)
        is_bent = room is not None and bent(room.kind, plain(inner(event, "content")))
        return PowerLevels(room_id=room_id, users=users, sender=sender, event_id=event_id, at=at, bent=is_bent)


def _lost(room_id: str, event: Json, how: str) -> RoomLost:
    return RoomLost(
        room_id=room_id,
        how=how,
        sender=text(event, "sender", longest=255),
        event_id=text(event, "event_id", longest=255),
        at=number(event, "origin_server_ts", default=0),
    )


def _events(told: object, gap: Sequence[Json]) -> list[Json]:
    """Return what came into a room, oldest first, without changes of state that do not hold.

    Two events that are made at once do not know of each other, and the order in which they come does not say which of two
    memberships holds: the homeserver decides that, and tells it as `state_after`. Of each such key the event that holds is
    taken, and what came before it; one that holds but did not come is put first. (`state`, what held before the first event
    of the timeline, is never asked: beside such a pair it brings back what is over.) Where the homeserver does not tell,
    the order counts.
    """
    room = told if isinstance(told, dict) else {}
    came = [*gap, *objects(inner(room, "timeline").get("events"))]
    after = next((objects(inner(room, name).get("events")) for name in STATE_AFTER if name in room), None)
    if after is None:
        return came
    holds = {key: event for event in after if (key := _key(event)) is not None}
    kept: list[Json] = []
    found = set[tuple[str, str]]()
    for event in reversed(came):
        key = _key(event)
        if key in holds and event.get("event_id") == holds[key].get("event_id"):
            found.add(key)
        if key is None or key in found:
            kept.append(event)
    return [*(event for key, event in holds.items() if key not in found), *reversed(kept)]


def _key(event: Json) -> tuple[str, str] | None:
    """Return the key of a state that we keep."""
    kind, key = event.get("type"), event.get("state_key")
    return (kind, key) if isinstance(kind, str) and kind in KEPT_STATE and isinstance(key, str) else None
