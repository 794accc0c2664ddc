"""Corrects stored times that come from a clock that was ahead, or behind, once the machine's clock is right.

Rules of this module: it runs only once the clock is trusted, and in one commit, so that a crash leaves all of it or
nothing. It causes no text: threads get it as an event, after the events that already wait, and the guard looks again at
every text that waits (`bot/lifecycle/corrected_times.py`). The texter puppet's database is corrected first, in a commit of
its own; to repeat that is harmless, because a corrected time is not ahead any more.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

from bot.model.actions import DESK
from bot.model.line_incidents import TimesAhead
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Database, Transaction
from bridge.tables import inbox, threads
from bridge.tables.cross_table import stored_times
from bridge.tables.suppression import Suppression


class MakeTimesEarlier(Protocol):
    """Corrects the times of some tables, within a commit: `now` is the present time."""

    async def __call__(self, transaction: Transaction, *, now: float, seconds: int) -> None:
        """Make the times `seconds` earlier."""


class ClockCorrection:
    """Corrects times. `others`: of other tables of the main database; `elsewhere`: of other databases."""

    def __init__(
        self,
        services: Services,
        *,
        suppression: Suppression,
        message_ttl: int,
        others: MakeTimesEarlier | None = None,
        elsewhere: tuple[tuple[Database, MakeTimesEarlier], ...] = (),
    ) -> None:
        self._suppression = suppression
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._message_ttl, self._others, self._elsewhere = services.wake, message_ttl, others, elsewhere

    async def run(self, seconds: int) -> None:
        """Subtract `seconds` from every time that is further ahead than possible; negative: such times end later."""
        now = self._clock.now()
        for database, correct in self._elsewhere if seconds > 0 else ():
            await database.commit(partial(correct, now=now, seconds=seconds))
        owners = await threads.aggregate_owners(self._database)
        event = TimesAhead(seconds=seconds)
        rows = [row for owner in owners if (row := await inbox.try_seal(self._vault, owner, event)) is not None]

        async def commit(transaction: Transaction) -> None:
            if seconds > 0:
                await stored_times.make_times_earlier(transaction, now=now, seconds=seconds, message_ttl=self._message_ttl)
                if self._others is not None:
                    await self._others(transaction, now=now, seconds=seconds)
            else:
                await stored_times.make_times_later(transaction, seconds=-seconds)
                await self._suppression.lengthen(transaction, seconds=-seconds)
            for row in rows:
                await inbox.append(transaction, row)

        await self._database.commit(commit)
        log.event("clock.times_corrected", seconds=seconds, count=len(rows))
        for row in rows:
            self._wake.engine(row.owner)
        self._wake.engine(DESK)
