"""One sync response of the policy bot, from JSON to values, inside one commit.

Rule of this module: to-device messages first, then events that waited for the keys that came, then the rooms. Each event is
accepted or dropped alone. Rooms that are not ours are skipped; our own messages are dropped by their sender.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from bridge.matrix.api.events import (
    GapTruncated,
    MatrixEvent,
    MemberNamed,
    MemberReturned,
    Membership,
    PowerLevels,
    ReadReceipt,
    RoomLost,
    SelfRemoved,
    UnencryptedEvent,
    UnhandledEvent,
)
from bridge.matrix.api.json_fields import (
    BAD_DATA,
    MAX_INTEGER,
    Json,
    MalformedJson,
    as_object,
    dumps,
    encodable,
    int_field,
    object_at,
    objects_in,
    string_field,
    strings_in,
)
from bridge.matrix.olm.olm_store import ToDeviceMessage
from bridge.matrix.olm.to_device import ToDeviceBatch
from bridge.matrix.room_keys import inbound_table
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.room_keys.inbound_sessions import EncryptedEvent, InboundSessions, NotMember
from bridge.matrix.room_keys.outbound_table import rotate_sessions
from bridge.matrix.rooms.room_state import GONE, Room, is_tampered, membership_of, room_of, set_levels, set_membership
from bridge.storage.database import Transaction

MEMBERSHIPS: Final = ("join", "invite", "leave", "ban", "knock")

MAX_ID_LENGTH: Final = 255
MAX_EARLY_KEYS: Final = 20
"""The newest room keys that are kept in memory until the sync reports that their sender has joined."""

TRACKED_STATE: Final = ("m.room.member", "m.room.power_levels", "m.room.tombstone")
"""The types of state events that we process, and request."""

MAIN_TIMELINE: Final = "main"
"""The `thread_id` of a read receipt for what is in no Matrix thread; one without it is for all events.

Source: https://spec.matrix.org/latest/client-server-api/#threaded-read-receipts
"""

MAX_NAME_LENGTH: Final = 256
"""Longest display name, in characters, that is used: Synapse's limit."""

