"""Timers: rows with a due time; a due row becomes an inbox row in one commit.

Rules of this module: a timer outlives the process; the time that passes is measured by a clock that does not jump, and
when the machine's clock was set by more than a minute the desk is told.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Final

from bot.actions import DESK
from bot.events import ClockJumped, TimerDue
from bridge import inbox, log
from bridge.clock import Clock
from bridge.crash import Crash, CrashPoint
from bridge.store import Connection, Store
from bridge.vault import Vault

BATCH: Final = 100
LONGEST_SLEEP: Final = 5.0
JUMP: Final = 60.0


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
        machine: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._vault, self._clock, self._wake_engine, self._crash = store, vault, clock, wake_engine, crash
        self._machine = machine
        self._offset = machine() - clock.wall()
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Say that a timer was set."""
        self._changed.set()

    async def run(self) -> None:
        """Fire what is due, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._watch_clock()
                wait = await self._fire()
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("timers.wait", error)
                wait = 1.0
            if wait > 0:
                try:
                    async with asyncio.timeout(min(wait, LONGEST_SLEEP)):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def _fire(self) -> float:
        """Fire up to a batch; return the seconds until the next one is due."""
        now = self._clock.wall()
        rows = await self._store.fetch("SELECT owner, key, due FROM timer ORDER BY due LIMIT $1", BATCH)
        due = [row for row in rows if row["due"] <= now]
        if not due:
            return float(rows[0]["due"] - now) if rows else LONGEST_SLEEP
        letters = [(row, await inbox.seal(self._vault, row["owner"], TimerDue(key=row["key"]))) for row in due]
        self._crash(CrashPoint.TIMER_DUE)

        async def commit(conn: Connection) -> None:
            for row, letter in letters:
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
        return 0.0

    async def _watch_clock(self) -> None:
        jump = self._machine() - self._clock.wall() - self._offset
        if abs(jump) < JUMP:
            return
        letter = await inbox.seal(self._vault, DESK, ClockJumped(seconds=int(jump)))
        await self._store.commit(lambda conn: inbox.put(conn, letter))
        self._offset += jump
        log.event("timers.clock_jumped", seconds=int(jump))
        self._wake_engine(DESK)
