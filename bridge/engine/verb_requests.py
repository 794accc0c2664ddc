"""Makes events of the desk of what a verb asks for beside the running line.

`quietline staff` reports accounts that it made or ended, `quietline alarm test` asks for a test, `quietline doctor --alarm`
for an alarm. Rules of this module: the verb leaves its request in the table `line`. The commit that deletes the request
makes its events, so each is there exactly once, whatever is killed. What follows is as for every event of the desk.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Final

from bot.model.actions import DESK
from bot.model.events import Event
from bot.model.line_incidents import AlarmTestRequested, LineChecked, StaffAdded, StaffRemoved
from bridge.background.loop import BackgroundLoop
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state

LOOK_INTERVAL: Final = 2.0
"""Seconds between two checks: short, because a person waits at a terminal, and a new colleague is invited within seconds
(design.md, "Contracts with the outside")."""
REMOVED: Final = "removed"
"""Stands in place of a role when the account was ended."""


def _staff_event(user: str, role: str) -> StaffAdded | StaffRemoved:
    return StaffRemoved(user=user) if role == REMOVED else StaffAdded(user=user, supervisor=role == "supervisor")


EVENTS: Final[dict[str, Callable[[str], Sequence[Event]]]] = {
    line_state.STAFF_CHANGES: lambda changes: [_staff_event(each["user"], each["role"]) for each in json.loads(changes)],
    line_state.ALARM_TEST: lambda test: [AlarmTestRequested(test=test)],
    line_state.CHECK_FOUND: lambda rows: [LineChecked(rows=tuple(map(str, json.loads(rows))))],
}
"""Name of a verb's request in the table `line` -> the events that it becomes."""


class VerbRequests:
    """Processes the requests of the verbs. `loop` until cancelled."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.loop = BackgroundLoop("verb_requests", self.run_once, max_sleep=LOOK_INTERVAL)

    async def run_once(self) -> float:
        """Process each request that is there, also beside one that fails; return the seconds until the next check."""
        results = await asyncio.gather(*map(self._take, EVENTS), return_exceptions=True)
        if failures := [result for result in results if isinstance(result, BaseException)]:
            raise failures[0]
        return 0.0 if any(results) else LOOK_INTERVAL

    async def _take(self, name: str) -> bool:
        services = self._services
        request = await line_state.get(services.database, name)
        if request is None:
            return False
        rows = [await inbox.seal(services.vault, DESK, event) for event in EVENTS[name](request)]

        async def commit(transaction: Transaction) -> None:
            if await line_state.get(transaction, name) != request:
                return  # withdrawn, replaced or longer by now: the next check processes the new one
            for row in rows:
                await inbox.append(transaction, row)
            await line_state.delete(transaction, name)

        await services.database.commit(commit)
        services.wake.engine(DESK)
        return True