STATE_AFTER: Final = ("state_after", "org.matrix.msc4222.state_after")
"""The fields with the state at the end of the timeline (specification 1.16; before that MSC4222)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineGap:
    """Events that a limited timeline left out, oldest first. `is_truncated`: older ones were not fetched."""

    events: Sequence[Json] = ()
    is_truncated: bool = False


TimelineGaps: TypeAlias = Mapping[str, TimelineGap]
"""Room id -> its gap."""
NO_GAP: Final = TimelineGap()


class SyncResponseParser:
    """Turns responses into items. `policy`: the user id of whose sync it is; `ours`: those of both identities."""

    def __init__(
        self, *, devices: DeviceLists, inbound_sessions: InboundSessions, policy: str, ours: Collection[str]
    ) -> None:
        self._devices = devices
        self._inbound_sessions = inbound_sessions
        self._policy = policy
        self._ours = frozenset(ours)

    async def take(
        self, transaction: Transaction, response: Json, batch: ToDeviceBatch, gaps: TimelineGaps
    ) -> list[MatrixEvent]:
        """Write a response and return its items; malformed ones are counted in `batch.dropped_count`.

        `batch.early_keys`: those of earlier responses, and then those that are still early.
        """
        items: list[MatrixEvent] = []
        await self._devices.mark(transaction, strings_in(object_at(response, "device_lists").get("changed")))
        early = await self._to_device_messages(transaction, (*batch.early_keys, *batch.messages), batch, items)
        for room_id, raw_room in object_at(response, "rooms", "join").items():
            gap = gaps.get(room_id, NO_GAP)
            events = [event for event in timeline_events(raw_room, gap.events) if not self._is_own_message(event)]
            receipts = self._read_receipts(room_id, raw_room)
            # A room with events of ours only is not looked up: under load that is every room, each with a query.
            if not (events or receipts or gap.is_truncated) or (room := await room_of(transaction, room_id)) is None:
                continue
            if gap.is_truncated:
                items.append(GapTruncated(room_id=room_id))
            for event in events:
                try:
                    item = await self._event(transaction, room_id, event)
                except BAD_DATA:
                    batch.dropped_count += 1
                else:
                    items += [] if item is None else [item]
                    items += member_names(room_id, event, self._ours) if room.kind == "desk" else ()
            items += receipts
        for room_id, raw_room in object_at(response, "rooms", "leave").items():
            if (room := await room_of(transaction, room_id)) is not None:
                items += [
                    lost
                    for event in timeline_events(raw_room, ())
                    if (lost := self._removed_from_room(room, event)) is not None
                ]
        # A person who joins by this response has sent their key before its rooms are processed.
        batch.early_keys = (await self._to_device_messages(transaction, early, batch, items))[-MAX_EARLY_KEYS:]
        return items

    def _is_own_message(self, event: Json) -> bool:
        """Whether it is a message of ours and not a state event: such messages are ignored."""
        return "state_key" not in event and isinstance(sender := event.get("sender"), str) and sender in self._ours

    async def _to_device_messages(
        self, transaction: Transaction, messages: Sequence[ToDeviceMessage], batch: ToDeviceBatch, items: list[MatrixEvent]
    ) -> list[ToDeviceMessage]:
        """Process messages; return the room keys whose senders are not in that room, as far as we know."""
        early: list[ToDeviceMessage] = []
        for message in messages:
            try:
                items += await self._to_device(transaction, message)
            except NotMember:
                early.append(message)
            except BAD_DATA:
                batch.dropped_count += 1
        return early

    def _removed_from_room(self, room: Room, event: Json) -> RoomLost | None:
        """Return that we are no longer in a room of ours, if another user's event removed us.

        We never leave the desk: if our own event says so, an administrator deleted the room (Synapse then lets each member
        leave, `handlers/room.py`).
        """
        try:
            kind, sender = string_field(event, "type", longest=255), string_field(event, "sender", longest=255)
            if (
                kind != "m.room.member"
                or string_field(event, "state_key", longest=255) not in self._ours
                or (sender in self._ours and room.kind != "desk")
            ):
                return None
            return (
                None
                if object_at(event, "content").get("membership") == "join"
                else _room_lost(room.room_id, event, "removed")
            )
        except BAD_DATA:
            return None

    def _read_receipts(self, room_id: str, raw_room: object) -> list[MatrixEvent]:
        """Return the read receipts (Client-Server API, m.receipt): of each person the newest in the response.

        Without those of a Matrix thread: who reads it has not read the texts before that in the room.
        """
        newest: dict[str, str] = {}
        room = raw_room if isinstance(raw_room, dict) else {}
        for event in objects_in(object_at(room, "ephemeral").get("events")):
            if event.get("type") != "m.receipt":
                continue
            content = object_at(event, "content")
            for event_id in strings_in([*content]):
                for user_id in strings_in([*object_at(content, event_id, "m.read")]):
                    thread = object_at(content, event_id, "m.read", user_id).get("thread_id", MAIN_TIMELINE)
                    is_storable = max(len(event_id), len(user_id)) <= MAX_ID_LENGTH
                    if user_id not in self._ours and thread == MAIN_TIMELINE and is_storable:
                        newest[user_id] = event_id
        return [ReadReceipt(room_id=room_id, user_id=user_id, event_id=event_id) for user_id, event_id in newest.items()]

    async def _to_device(self, transaction: Transaction, message: ToDeviceMessage) -> list[MatrixEvent]:
        if message.lost_ours:  # it could not read our last message, which may have been a key
            known = await self._devices.find(transaction, message.sender, message.sender_key)
            if known is not None and known[1]:
                await self._devices.resend_keys_on_request(transaction, known[0], self._policy)
        if message.type == "m.room_key":
            learned = await self._inbound_sessions.add_room_key(transaction, message)
            return [] if learned is None else await self._inbound_sessions.retry_with_key(transaction, *learned)
        return []

    async def _event(self, transaction: Transaction, room_id: str, event: Json) -> MatrixEvent | None:
        kind, sender = string_field(event, "type", longest=255), string_field(event, "sender", longest=255)
        if "state_key" in event:
            match kind:
                case "m.room.member":
                    return await self._member(transaction, room_id, event, sender)
                case "m.room.power_levels" if event["state_key"] == "":
                    return await self._levels(transaction, room_id, event, sender)
                case "m.room.tombstone" if event["state_key"] == "":
                    return _room_lost(room_id, event, "closed")
                case _:
                    return None
        if kind == "m.room.encrypted":
            return await self._inbound_sessions.decrypt(transaction, EncryptedEvent.read(event, room_id))
        content = encodable(object_at(event, "content"))
        redacts = content.get("redacts", event.get("redacts"))
        if kind == "m.room.redaction":
            await inbound_table.delete_waiting(transaction, string_field({"redacts": redacts}, "redacts", longest=255))
        return UnencryptedEvent(
            event_id=string_field(event, "event_id", longest=255),
            room_id=room_id,
            sender=sender,
            type=kind,
            content=content,
            redacts=redacts if kind == "m.room.redaction" else None,
            at=int_field(event, "origin_server_ts", default=0),
        )

    async def _member(self, transaction: Transaction, room_id: str, event: Json, sender: str) -> MatrixEvent | None:
        user_id = string_field(event, "state_key", longest=255)
        membership = string_field(as_object(event.get("content"), "content"), "membership", longest=16)
        event_id, at = string_field(event, "event_id", longest=255), int_field(event, "origin_server_ts", default=0)
        if membership not in MEMBERSHIPS:
            raise MalformedJson("membership")
        is_back = membership == "join" and await membership_of(transaction, room_id, user_id) in GONE
        if is_back and user_id not in self._ours:
            # Only an invitation lets in a person who had left: this client wrote its name after a rollback.
            return MemberReturned(room_id=room_id, user_id=user_id)
        previous = await set_membership(transaction, room_id, user_id, membership)
        if membership == "invite":  # we may have noted it already, and a session may have begun between invitation and note
            await self._devices.mark(transaction, [user_id])
        if previous == membership:  # a person's name or picture
            return None
        if user_id in self._ours:
            removed = membership in {"leave", "ban"} and sender not in self._ours
            return SelfRemoved(room_id=room_id, user_id=user_id) if removed else None
        if membership == "join":
            await self._devices.mark(transaction, [user_id])
        elif previous in {"join", "invite"}:
            await rotate_sessions(transaction, room_id)
        return Membership(
            room_id=room_id,
            user_id=user_id,
            membership=membership,
            sender=sender,
            previous=previous,
            event_id=event_id,
            at=at,
        )

    async def _levels(self, transaction: Transaction, room_id: str, event: Json, sender: str) -> MatrixEvent | None:
        named = object_at(event, "content", "users")
        users = {
            user: level
            for user, level in encodable(named).items()
            if isinstance(level, int) and not isinstance(level, bool) and abs(level) <= MAX_INTEGER
        }
        event_id, at = string_field(event, "event_id", longest=255), int_field(event, "origin_server_ts", default=0)
        await set_levels(transaction, room_id, users)
        room = await room_of(transaction, room_id)
        tampered = room is not None and is_tampered(room.kind, encodable(object_at(event, "content")))
        if sender in self._ours and not tampered and (room is None or room.kind != "desk"):
            return None  # an administrator may act in our name (Synapse, `make_room_admin`), at the desk also to give roles
        return PowerLevels(room_id=room_id, users=users, sender=sender, event_id=event_id, at=at, tampered=tampered)


def member_names(room_id: str, event: Json, ours: Collection[str]) -> list[MemberNamed]:
    """Return the display name in an `m.room.member` event of another user, as a list of one; else an empty list.

    An invalid name counts as none. Source: https://spec.matrix.org/latest/client-server-api/#mroommember
    """
    content = object_at(event, "content")
    if event.get("type") != "m.room.member" or content.get("membership") != "join":
        return []
    name = "".join(strings_in([content.get("displayname")]))[:MAX_NAME_LENGTH]
    return [
        MemberNamed(room_id=room_id, user_id=user_id, name=name)
        for user_id in strings_in([event.get("state_key")])
        if user_id not in ours and len(user_id) <= MAX_ID_LENGTH
    ]


def _room_lost(room_id: str, event: Json, how: str) -> RoomLost:
    return RoomLost(
        room_id=room_id,
        how=how,
        sender=string_field(event, "sender", longest=255),
        event_id=string_field(event, "event_id", longest=255),
        at=int_field(event, "origin_server_ts", default=0),
    )


def timeline_events(raw_room: object, gap: Sequence[Json]) -> list[Json]:
    """Return the new events of a room, oldest first, without state events that lost state resolution.

    When two events are sent at the same time, their order in the timeline does not say which of two memberships is valid:
    the homeserver decides that, and reports it as `state_after`. For each such key the valid event is taken, and those
    before it; a valid event that is not in the timeline is put first. (`state`, the state before the timeline, is never
    used: beside such a pair it would restore an old value.) Without `state_after` the order decides.
    """
    room = raw_room if isinstance(raw_room, dict) else {}
    came = [*gap, *objects_in(object_at(room, "timeline").get("events"))]
    after = next((objects_in(object_at(room, name).get("events")) for name in STATE_AFTER if name in room), None)
    if after is None:
        return came
    holds = {key: event for event in after if (key := _state_key(event)) is not None}
    events: list[Json] = []
    keys = set[tuple[str, str]]()
    for event in reversed(came):
        key = _state_key(event)
        if key in holds and event.get("event_id") == holds[key].get("event_id"):
            keys.add(key)
        if key is None or key in keys:
            events.append(event)
    return [*(event for key, event in holds.items() if key not in keys), *reversed(events)]


def _state_key(event: Json) -> tuple[str, str] | None:
    """Return the key of a state event of a type that we process; else None."""
    kind, key = event.get("type"), event.get("state_key")
    return (kind, key) if isinstance(kind, str) and kind in TRACKED_STATE and isinstance(key, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePart:
    """`response`: one event, as a sync response of its own; `unhandled_event`: what is reported if it cannot be written."""

    response: Json
    unhandled_event: UnhandledEvent
    gaps: TimelineGaps = field(default_factory=dict)


def response_parts(response: Json, gaps: TimelineGaps) -> Iterator[ResponsePart]:
    """Split a response; an event that was fetched for a gap is a part as well."""
    if "device_lists" in response:
        yield _part({"device_lists": response["device_lists"]}, {})
    for event in objects_in(object_at(response, "to_device").get("events")):
        yield _part({"to_device": {"events": [event]}}, event)
    for room_id, raw_room in object_at(response, "rooms", "join").items():
        gap = gaps.get(room_id, NO_GAP)
        if gap.is_truncated:
            part = _part({"rooms": {"join": {room_id: {}}}}, {}, room_id)
            yield replace(part, gaps={room_id: TimelineGap(is_truncated=True)})
        for event in timeline_events(raw_room, gap.events):
            yield _part({"rooms": {"join": {room_id: _timeline([event])}}}, event, room_id)
        if receipts := object_at(raw_room if isinstance(raw_room, dict) else {}, "ephemeral"):
            yield _part({"rooms": {"join": {room_id: {"ephemeral": receipts}}}}, {}, room_id)
    for room_id, raw_room in object_at(response, "rooms", "leave").items():
        for event in timeline_events(raw_room, ()):
            yield _part({"rooms": {"leave": {room_id: _timeline([event])}}}, event, room_id)


def _timeline(events: Sequence[Json]) -> Json:
    return {"timeline": {"events": list(events)}}


def _part(response: Json, event: Json, room_id: str = "") -> ResponsePart:
    try:
        raw = dumps(event)
    except MalformedJson:
        raw = ""
    stamped = event.get("origin_server_ts")
    unhandled = UnhandledEvent(
        room_id=room_id,
        event_id=_id(event.get("event_id")),
        sender=_id(event.get("sender")),
        encrypted=bool(room_id) and event.get("type") == "m.room.encrypted" and "state_key" not in event,
        at=stamped if type(stamped) is int and abs(stamped) <= MAX_INTEGER else 0,
        raw=raw,
    )
    return ResponsePart(response=response, unhandled_event=unhandled)


def _id(value: object) -> str:
    """Return an id that a table can store, or an empty string."""
    good = isinstance(value, str) and len(value) <= MAX_ID_LENGTH and "\0" not in value
    return str(value) if good and str(value).encode(errors="replace") == str(value).encode(errors="ignore") else ""
