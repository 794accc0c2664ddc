"""Nightly maintenance: the homeserver's database is vacuumed, ours too, old audit entries are deleted.

Rules of this module: a vacuum may hold the homeserver for a second or more, so both run in quiet hours only, once a night,
and wait for words that are on their way. Time and duration of the last one are kept, so that `doctor` can show them; a
vacuum that the homeserver could not do is tried again after a day, not again and again all night. While the machine's clock
is distrusted nothing is deleted here and no vacuum runs, because nobody knows whether it is night.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

from bridge.background.loop import BackgroundLoop, run_each
from bridge.matrix.api.module_api import TIMED_OUT, HomeserverUnreachable, ModuleClient
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Database, Transaction
from bridge.tables import clock_trust, line_state
from bridge.tables.audit_log import AuditLog

MIN_INTERVAL: Final = 20 * 3600.0
CHECK_INTERVAL: Final = 60.0
AUDIT_INTERVAL: Final = 3600.0
MAX_PAUSE_WAIT: Final = 300.0
NOT_BEGUN: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE})
"""The answers after which nothing was done: the homeserver is down, or another program reads its database."""


class NightlyMaintenance:
    """`run` until cancelled. `hours`: from and to, in the time zone of the line's packs; from 22 to 5 passes midnight."""

    def __init__(
        self,
        services: Services,
        *,
        puppet_database: Database,
        module_client: ModuleClient,
        hours: tuple[int, int],
        zone: str,
        retention: int,
        wait_for_pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._database, self._puppet_database = services.database, puppet_database
        self._clock, self._module_client, self._wait_for_pause = services.clock, module_client, wait_for_pause
        self._audit = AuditLog(vault=services.vault)
        self._hours, self._zone, self._retention = hours, ZoneInfo(zone), retention
        self._audit_expired_at = 0.0
        self.loop = BackgroundLoop(
            "nightly",
            self.run_once,
            max_sleep=CHECK_INTERVAL,
            retry=(CHECK_INTERVAL, CHECK_INTERVAL),
        )

    async def run_once(self) -> float:
        """Do what is due; return the seconds until the next check.

        Raises what the database and the homeserver raise, after the other parts were done.
        """
        if await clock_trust.is_distrusted(self._database):
            return CHECK_INTERVAL
        now = self._clock.now()
        await run_each(
            partial(self._expire_audit, now), partial(self._vacuum_ours, now), partial(self._vacuum_homeserver, now)
        )
        return CHECK_INTERVAL

    async def _expire_audit(self, now: float) -> None:
        if abs(now - self._audit_expired_at) >= AUDIT_INTERVAL:
            await self._database.commit(lambda transaction: self._audit.expire(transaction, now - self._retention))
            self._audit_expired_at = now

    async def _vacuum_ours(self, now: float) -> None:
        """Vacuum our own databases, if it is time; noted only when each was vacuumed."""
        if not self._is_quiet_now() or not await self._is_due(line_state.REWRITTEN, now):
            return
        await self._wait_for_pause(MAX_PAUSE_WAIT)
        rewritten: list[bool] = []

        async def rewrite(database: Database) -> None:
            rewritten.append(await database.vacuum())

        await run_each(*(partial(rewrite, ours) for ours in (self._database, self._puppet_database)))
        if all(rewritten):
            await self._database.commit(lambda transaction: line_state.put(transaction, line_state.REWRITTEN, str(now)))

    async def _vacuum_homeserver(self, now: float) -> None:
        """Request a vacuum of the homeserver's database, if due; not within a day of a try with an unknown result."""
        if not self._is_quiet_now() or not await self._is_due(line_state.VACUUMED, now):
            return
        if not await self._is_due(line_state.VACUUM_BEGUN, now):
            return
        await self._wait_for_pause(MAX_PAUSE_WAIT)
        await self._database.commit(lambda transaction: line_state.put(transaction, line_state.VACUUM_BEGUN, str(now)))
        try:
            vacuumed = await self._module_client.vacuum()
        except HomeserverUnreachable as error:
            if error.status in NOT_BEGUN and error.errcode != TIMED_OUT:
                await self._database.commit(lambda transaction: line_state.delete(transaction, line_state.VACUUM_BEGUN))
            raise
        log.event("nightly.vacuumed", seconds=round(vacuumed.seconds, 1))
        result = json.dumps({"database": vacuumed.database or vacuumed.engine, "seconds": round(vacuumed.seconds, 1)})

        async def commit(transaction: Transaction) -> None:
            await line_state.delete(transaction, line_state.VACUUM_BEGUN)
            await line_state.put(transaction, line_state.VACUUMED, str(now))
            await line_state.put(transaction, line_state.VACUUM_RESULT, result)

        await self._database.commit(commit)

    async def _is_due(self, name: str, now: float) -> bool:
        last = await line_state.get_time(self._database, name)
        return abs(now - last) >= MIN_INTERVAL

    def _is_quiet_now(self) -> bool:
        return self.is_quiet(self._clock.system_time())

    def is_quiet(self, at: float) -> bool:
        """Whether this is a quiet hour."""
        begin, end = self._hours
        hour = datetime.fromtimestamp(at, self._zone).hour
        return begin <= hour < end if begin <= end else hour >= begin or hour < end
