"""Erasure jobs: destroy the data of an ended conversation step by step, and check that they are gone.

A room:    redact → empty → censor → uploads → destroy → purge → look → forget → sign → flush
A person:  key → copies → person → flush

`empty` is due `REDACTION_DELIVERY_SECONDS` after the last redaction, and `purge` is due `grace` after `destroy`. A step may
follow itself, or an earlier one, while something is left (ARCHITECTURE.md, "The steps of an erasure"); a `purge` that
follows `look` is due at once.

Rules of this module: a step acts outside the database first and is noted there afterwards, so every step may be repeated,
and a crash between any two lines repeats at most one step. A step is noted only with what it found, never with what it
expected. A step that is refused, breaks off or finds something left is tried again, and after a while reported at the desk.
A legal hold waits for no more than the step under way. A certificate is signed only after everything was looked for from
outside: events by fetching them, uploads and the room by asking the homeserver, our own rows by asking every table.

Why people are removed before keys are destroyed and the room is purged: clients learn nothing from a purge. A client keeps
what it had unless it learns of the redactions and of its own removal, so the room stays for `grace` (facts-matrix.md,
"Purge and recovery").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from bot.model.actions import DESK
from bot.model.line_incidents import ErasureFailed
from bridge.background.loop import BackgroundLoop
from bridge.erasure.certificate import ErasureCertificate
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleRequestRejected
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.errors import DatabaseError
from bridge.tables import carrier_copies, clock_trust, erasure_jobs, inbox
from bridge.tables.erasure_jobs import FLUSH, IMMEDIATE, MAX_IMMEDIATE_WAIT, MAX_WAIT, PURGE, ErasureJob

AlertCallback: TypeAlias = Callable[[str, float], Awaitable[None]]
"""Tells the desk what is not gone, and since when (seconds since the epoch). What: the name of a notice `remains.*`, and
after a blank that of why."""


MAX_SLEEP: Final = 5.0
ALERT_AFTER_TRIES: Final = (5, 50, 500)
"""Tries of one step after which the desk is told."""
SLOW: Final = frozenset({"being_purged", "copies"})
"""What may take minutes although all is well: the purge of a large room, and a carrier's deletions."""
SLOW_ALERT_AFTER_TRIES: Final = (10, 50, 500)
"""The same for these: the tenth try is more than three minutes after the first."""
REDACTION_DELIVERY_SECONDS: Final = 2.0
"""Seconds between the last redaction and the removal of the people in the room. A client that is online receives them one
after the other in that time; a removed client receives no more, and would keep messages."""


