"""Deletes expired data: events and the keys that read them, remembered ids, certificates.

Rules of this module: an event is redacted, looked for, and taken off the deletion index when it was found gone. An event
that can still be read stays on the index, is tried again and reported at the desk. When the homeserver fails for one room,
only that room waits. Redacted events are overwritten at once. Expiry yields to every conversation. While the machine's
clock is distrusted nothing expires; nothing of a thread on legal hold expires.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

from bridge.background.loop import BackgroundLoop, run_each
from bridge.erasure.job_runner import AlertCallback
from bridge.matrix.api.http_client import HomeserverError, Permanent, TokenRefused, Transient
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleRequestRejected
from bridge.matrix.olm import olm_store
from bridge.matrix.room_keys import inbound_table, outbound_table, sealing
from bridge.matrix.room_keys.sealing import prune_ratchets
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Reader, Transaction
from bridge.storage.vault import Passing
from bridge.tables import clock_trust, dead_letters, early_reactions, erasure_jobs, inbox, room_events, sent_texts
from bridge.tables.room_events import IndexedEvent
from bridge.tables.suppression import Suppression

ROUNDS: Final = 2
"""The first round retires the key of the newest words, the second destroys it."""


BATCH: Final = 96
INTERVAL: Final = 5.0
PRUNE_INTERVAL: Final = 3600.0
RESEAL_INTERVAL: Final = 86_400.0
"""Seconds between two times at which sessions that are not in use are sealed again, too."""
RETRY_SECONDS: Final = 3600
"""Seconds after which an event that could not be redacted is tried again."""
FIRST_WAIT: Final = 5.0
MAX_WAIT: Final = 3600.0
"""Longest wait, in seconds, of a room for which the homeserver failed: the wait doubles each time, up to an hour."""
ALERT_AT_FAILURES: Final = (10, 100, 1000)
"""Consecutive failures after which the desk is told of a room: the first after an hour and a half."""
ALERT_AT_REFUSALS: Final = (1, 10, 100, 1000)
"""Rounds in which an event of a room was not erased, after which the desk is told."""
FORGET_AFTER: Final = 86_400.0
"""Seconds without a failure after which a room's count is deleted."""


async def destroy_passing_keys(services: Services) -> None:
    """Destroy each passing key under which nothing is sealed. Raises `DatabaseError`, `OSError`; may be repeated.

    PostgreSQL keeps deleted rows, so the key goes instead. Rows are sealed within a commit only, so a commit that retires
    a key sees every row that can ever be under those retired before it. The texter puppet's database is asked afterwards:
    a commit that began there before has ended by then.
    """
    vault = services.vault
    for _ in range(ROUNDS):
        retired = await vault.retired_passing_owners()

        async def commit(transaction: Transaction) -> set[str]:
            vault.retire_passing(Passing.WORDS)
            return await _owners(transaction)

        needed = await services.database.commit(commit)
        if services.puppet_database is not None:
            needed |= await services.puppet_database.commit(olm_store.passing_owners)
        for owner in retired - needed:
            await vault.destroy(owner)


async def seal_again(services: Services, *, now: float, everything: bool) -> None:
    """Seal current states under other keys, so that the keys of earlier states can be destroyed the next time.

    `everything`: also sessions that are not in use. If no key can be made, nothing changes. The old keys are not destroyed
    at once, because a replica that takes over may lack the last commits, and would then have only the earlier states.
    """
    database, vault = services.database, services.vault
    await vault.renew_passing(Passing.SESSIONS)
    if everything:
        await vault.renew_passing(Passing.SETTLED)
    await sealing.reseal_sessions(database, vault, now_ms=int(now * 1000))
    for each in (database, services.puppet_database):
        if each is not None:
            await olm_store.reseal(each, vault)


