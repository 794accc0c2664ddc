"""Timers: rows with a due time; a due row becomes an inbox row in one commit.

Rules of this module: a timer outlives the process. Of many that are due at once a few fire at a time, so that no text waits
behind all of them. Words whose undo window ends while the homeserver does not answer may have been taken back: they wait
for it, no longer than at a start (`startup_hold`), counted from a failure of the database if there was one. After the
process was frozen for seconds (a paused container, a machine without memory or asleep) such words wait a moment: what their
author did meanwhile is read first. Elapsed time is measured by a clock that does not jump. When the machine's clock was set
by more than a minute, the desk gets an alarm, and timers that destroy wait for a person (`bridge/tables/clock_trust.py`).

A clock that jumped ahead looks the same after a pause of a virtual machine, in which our own clock stood still. So after a
jump that would make waiting words late, the bridge starts again with that clock at once: by its own, words that are hours
old would leave. If it was the clock that is wrong, words are held that could have left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bot.lifecycle.retention import DESTRUCTIVE
from bot.model.actions import DESK
from bot.model.events import TimerDue
from bot.model.line_incidents import ClockJumped
from bot.model.text_order import MAX_SKEW
from bot.model.transactional_actions import CancelTimer, SetTimer
from bot.safety import blocking
from bot.sending import unsent_texts
from bridge.background.loop import BackgroundLoop
from bridge.outbound.startup_hold import MAX_HOLD
from bridge.runtime import log
from bridge.runtime.clock import seconds_since_boot
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.errors import Unavailable
from bridge.tables import clock_trust, inbox
from bridge.tables import timers as timer_table
from bridge.tables.inbox import InboxRow
from bridge.tables.timers import Timer

WAIT_FOR_CLOCK: Final = DESTRUCTIVE | {blocking.TIMER}
"""Timers that wait while the clock is not trusted: those that destroy, and the end of a block. They fire once it is."""
BATCH: Final = 20
HOLD_LOOK: Final = 0.1
"""Seconds between two looks whether the homeserver answers again."""
MAX_SLEEP: Final = 1.0
"""Seconds between two looks at most: a freeze longer than this and `FREEZE` together is noticed wherever it began."""
FREEZE: Final = 2.0
"""Seconds by which a look at the timers is late when the process was frozen."""
FREEZE_HOLD: Final = 3.0
"""Seconds for which words then wait: a sync and its decisions take a tenth of that."""
MAX_FREEZES: Final = 3
"""How many late looks in a row hold words: where each look is late, the machine is overloaded, and words must leave."""
NO_KEY_DELAY: Final = 3600.0
"""Seconds by which a timer is postponed if its owner has no key."""


class SystemClockCorrected(Exception):  # noqa: N818 - not an error: a reason to begin again
    """This process uses another time than the machine's clock, by which it should go: it ends, and the next one does."""


