"""What is done when nobody needs the line: the databases are rewritten, the audit forgets what is old.

Rules of this module: a vacuum holds the homeserver for a second or more, and us for less, so both are done in quiet hours
only, once a night, and wait for words that are on their way; when it was last done is kept, so that `doctor` can say so.
While the machine's clock is doubted nothing is forgotten here, and there is no vacuum either, for nobody knows whether it
is night.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from bridge.erasure.corruption import Damage
from bridge.matrix.api.module_api import Away, House, Refused
from bridge.matrix.room_client import TokenRefused
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables import clock_trust
from bridge.tables.audit_log import Ledger

VACUUMED: Final = "vacuumed"
"""The row of `line` that says when the homeserver's database was last rewritten."""
REWRITTEN: Final = "rewritten"
"""The row of `line` that says when ours were."""
NIGHT: Final = 20 * 3600.0
EVERY: Final = 60.0
HOURLY: Final = 3600.0
GIVES_WAY: Final = 300.0


class Night:
    """`run` until cancelled. `hours`: from and to, in the time zone of the line's packs; from 22 to 5 passes midnight."""

    def __init__(
        self,
        *,
        store: Store,
        voice_store: Store,
        vault: Vault,
        clock: Clock,
        house: House,
        hours: tuple[int, int],
        zone: str,
        retention: int,
        quiet: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store, self._voice_store = store, voice_store
        self._clock, self._house, self._quiet = clock, house, quiet
        self._ledger = Ledger(vault=vault)
        self._hours, self._zone, self._retention = hours, ZoneInfo(zone), retention
        self._forgot = 0.0
        self._damage = Damage(clock=clock, alarm=None)

    async def run(self) -> None:
        """Look once a minute, until cancelled. Raises :class:`TokenRefused`."""
        while True:
            wait = EVERY
            try:
                await self.once()
            except TokenRefused:
                raise
            except (Away, Refused) as error:
                log.event("night.again", status=error.status)
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("night.waits", error)
            except sqlite3.DatabaseError as error:
                wait = await self._damage.met("night.damaged", error)
            await asyncio.sleep(wait)

    async def once(self) -> None:
        """Do what is due."""
        if await clock_trust.doubted(self._store):
            return
        now = self._clock.wall()
        if abs(now - self._forgot) >= HOURLY:
            await self._store.commit(lambda conn: self._ledger.forget(conn, now - self._retention))
            self._forgot = now
        if not self.is_quiet(self._clock.machine()):
            return
        if await self._due(REWRITTEN, now):
            await self._quiet(GIVES_WAY)
            rewritten = [await ours.rewrite() for ours in (self._store, self._voice_store)]
            if all(rewritten):
                await self._store.commit(lambda conn: _note(conn, REWRITTEN, now))
        if await self._due(VACUUMED, now):
            await self._quiet(GIVES_WAY)
            vacuumed = await self._house.vacuum()
            log.event("night.vacuumed", seconds=round(vacuumed.seconds, 1))
            await self._store.commit(lambda conn: _note(conn, VACUUMED, now))

    async def _due(self, name: str, now: float) -> bool:
        last = float(await self._store.fetchval("SELECT value FROM line WHERE name = $1", name) or 0)
        return abs(now - last) >= NIGHT

    def is_quiet(self, at: float) -> bool:
        """Whether this is a quiet hour."""
        begin, end = self._hours
        hour = datetime.fromtimestamp(at, self._zone).hour
        return begin <= hour < end if begin <= end else hour >= begin or hour < end


async def _note(conn: Connection, name: str, at: float) -> None:
    await conn.execute(
        "INSERT INTO line (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        str(at),
    )
