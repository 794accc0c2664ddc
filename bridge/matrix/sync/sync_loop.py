"""`/sync` as one of our identities: one response in one commit.

Rules of this module: the cursor is the last write of a commit, so a response that was not committed comes again whole. A
gap is filled before the commit. No answer of the homeserver ends the loop, except that it does not know us. A response that
cannot be written as a whole is written event by event, in the same commit: an event that fails is set aside
(`UnhandledEvent`), and the cursor moves, because otherwise it would come again for ever. After each outage of the
homeserver it is checked for a rollback, which ends the cursor (`homeserver_rollback`).

Sources: facts-matrix.md, "Application service and mautrix";
https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3sync
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from bridge.background.loop import BackgroundLoop, Waits
from bridge.matrix.api.events import UnhandledEvent
from bridge.matrix.api.http_client import HomeserverClient, Permanent, TokenRefused, Transient, UnknownDevice
from bridge.matrix.api.json_fields import Json, object_at, objects_in, strings_in
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleNotLoaded, ModuleRequestRejected
from bridge.matrix.olm import identity_table
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.olm_store import ToDeviceMessage
from bridge.matrix.olm.to_device import OneTimeKeyUpload, ToDeviceBatch, ToDeviceInbox
from bridge.matrix.rooms.room_state import room_of
from bridge.matrix.sync import homeserver_rollback
from bridge.matrix.sync.homeserver_rollback import Rollback
from bridge.matrix.sync.sync_response import STATE_AFTER, TRACKED_STATE, TimelineGap, TimelineGaps, response_parts
from bridge.runtime import log
from bridge.runtime.crash_points import CrashHook, CrashPoint
from bridge.storage.database import Transaction, attempt

POLL_SECONDS: Final = 30
ANSWER_WAITS: Final[Waits] = (60.0, 960.0)
"""Seconds for which an answer is waited for, beside the long poll, the first and the largest. Without a cursor, or after
days, Synapse may need minutes for many rooms, and begins again at a request in other words (`_poll`): so after each answer
that did not come in time the wait is doubled."""
RETRY_WAITS: Final[Waits] = (0.1, 2.0)
"""Seconds between tries, the first and the largest: short, because the homeserver is the agency's own and people wait."""
PAUSE_PER_EVENT: Final = 0.02
MAX_PAUSE: Final = 1.0
"""The most seconds between two syncs: see `_pause_after`."""
SHORT_PAUSE: Final = 0.25
"""The longest pause while an undo window is open: a redaction that waits here must not come too late."""
MODULE_RETRY: Final = 30.0
"""Seconds until the module is asked again after it was not there."""
TO_DEVICE_PAGE: Final = 100
"""The most to-device messages in one response of Synapse, the oldest first."""
PAGE_SIZE: Final = 100
MAX_PAGES: Final = 500

_NO_TYPES: Final[Json] = {"types": []}
_BASE_FILTER: Final = {"presence": _NO_TYPES, "account_data": _NO_TYPES}
ROOM_FILTER: Final = {
    **_BASE_FILTER,
    "room": {
        "timeline": {"limit": PAGE_SIZE},
        "state": {"types": [*TRACKED_STATE], "lazy_load_members": False},
        "ephemeral": {"types": ["m.receipt"]},
        "account_data": _NO_TYPES,
    },
}
"""The policy bot's filter. Of ephemeral events only read receipts: a text's lifetime begins when its assignee reads it."""

NO_ROOM_FILTER: Final = {**_BASE_FILTER, "room": {"rooms": []}}
"""The texter puppet's filter: only its key counts and its to-device inbox."""

USE_STATE_AFTER: Final = {f"{name.removesuffix('state_after')}use_state_after": "true" for name in STATE_AFTER}
"""Requests the state after the timeline in place of the state before it."""

ResponseWriter: TypeAlias = Callable[[Transaction, Json, ToDeviceBatch, TimelineGaps], Awaitable[None]]
"""Writes the content of a response, inside its commit."""

UnhandledSink: TypeAlias = Callable[[Transaction, UnhandledEvent], Awaitable[None]]
"""Sets aside an event that could not be written, inside the same commit."""


