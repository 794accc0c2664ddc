"""Counts how often the bridge ended without an ordered stop, so that a crash loop is visible between two deaths.

Rules of this module: a start notes that the bridge runs, and an ordered stop that it does not; a start that finds the note
of a running bridge follows a death. Only times are stored, in one value of the table `line`. A failure here stops neither a
start nor a stop: other parts report a database that cannot be written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from bridge.runtime import log
from bridge.storage.database import Database, Transaction, Work
from bridge.storage.errors import DatabaseError
from bridge.tables import line_state

KEPT_SECONDS: Final = 7 * 86_400.0
MAX_KEPT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """`first`: when the line was first started. `running`: no ordered stop since the last start.

    `deaths`: when a start found that the previous run had no ordered stop. Seconds since the epoch.
    """

    first: float
    running: bool = True
    deaths: Sequence[float] = field(default=())

    @classmethod
    def parse(cls, stored: str | None) -> Self | None:
        """Read the stored value; None before the first start."""
        if stored is None:
            return None
        fields = json.loads(stored)
        return cls(first=fields["first"], running=fields["running"], deaths=tuple(fields["deaths"]))

    def text(self) -> str:
        """Return the value to store."""
        return json.dumps({"first": self.first, "running": self.running, "deaths": list(self.deaths)})

    def with_start(self, now: float) -> Self:
        """Return the history with a start at that time."""
        deaths = [death for death in self.deaths if now - death < KEPT_SECONDS]
        deaths += [float(int(now))] if self.running else []
        return type(self)(first=self.first, running=True, deaths=tuple(deaths[-MAX_KEPT:]))

    def with_stop(self) -> Self:
        """Return the history with an ordered stop."""
        return type(self)(first=self.first, running=False, deaths=self.deaths)

    def deaths_since(self, time: float) -> int:
        """Count the deaths that were noticed after that time."""
        return sum(death > time for death in self.deaths)


async def record_start(database: Database, now: float) -> None:
    """Note a start."""

    async def commit(transaction: Transaction) -> None:
        before = RunHistory.parse(await line_state.get(transaction, line_state.RUNS))
        after = RunHistory(first=float(int(now))) if before is None else before.with_start(now)
        await line_state.put(transaction, line_state.RUNS, after.text())

    await _commit(database, commit)


async def record_stop(database: Database) -> None:
    """Note an ordered stop."""

    async def commit(transaction: Transaction) -> None:
        before = RunHistory.parse(await line_state.get(transaction, line_state.RUNS))
        if before is not None:
            await line_state.put(transaction, line_state.RUNS, before.with_stop().text())

    await _commit(database, commit)


async def _commit(database: Database, work: Work[None]) -> None:
    try:
        await database.commit(work)
    except DatabaseError as error:
        log.failure("bridge.run_not_recorded", error)
