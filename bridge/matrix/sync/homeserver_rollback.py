"""A rollback of the homeserver: its database has an earlier state again. It then sends events twice, or skips some.

Rules of this module: the homeserver counts on from the earlier state, so our cursor points past its next events, and
Synapse skips those, with their room keys. So after each outage of the homeserver, before the cursor is used, it is asked
whether it still has the newest event that it sent, and whether its count is lower. After a rollback the cursor is not used:
all rooms are read from the newest event back to the time of the newest event that we know. Events that are not newer were
received before, and are ignored, whether or not they were erased since: no words leave twice, no command is done twice.
That time is stored as no later than our machine's clock, and converted to the homeserver's present clock (`Date`, RFC
9110): so a clock that was hours ahead or behind, and was corrected, makes no event skipped.

The cursor ends in the commit that notes the work to repeat. From then until the first sync is committed neither count nor
event shows another rollback: after a crash in between the homeserver may have counted past that cursor. So after that
commit, before any of the work is done, a mark is stored at the homeserver. If it is rolled back again before the first
sync, the mark is missing, whatever it counts, and all is noted and done once more.

After a false alarm at a start, waiting texts would not be held back while the redactions made meanwhile are still unread.
So no request without a cursor is made twice with the same parameters, because Synapse answers it from its cache for two
minutes (`fresh_timeout`), and a lower count is requested again, because a sync worker may lag for a moment.

If the count is not lower and the homeserver cannot say whether it has that event (a worker is down, a row is damaged), it
is asked for two minutes, and then only the count decides: otherwise no event would be received as long as that lasts.

A homeserver may also refuse the cursor itself: an older Synapse cannot read one that a newer one made, and our row may be
damaged. The same request would fail for ever, so after two minutes the cursor ends, and all rooms are read once without it,
up to the newest event that we know. Not sooner: while Synapse's workers are upgraded one by one, some cannot read what
others made. It is a rollback only if the count or the newest event says so, which that cursor is still compared for.

Sources: Synapse 1.163.2, `synapse/streams/events.py` (`bound_future_token`), `synapse/types` (the form of a cursor),
`synapse/rest/client/sync.py` (`request_key`); 1.155.0 and 1.163.2, `synapse/types` (a cursor has 13 or 14 parts).
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
from bridge.matrix.rooms.room_state import GONE, is_expected_at_homeserver
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


MARK: Final = "quietline.put_back"
"""Type of account data of the policy bot: the time (ms) of the newest event that we knew when a rollback was last noted."""


class Rollback(NamedTuple):
    """A rollback of the homeserver.

    `heard_until`: the time of the newest event that we know, in milliseconds by the homeserver's present clock.
    `counts_less`: the homeserver's count is lower than before. If False, the rollback was noted before, or only the newest
    event is missing; the latter also happens when our own database was restored and does not know that the event was
    erased. `noted`: it was noted before, and there was no other rollback since. Without a sync in between both are compared
    with the cursor from before the first.
    """

    heard_until: int
    counts_less: bool
    was_noted: bool = False


class RefusedCursor(NamedTuple):
    """The homeserver was not rolled back, and refuses our cursor. `heard_until`: as for a rollback."""

    heard_until: int


async def find_rollback(identity: Identity, no_rooms: Json, now: Callable[[], float]) -> Rollback | RefusedCursor | None:
    """Return the rollback, or else the refused cursor, if there was one since the last committed sync; else None.

    `no_rooms`: a filter without rooms; `now`: our machine's clock. Raises what `HomeserverClient` raises.
    """
    reached = await identity_table.get_sync_position(identity.database, identity.user_id)
    if reached is None or (heard := reached.newest_event) is None:
        return None
    if not reached.cursor and not reached.is_refused:
        await _position_now(identity, no_rooms)  # to learn the homeserver's clock
        heard_until = _homeserver_time(heard.at, identity.client.server_time, now())
        noted = await _still_has_mark(identity, heard)
        counts_less = not noted and await _is_rolled_back(identity, reached.invalid_cursor, no_rooms)
        return Rollback(heard_until, counts_less, noted)
    counts_less = await _is_rolled_back(identity, reached.cursor or reached.invalid_cursor, no_rooms)
    if counts_less or not await _has_event(identity, heard):
        log.event("matrix.homeserver_rollback")
        return Rollback(_homeserver_time(heard.at, identity.client.server_time, now()), counts_less)
    return RefusedCursor(_homeserver_time(heard.at, identity.client.server_time, now())) if reached.is_refused else None


async def is_cursor_refused(identity: Identity, no_rooms: Json) -> bool:
    """Whether the homeserver cannot read our cursor for two minutes, and would sync without one.

    `no_rooms`: a filter without rooms, so that no room is the reason. A cursor that it can read acknowledges what was
    committed, and nothing else. Raises what `HomeserverClient` raises.
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


