"""A rollback of the homeserver: its database has an earlier state again. It then sends events twice, or skips some.

The homeserver counts on from the earlier state, so our cursor points past its next events, and Synapse skips those, with
their room keys. So after each outage of the homeserver, before the cursor is used, it is asked one question: does it still
have the newest event that it sent, and is its count lower? After a rollback the cursor is not used: all rooms are read from
the newest event back to the time of the newest event that we know. Events that are not newer were received before, and are
ignored, whether or not they were erased since: no words leave twice, no command is done twice. That time is stored as no
later than our machine's clock, and converted to the homeserver's present clock (`Date`, RFC 9110).

The cursor ends in the commit that notes what is to be repeated. Until the next sync is committed nothing is asked again: a
second rollback meanwhile is not looked for.

A false alarm would not hold back texts that were taken back. So no request without a cursor is made twice with the same
parameters, because Synapse answers it from its cache for two minutes (`fresh_timeout`), and a lower count is requested
again, because a sync worker may lag for a moment. A homeserver that cannot say whether it has the event (a worker is down)
is asked for two minutes; then only the count decides. One that refuses the cursor itself for two minutes, as an older
Synapse does, counts as rolled back.

Source: Synapse 1.163.2, `synapse/streams/events.py` (`bound_future_token`), `synapse/types` (the form of a cursor),
`synapse/rest/client/sync.py` (`request_key`).
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from asyncio import sleep as wait
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple

from bridge.matrix.api.http_client import HomeserverError, Permanent, TokenRefused, Transient, UnknownDevice
from bridge.matrix.api.json_fields import BAD_DATA, Json, int_field, object_at, objects_in, string_field
from bridge.matrix.olm import identity_table
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.identity_table import NewestEvent
from bridge.matrix.rooms.room_state import is_expected_at_homeserver
from bridge.matrix.sync.sync_response import STATE_AFTER
from bridge.runtime import log

MAX_ID_LENGTH: Final = 255
SKEW_MS: Final = 120_000
"""How much two correct clocks may differ."""
POSITION: Final = re.compile(r"(?:s(\d+)|m(\d+)((?:~\d+\.\d+)*))_")
"""The position in the stream of events at the beginning of Synapse's cursors: of one writer, or of each of several."""
SECOND_LOOK_SECONDS: Final = 1.0
REFUSED_SECONDS: Final = 2.0
MOST_REFUSALS: Final = 60
"""Seconds between two requests for the newest event while the homeserver answers with an internal error, and their
number."""


def fresh_timeout() -> str:
    """Return an unused `timeout` for a sync without a cursor; such a sync is answered at once whatever it is."""
    return str(1 + secrets.randbelow(1 << 30))


def newest(response: Json, now: float) -> NewestEvent | None:
    """Return the newest event of a sync response by its time, if there is one.

    `now`: our machine's clock, which limits the time, even if the homeserver's clock is hours ahead.
    """
    ours = int(now * 1000)
    latest: NewestEvent | None = None
    for room_id, raw_room in object_at(response, "rooms", "join").items():
        for event in objects_in(object_at(raw_room if isinstance(raw_room, dict) else {}, "timeline").get("events")):
            try:
                heard = NewestEvent(
                    room_id, string_field(event, "event_id", longest=MAX_ID_LENGTH), int_field(event, "origin_server_ts")
                )
                string_field({"room_id": room_id}, "room_id", longest=MAX_ID_LENGTH)
            except BAD_DATA:
                continue
            latest = heard if latest is None or heard.at >= latest.at else latest
    return latest if latest is None or latest.at <= ours + SKEW_MS else latest._replace(at=ours)


class Rollback(NamedTuple):
    """A rollback of the homeserver.

    `heard_until`: the time of the newest event that we know, in milliseconds by the homeserver's present clock.
    `counts_less`: the homeserver's count is lower than before. If False, only the newest event is missing, or the cursor is
    refused; the former also happens when our own database was restored and does not know that the event was erased.
    """

    heard_until: int
    counts_less: bool


async def find_rollback(
    identity: Identity, no_rooms: Json, now: Callable[[], float], *, is_refused: bool = False
) -> Rollback | None:
    """Return the rollback if there was one since the last committed sync.

    `no_rooms`: a filter without rooms; `now`: our machine's clock; `is_refused`: the homeserver cannot read our cursor.
    Raises what `HomeserverClient` raises.
    """
    reached = await identity_table.get_sync_position(identity.database, identity.user_id)
    if reached is None or (heard := reached.newest_event) is None or not reached.cursor:
        return None
    counts_less = await _is_rolled_back(identity, reached.cursor, no_rooms)
    if not counts_less and not is_refused and await _has_event(identity, heard):
        return None
    log.event("matrix.homeserver_rollback")
    return Rollback(_homeserver_time(heard.at, identity.client.server_time, now()), counts_less)


