"""A number in two offices, for a minute.

Rules of this module: a number is opened here, goes into encrypted messages of two offices and nowhere else, and is taken
back a minute after it was granted; whatever still stands when the program starts is taken back first. A grant that could
not be performed within its minute shows nothing any more, and what an earlier try may have shown is looked for and taken
back. It has a session of its own in each office, begun before it and destroyed with it, so that whoever kept the ciphertext
finds no key here. While the machine's clock is doubted it goes all the same: here nothing is lost by going early.
"""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import Any, Final

from bot.model.actions import DESK, OFFICE, Reveal, Speaker
from bridge.matrix.room_client import Edge, HomeserverError, Permanent, TokenRefused
from bridge.matrix.room_keys.ratchet_pruning import retire_since
from bridge.matrix.rooms.room_state import rotate
from bridge.outbound.dispatcher import Impossible, Task, TryAgain
from bridge.outbound.sms_sender import PHONE
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import room_events

SECONDS: Final = 60.0
EVERY: Final = 1.0
GONE: Final = frozenset({"M_NOT_FOUND", "QUIETLINE_NOT_OUR_ROOM"})
"""Errors that say that the message, or its office, is not there any more."""


class Reveals:
    """Shows and takes back. `run` until cancelled."""

    def __init__(self, *, store: Store, vault: Vault, clock: Clock, edge: Edge, lifetime: int, crash: Crash) -> None:
        self._store, self._vault, self._clock, self._edge = store, vault, clock, edge
        self._lifetime, self._crash = lifetime, crash

    async def show(self, task: Task, reveal: Reveal) -> None:
        """Perform one grant. Raises :class:`TryAgain` while there is no office, and what the edge raises."""
        rooms = [await self._office(user) for user in dict.fromkeys(reveal.users)]
        if self._clock.wall() - task.created < SECONDS:
            body = await self._words(task.owner, reveal)
            for room in rooms:
                await self._store.commit(partial(rotate, room_id=room))
            found = [(room, await self._send(room, body, f"{task.txn}.{n}")) for n, room in enumerate(rooms)]
        else:
            looked = [
                (room, await self._edge.find(room, Speaker.POLICY, f"{task.txn}.{n}")) for n, room in enumerate(rooms)
            ]
            found = [(room, event_id) for room, event_id in looked if event_id is not None]
            log.event("reveal.too_late", count=len(found))
        self._crash(CrashPoint.REVEAL_SENT)
        now, until = self._clock.wall(), task.created + SECONDS

        async def commit(conn: Connection) -> None:
            for room, event_id in found:
                await conn.execute(
                    """INSERT INTO revealed (event_id, room_id, granted, until) VALUES ($1, $2, $3, $4)
                       ON CONFLICT DO NOTHING""",
                    event_id,
                    room,
                    task.created,
                    until,
                )
                await room_events.note(
                    conn,
                    event_id=event_id,
                    room_id=room,
                    owner=DESK,
                    place=OFFICE,
                    at=int(now * 1000),
                    now=now,
                    lifetime=self._lifetime,
                )
            await conn.execute("DELETE FROM outbox WHERE id = $1", task.number)

        await self._store.commit(commit)

    async def run(self) -> None:
        """Take back what an earlier run left, then whatever has stood for its minute, until cancelled."""
        every = True
        while True:
            try:
                await self.once(every=every)
                every = False
            except TokenRefused:
                raise
            except HomeserverError as error:
                log.event("reveal.again", status=error.status)
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("reveal.waits", error)
            await asyncio.sleep(EVERY)

    async def once(self, *, every: bool = False) -> None:
        """Take back what is due; `every`: whatever stands."""
        for row in await self._store.fetch("SELECT event_id, room_id, granted, until FROM revealed"):
            if every or row["until"] <= self._clock.wall():
                await self._take_back(row)

    async def _take_back(self, row: Any) -> None:
        event_id = row["event_id"]
        try:
            await self._edge.redact(row["room_id"], event_id, f"reveal{event_id}")
        except TokenRefused:
            raise
        except Permanent as error:
            if error.errcode not in GONE:
                log.event("reveal.refused", status=error.status)
                later = self._clock.wall() + SECONDS
                query = "UPDATE revealed SET until = $2 WHERE event_id = $1"
                await self._store.commit(lambda conn: conn.execute(query, event_id, later))
                return
        self._crash(CrashPoint.REVEAL_TAKEN_BACK)

        async def commit(conn: Connection) -> None:
            await retire_since(conn, row["room_id"], row["granted"])
            await conn.execute("DELETE FROM revealed WHERE event_id = $1", event_id)
            await room_events.forget(conn, [event_id])

        await self._store.commit(commit)

    async def _office(self, user: str) -> str:
        room_id: str | None = await self._store.fetchval(
            "SELECT room_id FROM matrix_room WHERE kind = 'office' AND owner = $1", user
        )
        if room_id is None:
            raise TryAgain(None)
        return room_id

    async def _words(self, thread: str, reveal: Reveal) -> str:
        sealed = await self._store.fetchval("SELECT phone FROM thread WHERE id = $1", thread)
        if sealed is None:
            raise Impossible("there is no number")
        number = (await self._vault.open(thread, PHONE, sealed)).decode()
        return f"{reveal.designation}: {number}\nThis is taken back in a minute. It was noted that you saw it."

    async def _send(self, room: str, body: str, txn: str) -> str:
        content = {"msgtype": "m.notice", "body": body, "m.mentions": {}}
        return await self._edge.send(room, Speaker.POLICY, txn, "m.room.message", content)
