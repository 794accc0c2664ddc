"""Splits a sync response into single events, for when it cannot be written as a whole.

Rule of this module: every part is a response with one event, in the order in which the whole is processed: changed devices,
to-device messages, then the rooms. A malformed event is a part like any other and fails alone.

Source: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3sync
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from bridge.matrix.api.events import UnhandledEvent
from bridge.matrix.api.json_fields import MAX_INTEGER, Json, MalformedJson, dumps, object_at, objects_in
from bridge.matrix.sync.sync_response import MAX_ID_LENGTH, NO_GAP, TimelineGap, TimelineGaps, timeline_events


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
