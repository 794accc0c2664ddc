"""Whatever has come to the end of its time goes: events and what could read them, remembered ids, receipts.

Rules of this module: an event is redacted first and taken off the deletion index after it; sweeping yields to every
conversation; while the machine's clock is doubted nothing goes here; nothing of a thread that somebody holds goes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bridge import log, sweep_clock, sweep_index
from bridge.clock import Clock
from bridge.crash import Crash, CrashPoint
from bridge.matrix.edge import HomeserverError, Permanent, TokenRefused
from bridge.store import Connection, Store
from bridge.sweep_keys import prune
from bridge.vault import Vault

BATCH: Final = 48
EVERY: Final = 5.0
HOURLY: Final = 3600.0
UNTIL: Final = ("seen", "sent_text", "early_report", "early_tap", "receipt")
"""Tables whose rows say until when they stand."""
AGAIN: Final = 3600
"""Seconds after which an event that could not be redacted is tried again."""


class Sweep:
    """Lets what is old go. `run` until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        redact: Callable[[str, list[Any]], Awaitable[None]],
        alarm: Callable[[str, float], Awaitable[None]],
        crash: Crash,
    ) -> None:
        self._store, self._vault, self._clock, self._redact = store, vault, clock, redact
        self._alarm, self._crash = alarm, crash
        self._pruned = 0.0

    async def run(self) -> None:
        """Sweep until cancelled. Raises :class:`TokenRefused`."""
        while True:
            more = False
            try:
                more = await self.once()
            except TokenRefused:
                raise
            except HomeserverError as error:
                log.event("sweep.again", status=error.status)
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("sweep.waits", error)
            await asyncio.sleep(0 if more else EVERY)

    async def once(self) -> bool:
        """Let a batch of events go, and from time to time the rest; return whether more is due."""
        if await sweep_clock.doubted(self._store):
            return False
        now = self._clock.wall()
        if now - self._pruned >= HOURLY or now < self._pruned:
            await self._prune(int(now))
            await prune(self._store, self._vault)
            self._pruned = now
        rows = await sweep_index.expired(self._store, now, BATCH)
        rooms: defaultdict[str, list[Any]] = defaultdict(list)
        for row in rows:
            rooms[row["room_id"]].append(row)
        for room_id, events in rooms.items():
            await self._room(room_id, events, int(now))
        return len(rows) == BATCH

    async def _room(self, room_id: str, events: list[Any], now: int) -> None:
        gone = [row["event_id"] for row in events]
        try:
            await self._redact(room_id, [row for row in events if not row["state"]])
        except TokenRefused:
            raise
        except Permanent as error:
            # One of them is refused for good. Which one is found out one by one, and the others do not wait for it.
            if len(events) > 1:
                for row in events:
                    await self._room(room_id, [row], now)
                return
            log.event("sweep.refused", status=error.status)
            query = "UPDATE event SET expires = $2 WHERE event_id = $1"
            await self._store.commit(lambda conn: conn.execute(query, gone[0], now + AGAIN))
            await self._alarm("a message whose time has come (the homeserver refuses to redact it)", now)
            return
        self._crash(CrashPoint.EVENT_EXPIRED)
        await self._store.commit(lambda conn: sweep_index.forget(conn, gone))

    async def _prune(self, now: int) -> None:
        async def commit(conn: Connection) -> None:
            for table in UNTIL:
                await conn.execute(f"DELETE FROM {table} WHERE until < $1", now)  # noqa: S608 - names from above

        await self._store.commit(commit)
