"""Timers: rows with a due time; a due row becomes an inbox row in one commit.

Rules of this module: a timer outlives the process; many that are due at once come a few at a time, so that no text waits
behind all of them; the time that passes is measured by a clock that does not jump, and when the machine's clock was set by
more than a minute the desk is told, and what destroys waits for a person.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bot.lifecycle.retention import DESTRUCTIVE
from bot.model.actions import DESK
from bot.model.events import TimerDue
from bot.model.line_incidents import ClockJumped
from bot.model.transactional_actions import DropTimer, SetTimer
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import clock_trust, inbox
from bridge.tables.clock_trust import JUMP

BATCH: Final = 20
LONGEST_SLEEP: Final = 5.0
WITHOUT_KEY: Final = 3600.0
"""Seconds by which a timer is put off whose owner has no key."""


class Timers:
    """Fires timers. `changed` after a commit that set one; `run` until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        wake_engine: Callable[[str], None],
        crash: Crash,
        rested: Callable[[], Awaitable[None]],
        machine: Callable[[], float] = time.time,
        readings: Callable[[], clock_trust.Reading] = clock_trust.machine,
    ) -> None:
        self._store, self._vault, self._clock, self._wake_engine, self._crash = store, vault, clock, wake_engine, crash
        self._machine, self._rested = machine, rested
        self._doubt = clock_trust.Doubt(store=store, read=readings)
        self._offset = machine() - clock.wall()
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Say that a timer was set."""
        self._changed.set()

    async def settle(self) -> None:
        """At the start: find out whether the clock was set while nobody ran."""
        if jump := await self._doubt.look():
            await self._jumped(jump)

    async def run(self) -> None:
        """Fire what is due, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._watch_clock()
                await self._doubt.note()
                wait = await self.tick()
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("timers.wait", error)
                wait = 1.0
            if wait > 0:
                try:
                    async with asyncio.timeout(min(wait, LONGEST_SLEEP)):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def waiting(self, key: str) -> bool:
        """Whether a timer of that key is set for anybody."""
        return await self._store.fetchval("SELECT 1 FROM timer WHERE key = $1 LIMIT 1", key) is not None

    async def tick(self) -> float:
        """Fire up to a batch; return the seconds until the next one is due."""
        now = self._clock.wall()
        rows = await self._rows()
        due = [row for row in rows if row["due"] <= now]
        if not due:
            return float(min(row["due"] for row in rows) - now) if rows else LONGEST_SLEEP
        letters = [(row, await inbox.seal_if(self._vault, row["owner"], TimerDue(key=row["key"]))) for row in due]
        self._crash(CrashPoint.TIMER_DUE)

        async def commit(conn: Connection) -> None:
            for row, letter in letters:
                if letter is None:
                    # Its thread has ended since the row was read, and the row with it; or the row stands without its key,
                    # as after somebody put an older keys.db back, and must not keep others from their turn.
                    await conn.execute(
                        "UPDATE timer SET due = $4 WHERE owner = $1 AND key = $2 AND due = $3",
                        row["owner"],
                        row["key"],
                        row["due"],
                        now + WITHOUT_KEY,
                    )
                    continue
                # Only the timer that was read: it may have been set anew meanwhile.
                gone = await conn.fetchval(
                    "DELETE FROM timer WHERE owner = $1 AND key = $2 AND due = $3 RETURNING owner",
                    row["owner"],
                    row["key"],
                    row["due"],
                )
                if gone is not None:
                    await inbox.put(conn, letter)

        await self._store.commit(commit)
        self._crash(CrashPoint.TIMER_FIRED)
        for row in due:
            self._wake_engine(row["owner"])
        await self._rested()
        return 0.0

    async def _rows(self) -> list[Any]:
        """Read what is due first: of what destroys nothing while the clock is doubted."""
        kinds = (False,) if await clock_trust.doubted(self._store) else (False, True)
        query = "SELECT owner, key, due FROM timer WHERE destroys = $1 ORDER BY due LIMIT $2"
        return [row for destroys in kinds for row in await self._store.fetch(query, destroys, BATCH)]

    async def _watch_clock(self) -> None:
        jump = self._machine() - self._clock.wall() - self._offset
        if abs(jump) < JUMP:
            return
        await self._jumped(int(jump))
        self._offset += jump

    async def _jumped(self, seconds: int) -> None:
        letter = await inbox.seal(self._vault, DESK, ClockJumped(seconds=seconds))

        async def commit(conn: Connection) -> None:
            await clock_trust.doubt(conn)
            await inbox.put(conn, letter)

        await self._store.commit(commit)
        log.event("timers.clock_jumped", seconds=seconds)
        self._wake_engine(DESK)


async def put(conn: Connection, owner: str, timer: SetTimer | DropTimer) -> None:
    """Set a timer, or forget one, inside the commit of the decision that asked for it."""
    match timer:
        case SetTimer():
            await conn.execute(
                """INSERT INTO timer (owner, key, due, destroys) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (owner, key) DO UPDATE SET due = excluded.due""",
                owner,
                timer.key,
                timer.due,
                timer.key in DESTRUCTIVE,
            )
        case DropTimer():
            await conn.execute("DELETE FROM timer WHERE owner = $1 AND key = $2", owner, timer.key)
