"""Tries the alarms when `quietline alarm test` asks for it, beside the running line.

Rules of this module: the verb leaves an id in the table `line`; it becomes an event of the desk in the commit that takes it
away, so a test is one, whatever is killed. From there a test goes the way of every alarm: decision, outbox, room and pager.
"""

from __future__ import annotations

from typing import Final

from bot.model.actions import DESK
from bot.model.line_incidents import AlarmTestRequested
from bridge.background.loop import BackgroundLoop
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state

LOOK_INTERVAL: Final = 2.0
"""Seconds between two looks: a person waits at a terminal."""


class AlarmTests:
    """Takes what the verb left. `loop` until cancelled."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.loop = BackgroundLoop("alarm_tests", self.run_once, max_sleep=LOOK_INTERVAL)

    async def run_once(self) -> float:
        """Take the test that was asked for, if there is one; return the seconds until the next look."""
        services = self._services
        test = await line_state.get(services.database, line_state.ALARM_TEST)
        if test is None:
            return LOOK_INTERVAL
        row = await inbox.seal(services.vault, DESK, AlarmTestRequested(test=test))

        async def commit(transaction: Transaction) -> None:
            if await line_state.get(transaction, line_state.ALARM_TEST) != test:
                return  # withdrawn, or another one was asked for: the next look takes that
            await inbox.append(transaction, row)
            await line_state.delete(transaction, line_state.ALARM_TEST)

        await services.database.commit(commit)
        services.wake.engine(DESK)
        return 0.0
