"""`quietline erasure verify`: checks the certificates of erasures, and jobs that are not closed.

Rule of this module: it reads beside a running line and changes nothing; a certificate is good when its signature is valid.
A line is well when no erasure is long overdue, and none was tried so often that the desk was told. Data on legal hold is
not overdue. The time of the next attempt does not show that a job is overdue: every failed attempt moves it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bridge.erasure.carrier_copies import ALERT_AFTER_TRIES as COPY_ALERT_TRIES
from bridge.erasure.certificate import CertificateSigner, ErasureCertificate
from bridge.erasure.job_runner import ALERT_AFTER_TRIES as JOB_ALERT_TRIES
from bridge.tables import inspection, line_state
from deploy.data_dir import offline
from deploy.inspect.check_report import CheckReport, CheckResult, fault, well

if TYPE_CHECKING:
    from bridge.config.sections import Config
    from bridge.tables.inspection import UnfinishedErasure

OVERDUE_SECONDS: Final = 3600.0
"""Seconds after which data that is due for erasure is overdue."""


def verify_certificates(config: Config, *, now: float | None = None) -> CheckReport:
    """Check every certificate of a line's data directory. Raises `DatabaseError` and `OSError` when it cannot be read."""
    at = time.time() if now is None else now
    with offline.read_transaction(config) as db:
        certificates = [
            ErasureCertificate(id=row.id, body=row.body, signature=row.signature) for row in inspection.certificates(db)
        ]
        unfinished = inspection.unfinished_erasures(db)
        copies = inspection.count_overdue_copies(db, due=at - OVERDUE_SECONDS, tries=COPY_ALERT_TRIES[0])
        expired = inspection.count_overdue_events(db, expires=at - OVERDUE_SECONDS)
        holds = inspection.count_legal_holds(db)
        doubted = line_state.peek(db, line_state.CLOCK_DISTRUSTED) is not None
    signer = CertificateSigner(vault=offline.open_vault(config))
    return CheckReport(
        checks=(
            *(_certificate_check(signer, certificate) for certificate in certificates),
            well("receipts", f"{len(certificates)} kept"),
            _jobs_check(unfinished, at),
            well("on hold", f"{holds} on hold: nothing of it goes before its release"),
            _overdue_check("carrier", copies, "copies of texts at the carrier that should be gone"),
            _overdue_check("events", expired, "events whose time has come and that are not redacted"),
            CheckResult(
                name="clock",
                ok=not doubted,
                what="is doubted: nothing is erased by its age" if doubted else "is trusted",
                do="Look at the machine's clock; then a supervisor says !time ok at the desk." if doubted else "",
            ),
        )
    )


def _certificate_check(signer: CertificateSigner, certificate: ErasureCertificate) -> CheckResult:
    name = f"receipt {certificate.id}"  # rows keep their names; earlier versions called a certificate a receipt
    if not signer.verify(certificate):
        return fault(
            name,
            "its signature does not hold",
            "Somebody changed the database, or it is another installation's. Keep a copy and tell the technician.",
        )
    content = certificate.content
    erasures = ", ".join(f"{count} {what}" for what, count in content["gone"].items())
    rest = "".join(f"; {count} {what}" for part in ("left", "carrier") for what, count in content[part].items())
    return well(name, f"{content['what']}, done {content['done']}: looked for and gone: {erasures}{rest}")


def _jobs_check(jobs: list[UnfinishedErasure], now: float) -> CheckResult:
    late = [job for job in jobs if _is_stalled(job, now)]
    what = f"{len(jobs)} on the way down"
    if not late:
        return well("on the way down", what)
    steps = ", ".join(sorted({f"{job.kind} at “{job.step}”" for job in late}))
    return fault(
        "on the way down",
        f"{what}, {len(late)} not getting on: {steps}",
        "It is tried again by itself. Is the line running, the homeserver's module loaded, and main.db not kept open?",
    )


def _is_stalled(job: UnfinishedErasure, now: float) -> bool:
    # Words that were found late give clients the full time again, after the time at the job's beginning. A purge that is
    # due already gives clients no time any more: leftovers were found after it.
    waits = job.step == "purge" and not job.tries and job.due > now
    late = now - OVERDUE_SECONDS
    return job.due < late or job.tries >= JOB_ALERT_TRIES[0] or (job.deadline < late and not waits)


def _overdue_check(name: str, count: int, what: str) -> CheckResult:
    if not count:
        return well(name, f"no {what}")
    do = "It is tried again by itself. Is the line running, and what do its alerts at the desk say?"
    return fault(name, f"{count} {what}", do)
