"""Receives the canary's reports of round trips, and notices when they stop.

Rules of this module: the desk is told once when the canary fails, and once when it works again; the person on call is
called with the first. A restart repeats neither. Silence for two intervals is a failure as well: a dead canary must not
look like a healthy line. A test text that does not come through is told also after a smaller failure was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bot.model.actions import DESK
from bot.model.line_incidents import CanaryFailed, CanaryRecovered, CanaryStep
from bridge.background.loop import BackgroundLoop
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state

CHECK_INTERVAL: Final = 5.0
"""Seconds between two checks of the time since the last report."""
STOPS: Final = (CanaryStep.TEXT, CanaryStep.ROOM, CanaryStep.KEYS, CanaryStep.ANSWER)
"""Steps at which people's texts may stop as well. At the others the canary itself may be the cause, or it is slow."""
OK, NOT_OK = "1", "0"
"""Values of `line_state.CANARY_OK`, and of the metric `quietline_canary_ok`."""


class CanaryWatch:
    """Call `report` for each round trip, and run `loop`.

    `silence`: seconds without a report after which the desk is told.
    """

    def __init__(self, services: Services, *, silence: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database, self._vault, self._wake = services.database, services.vault, services.wake
        self._silence, self._monotonic = silence, monotonic
        self._last_report_at = monotonic()
        self.loop = BackgroundLoop("canary_watch", self.run_once, max_sleep=CHECK_INTERVAL)

    async def report(self, step: CanaryStep | None, seconds: float) -> None:
        """Process one report. `step`: where it failed; None: success, after `seconds`. Raises what the database raises."""
        log.event("canary.reported", kind="ok" if step is None else step.value, seconds=round(seconds, 1))
        await self._record_step(step)
        self._last_report_at = self._monotonic()

    async def run_once(self) -> float:
        """Check once; return the seconds until the next check."""
        if self._monotonic() - self._last_report_at >= self._silence:
            await self._record_step(CanaryStep.SILENT)
        return CHECK_INTERVAL

    async def _record_step(self, step: CanaryStep | None) -> None:
        """Record the state, and tell the desk when it has changed."""
        event = CanaryRecovered() if step is None else CanaryFailed(step=step)
        inbox_row = await inbox.seal(self._vault, DESK, event)
        now = NOT_OK if step is not None else OK

        async def commit(transaction: Transaction) -> bool:
            before = await line_state.get(transaction, line_state.CANARY_OK)
            reported = await line_state.get(transaction, line_state.CANARY_STEP) or ""
            is_worse = step in STOPS and reported not in {stop.value for stop in STOPS}
            if before == now and not is_worse:
                return False
            await line_state.put(transaction, line_state.CANARY_OK, now)
            await line_state.put(transaction, line_state.CANARY_STEP, "" if step is None else step.value)
            # A first success is not reported.
            if is_news := before is not None or step is not None:
                await inbox.append(transaction, inbox_row)
            return is_news

        if await self._database.commit(commit):
            self._wake.engine(DESK)
