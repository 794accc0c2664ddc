"""Tries the alarms when `quietline alarm test` asks for it, and raises one that `quietline doctor --alarm` asks for.

Rules of this module: a verb beside the running line leaves its request in the table `line`. The commit that deletes the
request makes it an event of the desk, so there is exactly one event, whatever is killed. Then it is handled as every alarm:
decision, outbox, room and pager.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from bot.model.actions import DESK
from bot.model.events import Event
from bot.model.line_incidents import AlarmTestRequested, LineChecked
from bridge.background.loop import BackgroundLoop
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state

LOOK_INTERVAL: Final = 2.0
"""Seconds between two checks: short, because a person waits at a terminal."""
ASKED: Final[dict[str, Callable[[str], Event]]] = {
    line_state.ALARM_TEST: lambda test: AlarmTestRequested(test=test),
    line_state.CHECK_FOUND: lambda rows: LineChecked(rows=tuple(map(str, json.loads(rows)))),
}
"""Name of a verb's request in the table `line` -> the event that it becomes."""


class AlarmTests:
    """Processes the requests of the verbs. `loop` until cancelled."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.loop = BackgroundLoop("alarm_tests", self.run_once, max_sleep=LOOK_INTERVAL)

    async def run_once(self) -> float:
        """Process a request, if there is one; return the seconds until the next check."""
        results = [await self._take(name) for name in ASKED]
        return 0.0 if any(results) else LOOK_INTERVAL

    async def _take(self, name: str) -> bool:
        services = self._services
        request = await line_state.get(services.database, name)
        if request is None:
            return False
        row = await inbox.seal(services.vault, DESK, ASKED[name](request))

        async def commit(transaction: Transaction) -> None:
            if await line_state.get(transaction, name) != request:
                return  # withdrawn or replaced: the next check processes the new one
            await inbox.append(transaction, row)
            await line_state.delete(transaction, name)

        await services.database.commit(commit)
        services.wake.engine(DESK)
        return True
