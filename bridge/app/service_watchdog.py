"""Sends systemd's watchdog notification, `WATCHDOG=1`, only while this process is of use.

Rules of this module: it is sent from the engine's event loop, after the writer of the database has answered a commit. So it
stops when the loop hangs, the writer hangs or the database takes no commit, and systemd restarts the process. It does not
depend on the homeserver: without it, texts are still accepted.
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
    """Reports the state of this process to systemd.

    `run` until cancelled; it returns at once if systemd does not listen.
    """

    def __init__(self, services: Services, notifier: ServiceNotifier, *, is_ready: Callable[[], bool]) -> None:
        """`is_ready`: whether the line has its desk; ready is reported once, and never taken back."""
        self._database, self._notifier, self._is_ready = services.database, notifier, is_ready
        self._told_ready = False

    async def run(self) -> None:
        """Repeat: commit, then notify. While a commit does not end, no notification is sent."""
        while self._notifier.listens:
            if await self._database_answers():
                self._notify()
            await asyncio.sleep(self._notifier.interval)

    async def _database_answers(self) -> bool:
        try:
            await self._database.commit(_read, sync=Sync.DEFER)
        except (DatabaseError, OSError):
            return False
        return True

    def _notify(self) -> None:
        if not self._told_ready and self._is_ready():
            self._notifier.tell(ServiceState.READY)
            self._told_ready = True
        if not self._told_ready:
            self._notifier.tell(ServiceState.STARTING)
        self._notifier.tell(ServiceState.ALIVE)


async def _read(transaction: Transaction) -> None:
    await line_state.get(transaction, line_state.CONFIGURATION)
