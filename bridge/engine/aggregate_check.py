"""Compares each thread that an event finds with what was committed last: a row that another program restored or deleted.

Rules of this module: the desk is told once, and the set of aggregates is behind from then on (`storage.marked_sets`). The
thread continues with the row in the database, because no other state of it is known; its locks are the current ones. A row
that differs is read again inside a commit before the desk is told, because a reader may see a commit before memory has it.
"""

from __future__ import annotations

import json

from bot.model.actions import DESK
from bot.model.line_incidents import FactsBehind, MarkedFacts
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.vault import nonce
from bridge.tables import inbox, line_state, threads
from bridge.tables.threads import StoredThread


class AggregateCheck:
    """Reads threads for the engine."""

    def __init__(self, services: Services) -> None:
        self._database, self._vault, self._wake = services.database, services.vault, services.wake
        self._versions = services.marks.aggregates

    async def get(self, thread: str) -> StoredThread | None:
        """Return the stored thread, or None when it has ended, after comparing it."""
        return await self.compare(thread, await threads.get(self._database, thread))

    async def compare(self, thread: str, stored: StoredThread | None) -> StoredThread | None:
        """Check a thread that was just read (None: it has ended), tell the desk if it differs, and return it."""
        if not self._is_as_written(thread, stored):
            await self._report(thread)
        return stored

    def _is_as_written(self, thread: str, stored: StoredThread | None) -> bool:
        """Whether a thread is as committed last. True also when the set is behind already: then nobody is told again."""
        version = None if stored is None else nonce(stored.aggregate)
        return not self._versions.is_intact or version == self._versions.get(thread.encode())

    async def _report(self, thread: str) -> None:
        name = self._versions.name.value
        notice = await inbox.seal(self._vault, DESK, FactsBehind(kind=MarkedFacts(name)))

        async def commit(transaction: Transaction) -> bool:
            if self._is_as_written(thread, await threads.get(transaction, thread)):
                return False
            behind = json.loads(await line_state.get(transaction, line_state.FACTS_BEHIND) or "[]")
            await line_state.put(transaction, line_state.FACTS_BEHIND, json.dumps([*behind, name]))
            await inbox.append(transaction, notice)
            transaction.after_commit(self._versions.doubt)
            return True

        if await self._database.commit(commit):
            log.event("bridge.facts_behind", kind=name)
            self._wake.engine(DESK)
