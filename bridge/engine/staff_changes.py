"""Tells the desk who got or lost an account by `quietline staff` while the line runs.

Rules of this module: the verb leaves its changes in the table `line`; each becomes an event of the desk in the commit that
deletes it, so a change is reported once, whatever is killed. What follows (invitation, removal) is the desk's decision.
"""

from __future__ import annotations

import json
from typing import Final

from bot.model.actions import DESK
from bot.model.line_incidents import StaffAdded, StaffRemoved
from bridge.background.loop import BackgroundLoop
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state

LOOK_INTERVAL: Final = 2.0
"""Seconds between two checks: a new colleague is invited within seconds (design.md, "Contracts with the outside")."""
REMOVED: Final = "removed"
"""Stands in place of a role when the account was ended."""


class StaffChanges:
    """Processes the changes that the verb left. `loop` until cancelled."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.loop = BackgroundLoop("staff_changes", self.run_once, max_sleep=LOOK_INTERVAL)

    async def run_once(self) -> float:
        """Process all changes; return the seconds until the next check."""
        services = self._services
        changes = await line_state.get(services.database, line_state.STAFF_CHANGES)
        if changes is None:
            return LOOK_INTERVAL
        rows = [await inbox.seal(services.vault, DESK, _event(**change)) for change in json.loads(changes)]

        async def commit(transaction: Transaction) -> None:
            if await line_state.get(transaction, line_state.STAFF_CHANGES) != changes:
                return  # the verb left another one meanwhile: the next check processes both
            for row in rows:
                await inbox.append(transaction, row)
            await line_state.delete(transaction, line_state.STAFF_CHANGES)

        await services.database.commit(commit)
        services.wake.engine(DESK)
        return 0.0


def _event(*, user: str, role: str) -> StaffAdded | StaffRemoved:
    return StaffRemoved(user=user) if role == REMOVED else StaffAdded(user=user, supervisor=role == "supervisor")