async def drop_unhandled(_conn: Transaction, _unhandled: UnhandledEvent) -> None:
    """Do nothing: for an identity that receives only keys."""


async def no_urgent_timers() -> bool:
    """Return False: no undo window is open."""
    return False


class SyncLoop:
    """The loop of one identity.

    `run` until cancelled; of the network's errors it raises `TokenRefused` and `IdentityTakenOver`.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        sync_filter: Json,
        inbox: ToDeviceInbox,
        key_upload: OneTimeKeyUpload,
        take: ResponseWriter,
        on_commit: Callable[[], None],
        crash: CrashHook,
        renew_device: Callable[[], Awaitable[None]],
        unhandled: UnhandledSink = drop_unhandled,
        now: Callable[[], float],
        rolled_back: Callable[[Rollback], Awaitable[None]],
        has_urgent_timers: Callable[[], Awaitable[bool]] = no_urgent_timers,
        interval: float = 0.0,
        wait_for_change: Callable[[int], Awaitable[int]] | None = None,
    ) -> None:
        """`has_urgent_timers`: whether an undo window is open.

        `now`: the machine's clock. `rolled_back`: called with a rollback of the homeserver before the next sync, ends the
        cursor. `interval`: sync every so many seconds
        instead of long polling, because the homeserver evaluates a waiting sync again for each event in each room of the
        identity, whatever its filter says. `wait_for_change`: `ModuleClient.wait_for_change`, which takes the place of long
        polling where the module is there.
        """
        self._interval, self._has_urgent_timers = interval, has_urgent_timers
        self._identity = identity
        self._filter = sync_filter
        self._inbox = inbox
        self._key_upload = key_upload
        self._take = take
        self._unhandled, self._renew_device = unhandled, renew_device
        self._now, self._rolled_back = now, rolled_back
        self._on_commit = on_commit
        self._crash = crash
        self._since: str | None = None
        self._heard_until: int | None = None
        self._pause, self._answer_wait = 0.0, ANSWER_WAITS[0]
        self._wait_for_change, self._known_change = wait_for_change, 0
        self._is_polling, self._asks_module_at = True, 0.0
        self._to_device_count = 0
        self._early_keys: list[ToDeviceMessage] = []
        self.caught_up = asyncio.Event()
        """Set while the homeserver answers: what is not here then will not come by waiting a little longer."""

    async def run(self) -> None:
        """Sync until cancelled."""
        loop = BackgroundLoop("matrix.sync", self._run_once_or_renew, max_sleep=math.inf, retry=RETRY_WAITS)
        await loop.run()

    async def _run_once_or_renew(self) -> float:
        """Sync once; return the seconds until the next sync."""
        try:
            if not self.caught_up.is_set():
                await self._check_for_rollback()
            await self.run_once()
        except UnknownDevice:
            self.caught_up.clear()
            await self._renew_device()
            raise
        except Permanent as error:
            self.caught_up.clear()
            if error.errcode == "M_FORBIDDEN":  # the user itself may be unknown, as after a rollback of the homeserver
                await self._renew_device()
            elif error.status == HTTPStatus.BAD_REQUEST:
                await self._end_refused_cursor()
            raise
        except Exception:  # after any error, events may still be missing; the loop decides what is tried again
            self.caught_up.clear()
            raise
        if self._to_device_count >= TO_DEVICE_PAGE and not self.caught_up.is_set():
            return 0.0  # the keys of the last words before the start come last, and those may stop what waits to leave
        self.caught_up.set()
        return self._interval or await self._wait()

    async def _wait(self) -> float:
        """Wait until the module says that there is something to sync; without it, return the seconds until a long poll."""
        self._is_polling = not self._to_device_count
        if self._to_device_count:  # the module counted those that may be left when they arrived there
            return 0.0
        loop = asyncio.get_running_loop()
        if self._wait_for_change is not None and loop.time() >= self._asks_module_at:
            try:
                self._known_change = await self._wait_for_change(self._known_change)
            except (HomeserverUnreachable, ModuleRequestRejected) as error:
                self._asks_module_at = loop.time() + MODULE_RETRY  # not from before: it may have taken a minute
                if isinstance(error, HomeserverUnreachable) and not isinstance(error, ModuleNotLoaded):
                    self.caught_up.clear()  # as after a long poll that was broken off: it may have been a rollback
            else:
                self._is_polling = False
                return 0.0
        if self._pause > SHORT_PAUSE and await self._has_urgent_timers():
            return SHORT_PAUSE
        return self._pause

    async def _end_refused_cursor(self) -> None:
        """End the use of a cursor that the homeserver cannot read; then the next try is without one."""
        if not await homeserver_rollback.is_cursor_refused(self._identity, NO_ROOM_FILTER):
            return
        log.event("matrix.cursor_refused", level=logging.ERROR)
        if not await self._begin_again(is_refused=True):  # it has received no events yet
            user_id = self._identity.user_id
            await self._identity.database.commit(lambda transaction: identity_table.end_cursor(transaction, user_id))
            self._since = None

    async def _check_for_rollback(self) -> None:
        if self._heard_until is not None:
            return
        reached = await identity_table.get_sync_position(self._identity.database, self._identity.user_id)
        if reached is not None and reached.newest_event is not None and not reached.cursor:
            self._heard_until = reached.newest_event.at  # noted before a crash
        else:
            await self._begin_again(is_refused=False)

    async def _begin_again(self, *, is_refused: bool) -> bool:
        """If the homeserver was rolled back, have what it lost repeated, and the next sync use no cursor."""
        rollback = await homeserver_rollback.find_rollback(self._identity, NO_ROOM_FILTER, self._now, is_refused=is_refused)
        if rollback is None:
            return False
        await self._rolled_back(rollback)
        self._since, self._heard_until = None, rollback.heard_until
        return True

    async def run_once(self) -> None:
        """Sync once, and commit the response. Raises errors of network and database, with nothing committed."""
        if self._since is None:
            self._since = await identity_table.cursor(self._identity.database, self._identity.user_id)
        since = "" if self._heard_until is not None else self._since or ""
        response = await self._poll(since)
        gaps = await self._gaps(response, since)
        self._crash(CrashPoint.SYNC_RECEIVED)
        batch, next_batch = await self._identity.database.commit(
            lambda transaction: self._write(transaction, response, gaps)
        )
        self._crash(CrashPoint.SYNC_COMMITTED)
        self._since, self._heard_until, self._early_keys = next_batch, None, batch.early_keys
        self._pause = _pause_after(response)
        self._to_device_count = len(list(objects_in(object_at(response, "to_device").get("events"))))
        if batch.dropped_count:
            log.event("matrix.malformed_dropped", count=batch.dropped_count)
        self._on_commit()
        self._key_upload.note_response(response, batch)

    async def _poll(self, since: str) -> Json:
        # the first answer after a start comes at once, so that we know where we are
        is_polling = self._is_polling and self.caught_up.is_set() and not self._interval
        timeout = POLL_SECONDS if since and is_polling else 0
        # Synapse answers the same request for two minutes as before. After a kill or an error that answer may be old: words
        # from before the start, which their author has taken back since, would leave.
        unlike = {} if self.caught_up.is_set() else {"quietline.request": secrets.token_hex(4)}
        sync_filter = json.dumps({**self._filter, **unlike})
        query = {"filter": sync_filter, "timeout": str(timeout * 1000), "set_presence": "offline", **USE_STATE_AFTER}
        if since:
            query["since"] = since
        else:
            query["timeout"] = homeserver_rollback.fresh_timeout()
        return await self._request(query, timeout + self._answer_wait)

    async def _request(self, query: Mapping[str, str], seconds: float) -> Json:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            response = await self._identity.client.request("GET", "sync", query=query, seconds=seconds)
        except Transient:
            if loop.time() >= deadline:
                self._answer_wait = min(self._answer_wait * 2, ANSWER_WAITS[1])
            raise
        self._answer_wait = ANSWER_WAITS[0]
        return response

    async def _gaps(self, response: Json, since: str) -> TimelineGaps:
        """Fetch the events that limited timelines left out, for our rooms."""
        gaps: dict[str, TimelineGap] = {}
        until = self._heard_until
        for room_id in strings_in([*object_at(response, "rooms", "join")]):
            timeline = object_at(response, "rooms", "join", room_id, "timeline")
            reaches = until is not None and not homeserver_rollback.are_newer(timeline, until)
            is_short = (since or until is not None) and timeline.get("limited") is True and not reaches
            if is_short and await room_of(self._identity.database, room_id) is not None:
                gaps[room_id] = await _fetch_gap(self._identity.client, room_id, since, timeline.get("prev_batch"), until)
        return gaps

    async def _write(self, transaction: Transaction, response: Json, gaps: TimelineGaps) -> tuple[ToDeviceBatch, str]:
        next_batch = "".join(strings_in([response.get("next_batch")]))
        if not next_batch:
            raise Transient(0, "QUIETLINE_NO_CURSOR")
        newest = homeserver_rollback.newest(response, self._now())
        if self._heard_until is not None:
            response = homeserver_rollback.without_known_events(response, self._heard_until)
        batch = ToDeviceBatch(early_keys=self._early_keys)
        failed = await attempt(transaction, partial(self._write_part, response=response, gaps=gaps, whole=batch))
        if failed is not None:
            log.failure("matrix.sync_response_failed", failed)
            for part in response_parts(response, gaps):
                failed = await attempt(
                    transaction, partial(self._write_part, response=part.response, gaps=part.gaps, whole=batch)
                )
                if failed is not None:
                    log.failure("matrix.sync_event_failed", failed)
                    if (
                        failed := await attempt(transaction, partial(self._record_unhandled, part.unhandled_event))
                    ) is not None:
                        log.failure("matrix.sync_event_not_kept", failed)
        await identity_table.set_cursor(transaction, self._identity.user_id, next_batch, newest)
        return batch, next_batch

    async def _write_part(
        self, transaction: Transaction, *, response: Json, gaps: TimelineGaps, whole: ToDeviceBatch
    ) -> None:
        """Write a response, or a part of one; its to-device results are added to the batch if it succeeds."""
        batch = await self._inbox.take(transaction, response)
        batch.early_keys = whole.early_keys
        await self._take(transaction, response, batch, gaps)
        whole.add(batch)

    async def _record_unhandled(self, unhandled: UnhandledEvent, transaction: Transaction) -> None:
        await self._unhandled(transaction, unhandled)


def _pause_after(response: Json) -> float:
    """Return the seconds to wait before the next long poll.

    A response costs the homeserver a third of a send, for each room with new events. With few events the pause is zero;
    under load, when most events are our own messages, many events share one response.
    """
    rooms = object_at(response, "rooms", "join")
    count = sum(len(list(objects_in(object_at(rooms, room_id, "timeline").get("events")))) for room_id in rooms)
    return min(count * PAUSE_PER_EVENT, MAX_PAUSE)


async def _fetch_gap(
    client: HomeserverClient, room_id: str, since: str, before: Any, heard_until: int | None
) -> TimelineGap:
    """Page back from `before` to `since`, or to `heard_until`. Only a missing `end` means that there is no more.

    A room that we have left has no events for us. Any other refusal is raised, and the whole response is tried again: the
    cursor does not pass unread messages, and the desk is told that it does not advance (`SyncWatchdog`).
    """
    events: list[Json] = []
    start = before
    for _ in range(MAX_PAGES):
        if not isinstance(start, str):
            break
        query = {"dir": "b", "from": start, "limit": str(PAGE_SIZE), **({"to": since} if since else {})}
        try:
            answer = await client.request("GET", "rooms", room_id, "messages", query=query)
        except TokenRefused:
            raise
        except Permanent as error:
            if error.errcode == "M_FORBIDDEN" and not await _is_joined(client, room_id):
                return TimelineGap()
            log.event("matrix.gap_refused", level=logging.ERROR, status=error.errcode or error.status)
            raise
        page = list(objects_in(answer.get("chunk")))
        new = page if heard_until is None else homeserver_rollback.newer(page, heard_until)
        events += new
        if (start := answer.get("end")) is None or len(new) < len(page):
            return TimelineGap(events=events[::-1])
    log.event("matrix.gap_truncated", level=logging.ERROR, count=len(events))
    return TimelineGap(events=events[::-1], is_truncated=True)


async def _is_joined(client: HomeserverClient, room_id: str) -> bool:
    return room_id in strings_in((await client.request("GET", "joined_rooms")).get("joined_rooms"))