async def _owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys under which data in the main database are sealed."""
    owners: set[str] = set()
    for table in (inbox, dead_letters, inbound_table, outbound_table, olm_store):
        owners |= await table.passing_owners(reader)
    return owners


class RoomEraser(Protocol):
    """The operations on rooms that the expiry of messages needs (`room_steps.RoomSteps`)."""

    async def redact_and_verify(self, room_id: str, events: Sequence[IndexedEvent], *, again: int) -> list[IndexedEvent]:
        """Redact events, check each, and return those that are gone."""

    async def overwrite_redacted(self, room_id: str) -> int:
        """Overwrite redacted events."""


class ExpiryWorker:
    """Deletes what has expired. `run` until cancelled."""

    def __init__(self, services: Services, *, rooms: RoomEraser, suppression: Suppression, alert: AlertCallback) -> None:
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._rooms, self._alert, self._crash = rooms, alert, services.crash
        self._suppression = suppression
        self._services, self._last_pruning, self._last_key_destruction, self._last_resealing = services, 0.0, 0.0, 0.0
        self._backoff = RoomBackoff()
        self.loop = BackgroundLoop(
            "expiry",
            self.run_once,
            max_sleep=INTERVAL,
            retry=(INTERVAL, INTERVAL),
        )

    async def run_once(self) -> float:
        """Expire a batch of events, and from time to time the rest; return the seconds until more is due."""
        now = self._clock.now()
        if await clock_trust.is_distrusted(self._database):
            # These keys are not destroyed by age, so it is done while the clock is distrusted, too.
            if not 0 <= now - self._last_key_destruction < PRUNE_INTERVAL:
                await destroy_passing_keys(self._services)
                await self._seal_again(now)
                self._last_key_destruction = now
            return INTERVAL
        wait = INTERVAL

        async def expire() -> None:
            nonlocal wait
            wait = await self._expire_due(now)

        # Where one fails, other data are deleted all the same.
        await run_each(expire, partial(self._clean, now))
        return wait

    async def _expire_due(self, now: float) -> float:
        """Expire a batch of events; return the seconds until more is due."""
        due = await room_events.due_events(self._database, now, BATCH, without=self._backoff.rooms_in_backoff(now))
        rooms: defaultdict[str, list[IndexedEvent]] = defaultdict(list)
        for event in due:
            rooms[event.room_id].append(event)
        done = await asyncio.gather(
            *(self._expire_in_room(room_id, events, int(now)) for room_id, events in rooms.items()), return_exceptions=True
        )
        failed = [error for error in done if isinstance(error, BaseException)]
        if failed:
            raise next((error for error in failed if isinstance(error, TokenRefused)), failed[0])
        return 0.0 if due and all(done) else INTERVAL

    async def _clean(self, now: float) -> None:
        """Once an hour delete the rest: rows, and keys of erased messages. A part that fails stops none of the others."""
        if 0 <= now - self._last_pruning < PRUNE_INTERVAL:
            return
        keys_destroyed = False

        async def destroy_keys() -> None:
            nonlocal keys_destroyed
            await destroy_passing_keys(self._services)
            keys_destroyed = True

        async def prune() -> None:
            await prune_ratchets(self._database, self._vault)

        async def seal() -> None:
            # Each sealing makes a key: while none can be destroyed, every further try would only add one.
            if keys_destroyed:
                await self._seal_again(now)

        await run_each(partial(self._delete_expired_rows, int(now)), destroy_keys, prune, seal)
        self._last_pruning = self._last_key_destruction = now

    async def _seal_again(self, now: float) -> None:
        everything = now - self._last_resealing >= RESEAL_INTERVAL or now < self._last_resealing
        await seal_again(self._services, now=now, everything=everything)
        if everything:
            self._last_resealing = now

    async def _expire_in_room(self, room_id: str, events: list[IndexedEvent], now: int) -> bool:
        """Expire events of one room; return whether the homeserver answered. A failure here affects no other room."""
        remaining: list[str] = []
        has_answered = True
        try:
            await self._expire_events(room_id, events, now, remaining)
        except Transient as error:
            log.event("expiry.homeserver_retry", status=error.status)
            has_answered = False
            if (since := self._backoff.record_failure(room_id, now, error.retry_after)) is not None:
                await self._alert("message homeserver_silent", since)
        else:
            self._backoff.record_answer(room_id)
        if remaining and (since := self._backoff.record_refusal(room_id, now)) is not None:
            await self._alert(f"message {remaining[0]}", since)
        return has_answered

    async def _expire_events(self, room_id: str, events: list[IndexedEvent], now: int, remaining: list[str]) -> None:
        """Expire events together, or one by one. `remaining`: gets the reason why one stays. Raises :class:`Transient`."""
        messages = [event for event in events if not event.is_state]
        try:
            redacted_events = await self._rooms.redact_and_verify(room_id, messages, again=now // RETRY_SECONDS)
        except TokenRefused:
            raise
        except HomeserverError as error:
            refused = isinstance(error, Permanent)
            broken = error.status == HTTPStatus.INTERNAL_SERVER_ERROR
            # One event may be the cause: they are tried one by one, so that the others do not wait for it.
            if len(events) > 1 and (refused or broken):
                for event in events:
                    await self._expire_events(room_id, [event], now, remaining)
                return
            if refused or broken:
                await self._postpone(events, now)
            if not refused:
                raise
            log.event("expiry.redaction_rejected", status=error.status)
            remaining.append("not_redacted")
            return
        self._crash(CrashPoint.EVENT_EXPIRED)
        expired_numbers = {event.n for event in (*redacted_events, *(event for event in events if event.is_state))}
        names = [event.event_id for event in events if event.n in expired_numbers]
        await self._database.commit(lambda transaction: room_events.delete(transaction, names))
        # Without events that are on legal hold by now: they just wait.
        readable_events = [
            event
            for event in messages
            if event.n not in expired_numbers and await room_events.may_expire(self._database, event.n)
        ]
        if readable_events:
            await self._postpone(readable_events, now)
            remaining.append("still_readable")
        if redacted_events:
            await self._overwrite_redacted(room_id)

    async def _postpone(self, events: list[IndexedEvent], now: int) -> None:
        numbers = [event.n for event in events]
        await self._database.commit(lambda transaction: room_events.postpone(transaction, numbers, now + RETRY_SECONDS))

    async def _overwrite_redacted(self, room_id: str) -> None:
        try:
            await self._rooms.overwrite_redacted(room_id)
        except (HomeserverUnreachable, ModuleRequestRejected) as error:
            # The events are redacted, and nobody can fetch them; the homeserver's own loop overwrites them minutes later.
            log.event("expiry.not_overwritten", status=error.status)

    async def _delete_expired_rows(self, now: int) -> None:
        async def commit(transaction: Transaction) -> None:
            await inbox.delete_expired(transaction, now=now)
            await sent_texts.delete_expired(transaction, now=now)
            await sent_texts.delete_expired_reports(transaction, now=now)
            await early_reactions.delete_expired(transaction, now=now)
            await erasure_jobs.delete_expired_certificates(transaction, now=now)
            await self._suppression.delete_expired(transaction, now=now)
            await dead_letters.expire(transaction, before=now - dead_letters.RETENTION)

        await self._database.commit(commit)


@dataclass(slots=True)
class _RoomFailures:
    since: float
    last: float
    until: float = 0.0
    failures: int = 0
    refusals: int = 0


class RoomBackoff:
    """Counts failures by room: when a room is tried again, and when the desk is alerted. Times: seconds of the clock.

    A failing room waits longer each time. The desk is alerted at growing counts, however many of the room's messages stay.
    It is in memory only: a new start tries everything anyway.
    """

    def __init__(self) -> None:
        self._rooms: dict[str, _RoomFailures] = {}

    def rooms_in_backoff(self, now: float) -> list[str]:
        """Return the rooms that must not be tried yet, and delete the counts of rooms that work again."""
        self._rooms = {room_id: each for room_id, each in self._rooms.items() if now - each.last < FORGET_AFTER}
        return [room_id for room_id, each in self._rooms.items() if each.until > now]

    def record_failure(self, room_id: str, now: float, after: float) -> float | None:
        """Postpone a room, for `after` seconds or more; return since when it fails, if the desk must be told."""
        failures = self._failures_of(room_id, now)
        failures.failures += 1
        failures.until = now + min(max(after, FIRST_WAIT * 2.0 ** min(failures.failures - 1, 16)), MAX_WAIT)
        return failures.since if failures.failures in ALERT_AT_FAILURES else None

    def record_refusal(self, room_id: str, now: float) -> float | None:
        """Note that an event of a room stays; return since when, if the desk must be told."""
        failures = self._failures_of(room_id, now)
        failures.refusals += 1
        return failures.since if failures.refusals in ALERT_AT_REFUSALS else None

    def record_answer(self, room_id: str) -> None:
        """Note that the homeserver does not fail for a room any more. Refused events may be tried again in an hour."""
        failures = self._rooms.get(room_id)
        if failures is None:
            return
        failures.failures = 0
        if not failures.refusals:
            del self._rooms[room_id]

    def _failures_of(self, room_id: str, now: float) -> _RoomFailures:
        failures = self._rooms.setdefault(room_id, _RoomFailures(since=now, last=now))
        failures.last = now
        return failures