class ErasureAlert:
    """Tells the desk that something still exists which should be erased."""

    def __init__(self, services: Services) -> None:
        self._database, self._vault = services.database, services.vault
        self._clock, self._wake = services.clock, services.wake

    async def __call__(self, what: str, since: float) -> None:
        """Report `what` still exists, and since when it should have been erased (seconds since the epoch)."""
        hours = max(0, int((self._clock.now() - since) // 3600))
        inbox_row = await inbox.seal(self._vault, DESK, ErasureFailed(what=what, hours=hours))
        await self._database.commit(lambda transaction: inbox.append(transaction, inbox_row))
        log.event("erasure.failed")
        self._wake.engine(DESK)


class StepNotDone(Exception):  # noqa: N818 - an answer, not a failure
    """Data are not gone yet, or cannot be checked.

    `what`: the name of a notice `remains.*`; `after`: seconds to the next try.
    """

    def __init__(self, what: str, *, after: float = 0.0) -> None:
        super().__init__(what)
        self.what, self.after = what, after


Step = Callable[[ErasureJob], Awaitable[str]]
"""Does one step and returns the next one; empty when a commit of the step's own has noted it. Raises `StepNotDone`."""


class ErasureRunner:
    """Performs the steps of every erasure job. `wake` after a commit that began one; `run` until cancelled.

    `yield_to_foreground` waits for a pause in conversations, for a bounded time.
    """

    def __init__(
        self,
        services: Services,
        *,
        steps: dict[str, Step],
        yield_to_foreground: Callable[[], Awaitable[None]],
        alert: AlertCallback,
    ) -> None:
        self._database, self._clock, self._crash = services.database, services.clock, services.crash
        self._yield_to_foreground, self._alert = yield_to_foreground, alert
        self._steps = {**steps, FLUSH: self._overwrite_deleted}
        self._tries: dict[str, dict[str, int]] = {}
        self.loop = BackgroundLoop(
            "erasure",
            self.run_once,
            max_sleep=MAX_SLEEP,
        )

    async def run_once(self) -> float:
        """Do one step of the job that is due first; return the seconds until the next one is due."""
        now = self._clock.now()
        distrusted = await clock_trust.is_distrusted(self._database)
        job = await erasure_jobs.next_job(self._database, now, clock_distrusted=distrusted)
        if job is None:
            return MAX_SLEEP
        if now < job.due and not (job.grace <= IMMEDIATE and job.due > now + MAX_IMMEDIATE_WAIT):
            return job.due - now
        await self._run_step(job)
        return 0.0

    async def _run_step(self, job: ErasureJob) -> None:
        try:
            following = await self._steps[job.step](job)
        except StepNotDone as not_yet:
            await self._retry_later(job, not_yet.what, not_yet.after)
        except DatabaseError:
            raise
        except (Transient, HomeserverUnreachable) as error:
            await self._retry_later(job, "homeserver_silent", error.retry_after)
        except TokenRefused:
            raise
        except (Permanent, ModuleRequestRejected) as error:
            log.event("erasure.step_rejected", status=error.status, kind=job.step)
            await self._retry_later(job, "step_refused", 30.0)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of one job: other jobs and texts continue
            log.failure("erasure.step_failed", error, kind=job.step)
            await self._retry_later(job, "program_failed", MAX_WAIT)
        else:
            if following != job.step:
                self._tries.pop(job.id, None)
            if following:
                await self._advance(job, following)

    async def _overwrite_deleted(self, job: ErasureJob) -> str:
        """Overwrite deleted data in the database, and then close the jobs that were signed before."""
        signed = await erasure_jobs.ids_at_step(self._database, job.step)
        await self._yield_to_foreground()
        if not await self._database.vacuum():
            raise StepNotDone("database_in_use")
        self._crash(CrashPoint.DATABASE_REWRITTEN)
        await self._database.commit(lambda transaction: erasure_jobs.delete(transaction, signed))
        return ""

    async def _advance(self, job: ErasureJob, following: str) -> None:
        now = self._clock.now()
        heard = REDACTION_DELIVERY_SECONDS if (job.step, following) == ("redact", "empty") else 0.0
        # `look` finds leftovers, for which no client waits. If it finds words, this `purge` goes back to `redact`.
        grace = job.grace if (job.step, following) == ("destroy", PURGE) else 0.0
        due = now + max(grace, heard)
        # A step that follows itself has made no progress yet.
        tries = job.tries if following == job.step else 0
        await self._database.commit(
            lambda transaction: erasure_jobs.advance(transaction, job, following, due=due, tries=tries)
        )

    async def _retry_later(self, job: ErasureJob, what: str, after: float) -> None:
        tries = job.tries + 1
        due = self._clock.now() + min(max(after, 0.2 * 2.0 ** min(tries, 12)), MAX_WAIT)
        await self._database.commit(lambda transaction: erasure_jobs.postpone(transaction, job, due=due, tries=tries))
        log.event("erasure.step_retry", kind=job.step, attempt=tries)
        if self._count_try(job, what) in (SLOW_ALERT_AFTER_TRIES if what in SLOW else ALERT_AFTER_TRIES):
            subject = "room" if job.kind == erasure_jobs.ROOM else "texter"
            await self._alert(f"{subject} {what}", job.began)

    def _count_try(self, job: ErasureJob, what: str) -> int:
        """Return how often the present step was tried in vain for that reason; another reason is another news.

        Stored are only the tries of all reasons together: after a start they count for the first one that comes up.
        """
        if not job.tries:
            self._tries.pop(job.id, None)
        by_reason = self._tries.setdefault(job.id, {what: job.tries})
        by_reason[what] = by_reason.get(what, 0) + 1
        return by_reason[what]


async def close_job(
    transaction: Transaction, job: ErasureJob, certificate: ErasureCertificate, *, now: float, until: int
) -> None:
    """Store the certificate, and in the same commit delete what the job was about; the remaining row says nothing.

    The job is due after those that are due already, so that their deleted data are overwritten together.
    """
    await erasure_jobs.store_certificate(
        transaction, certificate.id, body=certificate.body, signature=certificate.signature, until=until
    )
    await erasure_jobs.forget_subject(transaction, job.id, due=now)
    await carrier_copies.delete_results(transaction, job.id)
