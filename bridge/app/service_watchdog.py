"""The sign of life that systemd waits for: `WATCHDOG=1`, only while this process is of use.

Rules of this module: it is sent from the engine's event loop, after the writer of the database has answered a commit. So
the sign stops when the loop hangs, the writer hangs or the database takes no commit, and systemd restarts the process. A
homeserver that is away is no reason: texts are taken in meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.runtime.service_notifier import ServiceNotifier, ServiceState
from bridge.services import Services
from bridge.storage.database import Sync, Transaction
from bridge.storage.errors import DatabaseError
from bridge.tables import line_state


class ServiceWatchdog:
    """Tells systemd how this process is. `run` until cancelled; it ends at once when nobody listens."""

    def __init__(self, services: Services, notifier: ServiceNotifier, *, is_ready: Callable[[], bool]) -> None:
        """Make it. `is_ready`: whether the line has its desk; ready is said once, and stays said."""
        self._database, self._notifier, self._is_ready = services.database, notifier, is_ready
        self._told_ready = False

    async def run(self) -> None:
        """Ask the database and tell, again and again. A commit that does not end is waited for, and nothing is said."""
        while self._notifier.listens:
            if await self._database_answers():
                self._tell()
            await asyncio.sleep(self._notifier.interval)

    async def _database_answers(self) -> bool:
        try:
            await self._database.commit(_read, sync=Sync.DEFER)
        except (DatabaseError, OSError):
            return False
        return True

    def _tell(self) -> None:
        if not self._told_ready and self._is_ready():
            self._notifier.tell(ServiceState.READY)
            self._told_ready = True
        if not self._told_ready:
            self._notifier.tell(ServiceState.STARTING)
        self._notifier.tell(ServiceState.ALIVE)


async def _read(transaction: Transaction) -> None:
    await line_state.get(transaction, line_state.CONFIGURATION)