async def mark(identity: Identity) -> bool:
    """Store a mark at the homeserver that this rollback is noted; return whether it is stored.

    If the homeserver refuses the mark, syncing continues: otherwise no event would be received as long as that lasts.
    Raises what `HomeserverClient` raises where it does not answer, because it may be rolled back meanwhile.
    """
    reached = await identity_table.get_sync_position(identity.database, identity.user_id)
    if reached is None or reached.newest_event is None:
        return False
    body = {"heard_until": reached.newest_event.at}
    try:
        await identity.client.request("PUT", "user", identity.user_id, "account_data", MARK, body=body)
    except HomeserverError as error:
        _raise_unless_refused(error)
        log.event("matrix.rollback_not_marked", level=logging.ERROR, status=error.errcode or error.status)
        return False
    return True


async def _still_has_mark(identity: Identity, heard: NewestEvent) -> bool:
    """Whether the homeserver still has the mark; checked twice, because a worker may lag for a moment."""
    if await _has_mark(identity, heard):
        return True
    await wait(SECOND_LOOK_SECONDS)
    if await _has_mark(identity, heard):
        return True
    log.event("matrix.homeserver_rollback")
    return False


async def _has_mark(identity: Identity, heard: NewestEvent) -> bool:
    try:
        answer = await identity.client.request("GET", "user", identity.user_id, "account_data", MARK)
    except HomeserverError as error:
        _raise_unless_refused(error)
        return error.errcode != "M_NOT_FOUND"  # an internal error does not count as a rollback
    return answer.get("heard_until") == heard.at


def _raise_unless_refused(error: HomeserverError) -> None:
    """Raise an error that is no answer to the question: the homeserver does not answer, or does not know us."""
    if isinstance(error, TokenRefused | UnknownDevice):
        raise error
    if isinstance(error, Transient) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error


def _homeserver_time(at: int, server_time: float | None, now: float) -> int:
    """Convert a time to the homeserver's present clock: its time now, minus the time that has passed by our clock.

    If the two clocks agree, or the homeserver's was behind all the time, the time stays as it is.
    """
    if server_time is None:
        return at
    ahead = round((server_time - now) * 1000)
    return at + ahead if ahead > SKEW_MS or server_time * 1000 < at - SKEW_MS else at


def without_known_events(response: Json, until: int) -> Json:
    """Return a response without the events up to that time.

    The current state stays, except old power levels, and old memberships by which a person is out of the room: roles and
    members that were known before the rollback are restored.
    """
    rooms = {
        room_id: {
            **raw_room,
            **{name: _without_restored_state(object_at(raw_room, name), until) for name in STATE_AFTER if name in raw_room},
            "timeline": {
                **object_at(raw_room, "timeline"),
                "events": newer(list(objects_in(object_at(raw_room, "timeline").get("events"))), until),
            },
        }
        for room_id, raw_room in object_at(response, "rooms", "join").items()
        if isinstance(raw_room, dict)
    }
    return {**response, "rooms": {**object_at(response, "rooms"), "join": rooms}}


def _without_restored_state(state: Json, until: int) -> Json:
    events = objects_in(state.get("events"))
    return {"events": [each for each in events if _at(each) > until or not _is_restored_state(each)]}


def _is_restored_state(event: Json) -> bool:
    kind = event.get("type")
    return kind == "m.room.power_levels" or (
        kind == "m.room.member" and object_at(event, "content").get("membership") in GONE
    )


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
            _raise_unless_refused(error)
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
