"""The steps that erase the data of a texter; `job_runner` has their order and their rules.

Rules of this module: the decision that ended the thread deleted the rows. These steps destroy the key, and then wait until
the carrier has deleted each copy. The certificate counts a copy that the carrier keeps as kept.
"""

from __future__ import annotations

from typing import Final

from bridge.erasure.carrier_copies import GONE
from bridge.erasure.certificate import OWN_PAGES, CertificateSigner
from bridge.erasure.job_runner import Step, StepNotDone, close_job
from bridge.erasure.passing_keys import destroy_passing_keys
from bridge.erasure.room_steps import POLL
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Dialect, Transaction
from bridge.tables import carrier_copies, room_events
from bridge.tables.cross_table.leftovers import PERSON_COLUMNS, count_leftovers
from bridge.tables.erasure_jobs import ErasureJob

COPIES_GONE: Final = "copies deleted, confirmed"


class PersonSteps:
    """Performs the steps of people."""

    def __init__(self, services: Services, *, signer: CertificateSigner, retention: int) -> None:
        self._services = services
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._signer, self._retention, self._crash = signer, retention, services.crash

    def steps(self) -> dict[str, Step]:
        """Return the steps by their names."""
        return {"key": self.key, "copies": self.copies, "person": self.person}

    async def key(self, job: ErasureJob) -> str:
        """Destroy the texter's key, so that number and flags are unreadable in every copy.

        The keys of words about the texter at the desk and in offices are destroyed as well.
        """
        await self._vault.destroy(job.subject)
        await destroy_passing_keys(self._services)
        self._crash(CrashPoint.PERSON_KEY_DESTROYED)
        return "copies"

    async def copies(self, job: ErasureJob) -> str:
        """Wait until each of the carrier's copies is settled."""
        if await carrier_copies.has_copies(self._database, job.id):
            raise StepNotDone("copies", after=POLL)
        if not await self._database.checkpoint():
            raise StepNotDone("log_in_use", after=POLL)
        return "person"

    async def person(self, job: ErasureJob) -> str:
        """Check that key and rows are gone; then store the certificate, and in the same commit delete whom it was about."""
        if await self._vault.has_key(job.subject):
            return "key"
        results = await carrier_copies.results_of(self._database, job.id)
        carrier_results = {COPIES_GONE if result == GONE else result: count for result, count in results.items()}
        done = self._clock.now()
        counts = {"people": 1, "keys": 1}
        if self._database.dialect is Dialect.POSTGRESQL:
            counts[OWN_PAGES] = 1
        certificate = self._signer.sign(
            id_=job.id, what="person", began=job.began, done=done, counts=counts, carrier=carrier_results
        )
        self._crash(CrashPoint.ERASURE_SIGNED)
        until = int(done) + job.certificate_seconds(self._retention)

        async def commit(transaction: Transaction) -> int:
            if count := await count_leftovers(transaction, PERSON_COLUMNS, job.subject):
                return count
            await room_events.forget_thread(transaction, job.subject)
            await close_job(transaction, job, certificate, now=done, until=until)
            return 0

        if await self._database.commit(commit):
            raise StepNotDone("rows")
        return ""
