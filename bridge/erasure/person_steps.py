"""The steps by which what was kept of a texter goes; their order and their rules are in `erasure`.

Rules of this module: the rows went with the decision that ended the thread; here its key goes, and then whatever the
carrier still has of it is waited for, item by item. What a carrier keeps stands in the receipt as kept.
"""

from __future__ import annotations

from typing import Final

from bridge.erasure.carrier_copies import GONE
from bridge.erasure.certificate import Signer
from bridge.erasure.job_runner import Case, NotYet, Step, signed
from bridge.erasure.room_steps import POLL, keep
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault
from bridge.tables.leftovers import OF_PERSON, left

COPIES_GONE: Final = "copies deleted, confirmed"


class PersonSteps:
    """Performs the steps of people."""

    def __init__(self, *, store: Store, vault: Vault, clock: Clock, signer: Signer, retention: int, crash: Crash) -> None:
        self._store, self._vault, self._clock, self._signer = store, vault, clock, signer
        self._retention, self._crash = retention, crash

    def steps(self) -> dict[str, Step]:
        """Return the steps by their names."""
        return {"key": self.key, "copies": self.copies, "person": self.person}

    async def key(self, case: Case) -> str:
        """Destroy the texter's key: the number and the flags cannot be read any more, wherever a copy of them lies."""
        await self._vault.destroy(case.subject)
        self._crash(CrashPoint.PERSON_KEY_DESTROYED)
        return "copies"

    async def copies(self, case: Case) -> str:
        """Wait until each of the carrier's copies is settled."""
        query = "SELECT COUNT(*) FROM carrier_copy WHERE owner = $1"
        if await self._store.fetchval(query, case.id):
            raise NotYet("copies of texts at the carrier", after=POLL)
        if not await self._store.checkpoint():
            raise NotYet("the database's log is in use", after=POLL)
        return "person"

    async def person(self, case: Case) -> str:
        """Look for key and rows; then keep the receipt, and with it forget whom it was about."""
        if await self._vault.has(case.subject):
            return "key"
        results = await self._store.fetch("SELECT result, count FROM copy_result WHERE owner = $1", case.id)
        told = {COPIES_GONE if row["result"] == GONE else row["result"]: int(row["count"]) for row in results}
        done = self._clock.wall()
        counts = {"people": 1, "keys": 1}
        receipt = self._signer.sign(id_=case.id, what="person", began=case.began, done=done, counts=counts, carrier=told)
        self._crash(CrashPoint.ERASURE_SIGNED)
        until = int(done) + self._retention

        async def commit(conn: Connection) -> int:
            if count := await left(conn, OF_PERSON, case.subject):
                return count
            await keep(conn, receipt, until)
            await signed(conn, case, done)
            return 0

        if await self._store.commit(commit):
            raise NotYet("rows of our own database")
        return ""