class Timers:
    """Fires timers. `changed` after a commit that set one; `run` until cancelled."""

    def __init__(
        self,
        services: Services,
        *,
        wait_until_idle: Callable[[], Awaitable[None]],
        late_after: float,
        is_caught_up: Callable[[], bool] = lambda: True,
        system_time: Callable[[], float] = time.time,
        sample: Callable[[], clock_trust.ClockSample] = clock_trust.sample_clock,
        monotonic: Callable[[], float] = seconds_since_boot,
    ) -> None:
        """`late_after`: seconds after which words are too old to leave. `is_caught_up`: whether the homeserver answers."""
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake, self._crash = services.wake, services.crash
        self._system_time, self._wait_until_idle = system_time, wait_until_idle
        self._is_caught_up, self._monotonic = is_caught_up, monotonic
        self._next_look_at, self._hold_until, self._freezes_in_a_row = math.inf, 0.0, 0
        self._wait_for_homeserver_until = -math.inf
        self._clock_check = clock_trust.ClockCheck(database=services.database, now=services.clock.now, sample=sample)
        self._late_after = late_after
        self._offset = system_time() - services.clock.now()
        self.loop = BackgroundLoop("timers", self.run_once, max_sleep=MAX_SLEEP, retry=(1.0, 1.0))
        services.wake.timers = self.loop.wake

    async def recover(self) -> None:
        """At the start: check whether the clock was set while no bridge ran."""
        if not (jump := await self._clock_check.at_start()):
            return
        await self._record_jump(jump)

    async def run_once(self) -> float:
        """Check the clock, and fire what is due; return the seconds until the next timer is due.

        Raises `SystemClockCorrected` when the clock is so far ahead of the bridge that waiting words may be late.
        """
        began_at = self._monotonic()
        self._note_freeze(began_at)
        try:
            await self._check_clock()
            await self._clock_check.record_sample()
            wait = await self.fire_due()
        except Unavailable:
            # The redaction of words that are due may have failed to be written as well.
            self._next_look_at = self._monotonic() + MAX_SLEEP
            self._wait_for_homeserver_until = self._monotonic() + MAX_HOLD
            raise
        # From the beginning, because the process may be frozen during a look. One that fired something has waited for
        # conversations.
        self._next_look_at = began_at + min(wait, MAX_SLEEP) if wait else self._monotonic()
        return wait

    def _note_freeze(self, now: float) -> None:
        """Have words wait when this look is late, and end the hold when it is the last of too many."""
        late = now - self._next_look_at
        if late <= FREEZE:
            if now >= self._hold_until:
                self._freezes_in_a_row = 0
        elif self._freezes_in_a_row == MAX_FREEZES:
            self._hold_until, self._wait_for_homeserver_until, self._freezes_in_a_row = now, now, 0
        else:
            self._hold_until, self._freezes_in_a_row = now + FREEZE_HOLD, self._freezes_in_a_row + 1
            self._wait_for_homeserver_until = now + MAX_HOLD
            log.event("timers.late", seconds=int(late))

    async def is_set(self, key: str) -> bool:
        """Whether any owner has a timer with that key."""
        return await timer_table.is_set(self._database, key)

    async def fire_due(self) -> float:
        """Fire up to a batch; return the seconds until the next timer is due."""
        now = self._clock.now()
        rows = await self._next_rows()
        over = [row for row in rows if row.due <= now]
        due = [row for row in over if not self._is_held(row, now)]
        if not due:
            if over:
                return HOLD_LOOK
            return float(min(row.due for row in rows) - now) if rows else MAX_SLEEP
        inbox_rows = [(row, await self._seal(row)) for row in due]
        self._crash(CrashPoint.TIMER_DUE)

        async def commit(transaction: Transaction) -> None:
            for row, inbox_row in inbox_rows:
                if inbox_row is None:
                    # Either the thread has ended since, and the row is deleted; or the owner has no key, as after an older
                    # keys.db was restored: then it must not block other timers.
                    await timer_table.postpone(transaction, row, now + NO_KEY_DELAY)
                elif await timer_table.take(transaction, row):
                    await inbox.append(transaction, inbox_row)

        await self._database.commit(commit)
        self._crash(CrashPoint.TIMER_FIRED)
        for row in due:
            self._wake.engine(row.owner)
        await self._wait_until_idle()
        return 0.0

    def _is_held(self, timer: Timer, now: float) -> bool:
        """Whether a timer that is due waits for what people may have done meanwhile."""
        if timer.key not in unsent_texts.TIMERS:
            return False
        monotonic = self._monotonic()
        waits_for_answer = timer.due > now - MAX_HOLD or monotonic < self._wait_for_homeserver_until
        return monotonic < self._hold_until or (waits_for_answer and not self._is_caught_up())

    async def _seal(self, timer: Timer) -> InboxRow | None:
        """Seal the event of a timer; None if its owner has no key."""
        return await inbox.try_seal(self._vault, timer.owner, TimerDue(key=timer.key))

    async def _next_rows(self) -> list[Timer]:
        """Read the timers that are due first; while the clock is distrusted, only those that destroy nothing."""
        kinds = (False,) if await clock_trust.is_distrusted(self._database) else (False, True)
        rows = [await timer_table.earliest(self._database, destroys=destroys, most=BATCH) for destroys in kinds]
        return [row for of_kind in rows for row in of_kind]

    async def _check_clock(self) -> None:
        jump = self._system_time() - self._clock.now() - self._offset
        if abs(jump) >= MAX_SKEW:
            await self._record_jump(int(jump))
            self._offset += jump
        if self._offset > self._late_after:
            raise SystemClockCorrected

    async def _record_jump(self, seconds: int) -> None:
        inbox_row = await inbox.seal(self._vault, DESK, ClockJumped(seconds=seconds))

        async def commit(transaction: Transaction) -> None:
            await clock_trust.distrust(transaction)
            await inbox.append(transaction, inbox_row)
            await self._clock_check.write_sample(transaction)

        await self._database.commit(commit)
        log.event("timers.clock_jumped", seconds=seconds)
        self._wake.engine(DESK)


async def write(transaction: Transaction, owner: str, timer: SetTimer | CancelTimer) -> None:
    """Set or delete a timer, inside the commit of the decision that made the action."""
    match timer:
        case SetTimer():
            await timer_table.put(transaction, Timer(owner, timer.key, timer.due), destroys=timer.key in WAIT_FOR_CLOCK)
        case CancelTimer():
            await timer_table.delete(transaction, owner, timer.key)