async def is_cursor_refused(identity: Identity, no_rooms: Json) -> bool:
    """Whether the homeserver cannot read our cursor for two minutes, and would sync without one.

    Not sooner: while Synapse's workers are upgraded one by one, some cannot read what others made. `no_rooms`: a filter
    without rooms, so that no room is the reason. A cursor that it can read acknowledges what was committed, and nothing
    else. Raises what `HomeserverClient` raises.
    """
    cursor = await identity_table.cursor(identity.database, identity.user_id)
    if not cursor:
        return False
    query = {"filter": json.dumps(no_rooms), "timeout": "0", "set_presence": "offline", "since": cursor}
    for _ in range(MOST_REFUSALS):
        try:
            await identity.client.request("GET", "sync", query=query)
        except Permanent as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
        else:
            return False
        await wait(REFUSED_SECONDS)
    await _position_now(identity, no_rooms)
    return True


def _homeserver_time(at: int, server_time: float | None, now: float) -> int:
    """Convert a time to the homeserver's present clock: its time now, minus the time that has passed by our clock.

    If the two clocks agree, or the homeserver's was behind all the time, the time stays as it is.
    """
    if server_time is None:
        return at
    ahead = round((server_time - now) * 1000)
    return at + ahead if ahead > SKEW_MS or server_time * 1000 < at - SKEW_MS else at


def without_known_events(response: Json, until: int) -> Json:
    """Return a response without the events and the state up to that time: both were known before the rollback."""
    rooms = {
        room_id: {
            **raw_room,
            **{
                name: {**part, "events": newer(list(objects_in(part.get("events"))), until)}
                for name in (*STATE_AFTER, "timeline")
                if name in raw_room
                for part in (object_at(raw_room, name),)
            },
        }
        for room_id, raw_room in object_at(response, "rooms", "join").items()
        if isinstance(raw_room, dict)
    }
    return {**response, "rooms": {**object_at(response, "rooms"), "join": rooms}}


def are_newer(timeline: Json, until: int) -> bool:
    """Whether every event of a timeline is newer than that time, so that there may be more before them."""
    return all(_at(event) > until for event in objects_in(timeline.get("events")))


def newer(events: list[Json], until: int) -> list[Json]:
    """Return the events that are newer than that time; an event without a time is not."""
    return [event for event in events if _at(event) > until]


def _at(event: Json) -> int:
    try:
        return int_field(event, "origin_server_ts")
    except BAD_DATA:
        return -1


async def _is_rolled_back(identity: Identity, cursor: str, no_rooms: Json) -> bool:
    """Whether the homeserver's count is lower than before. A sync without a cursor acknowledges nothing."""
    before = _position(cursor)
    if before is None or not await _is_position_lower(identity, before, no_rooms):
        return False
    await wait(SECOND_LOOK_SECONDS)
    return await _is_position_lower(identity, before, no_rooms)


async def _is_position_lower(identity: Identity, before: int, no_rooms: Json) -> bool:
    now = await _position_now(identity, no_rooms)
    return now is not None and now < before


async def _position_now(identity: Identity, no_rooms: Json) -> int | None:
    query = {"filter": json.dumps(no_rooms), "timeout": fresh_timeout(), "set_presence": "offline"}
    return _position((await identity.client.request("GET", "sync", query=query)).get("next_batch"))


async def _has_event(identity: Identity, heard: NewestEvent) -> bool:
    if not heard.event_id:  # its room was erased: only the count can show a rollback
        return True
    refused: str | int = ""
    for _ in range(MOST_REFUSALS):
        try:
            await identity.client.request("GET", "rooms", heard.room_id, "event", heard.event_id)
        except HomeserverError as error:
            if isinstance(error, TokenRefused | UnknownDevice):
                raise
            if isinstance(error, Transient) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise  # it does not answer
            # "Forbidden" means that it does not have the room. Of one that is being purged only the count can show a
            # rollback, as of one that was: and a sync during the purge may fail (Synapse 1.163.2: 500), so that we ask.
            if error.errcode in {"M_NOT_FOUND", "M_FORBIDDEN"}:
                return not await is_expected_at_homeserver(identity.database, heard.room_id)
            refused = error.errcode or error.status
        else:
            return True
        await wait(REFUSED_SECONDS)
    log.event("matrix.newest_event_refused", level=logging.ERROR, status=refused)
    return True


def _position(cursor: object) -> int | None:
    """Return the position in the stream of events; None for a cursor of another form."""
    match = POSITION.match(cursor) if isinstance(cursor, str) else None
    if match is None:
        return None
    one, least, more = match.groups()
    return max(int(each) for each in (one or least, *re.findall(r"\.(\d+)", more or "")))
