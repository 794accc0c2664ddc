"""What the policy bot owes after a sync response: fresh device lists, late keys, and an end to waiting.

Rule of this module: a dirty mark is removed only when the user's devices were asked for, judged, and given every key; so a
crash anywhere in between means that it is all done again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from bridge.matrix.api.events import Item
from bridge.matrix.api.http_client import HomeserverError, Permanent, TokenRefused, Transient, note_failure
from bridge.matrix.api.json_fields import Json
from bridge.matrix.room_keys.device_lists import Devices, Sink
from bridge.matrix.room_keys.inbound_sessions import Reading
from bridge.matrix.room_keys.key_sharing import Delivery
from bridge.matrix.sync.session_recovery import Anew
from bridge.matrix.sync.sync_loop import Sync
from bridge.runtime.clock import Clock
from bridge.storage.database import Connection, Store

AT_ONCE: Final = 50
REFUSED_SECONDS: Final = 600.0
LONGEST_SLEEP: Final = 5.0
SHORTEST_SLEEP: Final = 0.25


class Watch:
    """Works off dirty users and events that waited too long. `run` until cancelled; `wake` after marking somebody."""

    def __init__(
        self,
        *,
        store: Store,
        devices: Devices,
        delivery: Delivery,
        reading: Reading,
        sync: Sync,
        anew: Anew,
        sink: Sink,
        committed: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._devices = devices
        self._delivery = delivery
        self._reading = reading
        self._sync = sync
        self._anew = anew
        self._sink = sink
        self._committed = committed
        self._clock = clock
        self._something = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._something.set()

    async def run(self) -> None:
        """Mark everybody once, because lists may have changed meanwhile, then work until cancelled."""
        await self._store.commit(self._devices.mark_everybody)
        while True:
            self._something.clear()
            wait = LONGEST_SLEEP
            try:
                await self.turn()
                wait = await self._until_next()
                self._failures = 0
            except TokenRefused:
                raise
            except (HomeserverError, sqlite3.OperationalError, OSError) as error:
                self._failures += 1
                note_failure("matrix.watch_waits", error, attempt=self._failures)
                after = error.after if isinstance(error, Transient) else 0.0
                await asyncio.sleep(max(min(0.1 * 2.0 ** min(self._failures, 8), 5.0), after))
                continue
            try:
                async with asyncio.timeout(wait):
                    await self._something.wait()
            except TimeoutError:
                pass

    async def turn(self) -> None:
        """Do everything that is due now."""
        await self._anew.owe()
        rows = await self._store.fetch(
            "SELECT user_id, mark FROM matrix_dirty WHERE due_ms <= $1 ORDER BY due_ms LIMIT $2", self._now(), AT_ONCE
        )
        if rows:
            await self._refresh([(row["user_id"], row["mark"]) for row in rows])
        # only while the homeserver answers: otherwise the key may still be on its way
        if self._sync.caught_up.is_set():
            await self._give_up()

    async def _refresh(self, marks: Sequence[tuple[str, int]]) -> None:
        users = [user_id for user_id, _ in marks]
        try:
            answer = await self._devices.query(users)
            await self._store.commit(lambda conn: self._absorb(conn, marks, answer))
            self._committed()
            await self._delivery.deliver_everywhere(users)
        except TokenRefused:
            raise
        except Permanent:
            if len(marks) == 1:
                await self._store.commit(lambda conn: self._devices.postpone(conn, users, seconds=REFUSED_SECONDS))
                raise
            for mark in marks:  # what is refused about one of them is not to be the others' trouble
                await self._refresh([mark])
        else:
            await self._store.commit(lambda conn: self._devices.clean(conn, marks))

    async def _absorb(self, conn: Connection, marks: Sequence[tuple[str, int]], answer: Json) -> None:
        users = [user_id for user_id, _ in marks]
        items: list[Item] = [*await self._devices.absorb(conn, users, answer)]
        await self._devices.asked(conn, marks)
        fresh = [user_id for user_id in users if not await self._devices.is_stale(conn, user_id)]
        items += await self._reading.with_devices(conn, fresh)
        if items:
            await self._sink(conn, items)

    async def _give_up(self) -> None:
        if await self._reading.waits_too_long(self._store):
            await self._store.commit(self._unreadable)
            self._committed()

    async def _unreadable(self, conn: Connection) -> None:
        if items := await self._reading.give_up(conn):
            await self._sink(conn, items)

    async def _until_next(self) -> float:
        due = await self._store.fetchval("""
            SELECT MIN(due) FROM (
                SELECT MIN(due_ms) AS due FROM matrix_dirty
                UNION ALL SELECT MIN(deadline_ms) AS due FROM matrix_waiting WHERE needs='key'
            ) AS next
        """)
        if due is None:
            return LONGEST_SLEEP
        return min(max((int(due) - self._now()) / 1000, SHORTEST_SLEEP), LONGEST_SLEEP)

    def _now(self) -> int:
        return int(self._clock.wall() * 1000)
