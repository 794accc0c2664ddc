"""Whatever has come to the end of its time goes: events and what could read them, remembered ids, receipts.

Rules of this module: an event is redacted, looked for, and taken off the deletion index when it was found gone; one that
can still be read stays on it, is tried again and told to the desk; a room that the homeserver fails for waits, and no other
with it; what is redacted is overwritten at once; sweeping yields to every conversation; while the machine's clock is
doubted nothing goes here; nothing of a thread that somebody holds goes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, Protocol

from bot.model.actions import DESK
from bridge.erasure.corruption import Damage
from bridge.erasure.room_backoff import Stuck
from bridge.matrix.api.module_api import Away, Refused
from bridge.matrix.room_client import HomeserverError, Permanent, TokenRefused, Transient
from bridge.matrix.room_keys.ratchet_pruning import prune
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import clock_trust, room_events

BATCH: Final = 96
EVERY: Final = 5.0
HOURLY: Final = 3600.0
UNTIL: Final = ("seen", "sent_text", "early_report", "early_tap", "receipt", "suppression")
"""Tables whose rows say until when they stand."""
DEAD: Final = 7 * 86_400
"""Seconds that a dead letter of the desk is kept, which may hold what was typed in an office. A thread's go with it."""
AGAIN: Final = 3600
"""Seconds after which an event that could not be redacted is tried again."""


class Rooms(Protocol):
    """What sweeping needs of rooms (`erasure_room.RoomSteps`)."""

    async def let_go(self, room_id: str, rows: list[Any], *, again: int) -> list[Any]:
        """Redact events, look for them, and return those that are gone."""

    async def overwrite(self, room_id: str) -> int:
        """Have what is redacted overwritten."""


class Sweep:
    """Lets what is old go. `run` until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        rooms: Rooms,
        alarm: Callable[[str, float], Awaitable[None]],
        crash: Crash,
    ) -> None:
        self._store, self._vault, self._clock, self._rooms = store, vault, clock, rooms
        self._alarm, self._crash = alarm, crash
        self._pruned = 0.0
        self._stuck = Stuck()
        self._damage = Damage(clock=clock, alarm=alarm)

    async def run(self) -> None:
        """Sweep until cancelled. Raises :class:`TokenRefused`."""
        while True:
            more, wait = False, EVERY
            try:
                more = await self.once()
            except TokenRefused:
                raise
            except HomeserverError as error:
                log.event("sweep.again", status=error.status)
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("sweep.waits", error)
            except sqlite3.DatabaseError as error:
                wait = await self._damage.met("sweep.damaged", error)
            await asyncio.sleep(0 if more else wait)

    async def once(self) -> bool:
        """Let a batch of events go, and from time to time the rest; return whether more is due."""
        if await clock_trust.doubted(self._store):
            return False
        now = self._clock.wall()
        if now - self._pruned >= HOURLY or now < self._pruned:
            await self._prune(int(now))
            await prune(self._store, self._vault)
            self._pruned = now
        rows = await room_events.expired(self._store, now, BATCH, without=self._stuck.waiting(now))
        rooms: defaultdict[str, list[Any]] = defaultdict(list)
        for row in rows:
            rooms[row["room_id"]].append(row)
        done = await asyncio.gather(
            *(self._room(room_id, events, int(now)) for room_id, events in rooms.items()), return_exceptions=True
        )
        failed = [error for error in done if isinstance(error, BaseException)]
        if failed:
            raise next((error for error in failed if isinstance(error, TokenRefused)), failed[0])
        return bool(rows) and all(done)

    async def _room(self, room_id: str, events: list[Any], now: int) -> bool:
        """Let events of one room go; return whether the homeserver answered. What fails here is no other room's."""
        stays: list[str] = []
        answered = True
        try:
            await self._let_go(room_id, events, now, stays)
        except Transient as error:
            log.event("sweep.again", status=error.status)
            answered = False
            if (since := self._stuck.failed(room_id, now, error.after)) is not None:
                await self._alarm("a message whose time has come (the homeserver does not answer)", since)
        else:
            self._stuck.answered(room_id)
        if stays and (since := self._stuck.refused(room_id, now)) is not None:
            await self._alarm(f"a message whose time has come ({stays[0]})", since)
        return answered

    async def _let_go(self, room_id: str, events: list[Any], now: int, stays: list[str]) -> None:
        """Do it for all of them at once, or one by one. `stays`: gets why something did. Raises :class:`Transient`."""
        said = [row for row in events if not row["state"]]
        try:
            found = await self._rooms.let_go(room_id, said, again=now // AGAIN)
        except TokenRefused:
            raise
        except HomeserverError as error:
            refused = isinstance(error, Permanent)
            broken = error.status == HTTPStatus.INTERNAL_SERVER_ERROR
            # It may be one of them only. Which one is found out one by one, and the others do not wait for it.
            if len(events) > 1 and (refused or broken):
                for row in events:
                    await self._let_go(room_id, [row], now, stays)
                return
            if refused or broken:
                await self._later(events, now)
            if not refused:
                raise
            log.event("sweep.refused", status=error.status)
            stays.append("the homeserver refuses to redact it")
            return
        self._crash(CrashPoint.EVENT_EXPIRED)
        gone = {row["n"] for row in (*found, *(row for row in events if row["state"]))}
        names = [row["event_id"] for row in events if row["n"] in gone]
        await self._store.commit(lambda conn: room_events.forget(conn, names))
        # Not those that somebody holds by now: they wait as they are.
        left = [row for row in said if row["n"] not in gone and await room_events.free(self._store, row["n"])]
        if left:
            await self._later(left, now)
            stays.append("it was redacted and can still be read")
        if found:
            await self._overwrite(room_id)

    async def _later(self, events: list[Any], now: int) -> None:
        async def commit(conn: Connection) -> None:
            for row in events:
                query = "UPDATE event SET refused = COALESCE(refused, expires), expires = $2 WHERE n = $1"
                await conn.execute(query, row["n"], now + AGAIN)

        await self._store.commit(commit)

    async def _overwrite(self, room_id: str) -> None:
        try:
            await self._rooms.overwrite(room_id)
        except (Away, Refused) as error:
            # It is redacted, and nobody can fetch it; the homeserver's own loop overwrites it some minutes later.
            log.event("sweep.not_overwritten", status=error.status)

    async def _prune(self, now: int) -> None:
        async def commit(conn: Connection) -> None:
            for table in UNTIL:
                await conn.execute(f"DELETE FROM {table} WHERE until < $1", now)  # noqa: S608 - names from above
            await conn.execute("DELETE FROM dead_letter WHERE owner = $1 AND at < $2", DESK, now - DEAD)

        await self._store.commit(commit)
