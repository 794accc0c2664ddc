"""`quietline erasure verify`: the receipts of what was erased, checked, and whatever is still on its way down.

Rule of this module: it reads beside a running line and changes nothing; a receipt is good when its signature holds, and a
line is well when nothing that should be gone has been on its way for long, or so often tried that the desk has heard of it.
What somebody holds should not be gone.

When the next try is due does not tell that: every try that failed moves it on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bridge.erasure.carrier_copies import ALERT_AFTER_TRIES as COPY_ALERT_TRIES
from bridge.erasure.certificate import CertificateSigner, ErasureCertificate
from bridge.erasure.job_runner import ALERT_AFTER_TRIES as JOB_ALERT_TRIES
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault
from bridge.tables import line_state
from bridge.tables.carrier_copies import NOT_ON_HOLD as COPY_NOT_ON_HOLD
from bridge.tables.room_events import NOT_ON_HOLD as EVENT_NOT_ON_HOLD
from deploy.data_dir import offline
from deploy.inspect.status import CheckReport, CheckResult

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config import Config
    from bridge.storage.database import Row

JOB_NOT_ON_HOLD: Final = "NOT EXISTS (SELECT 1 FROM thread t WHERE t.id = e.thread AND t.held)"
OVERDUE_SECONDS: Final = 3600.0
"""Seconds after which something that is due and still there is not well."""


def verify_certificates(config: Config, *, now: float | None = None) -> CheckReport:
    """Check every receipt of a line's data directory. Raises `DatabaseError` and `OSError` when it cannot be read."""
    at = time.time() if now is None else now
    vault = _open_vault(config)
    with offline.read_transaction(config) as db:
        receipts = [ErasureCertificate(**dict(row)) for row in db.fetch("SELECT id, body, signature FROM receipt")]
        down = db.fetch(
            f"SELECT kind, step, tries, due, began + patience FROM erasure e WHERE {JOB_NOT_ON_HOLD}"  # noqa: S608 - a constant
        )
        copies, expired = (
            db.fetchval(f"SELECT COUNT(*) FROM {what} AND {free}", at - OVERDUE_SECONDS)  # noqa: S608 - constants
            for what, free in (
                (f"carrier_copy c WHERE (due < $1 OR tries >= {COPY_ALERT_TRIES[0]})", COPY_NOT_ON_HOLD),
                ("event e WHERE COALESCE(refused, expires) < $1 AND NOT gone", EVENT_NOT_ON_HOLD),
            )
        )
        held = db.fetchval("SELECT COUNT(*) FROM thread WHERE held")
        doubted = line_state.peek(db, line_state.CLOCK_DISTRUSTED) is not None
    signer = CertificateSigner(vault=vault)
    return CheckReport(
        checks=(
            *(_certificate_check(signer, receipt) for receipt in sorted(receipts, key=lambda r: r.id)),
            _count_check("receipts", len(receipts)),
            _jobs_check(down, at),
            CheckResult(name="on hold", ok=True, what=f"{held} on hold: nothing of it goes before its release"),
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


def _open_vault(config: Config) -> Vault:
    def key(path: Path) -> bytes:
        return bytes.fromhex(path.read_text(encoding="utf-8").strip())

    # Only what the vault key makes is asked for; the file of keys is not opened.
    keys = KeyFile(path=config.data_dir / "keys.db")
    return Vault(keys=keys, vault_key=key(config.keys.vault_key_file), index_key=key(config.keys.index_key_file))


def _certificate_check(signer: CertificateSigner, receipt: ErasureCertificate) -> CheckResult:
    name = f"receipt {receipt.id}"
    if not signer.verify(receipt):
        return CheckResult(
            name=name,
            ok=False,
            what="its signature does not hold",
            do="Somebody changed the database, or it is another installation's. Keep a copy and tell the technician.",
        )
    told = receipt.content
    gone = ", ".join(f"{count} {what}" for what, count in told["gone"].items())
    kept = "".join(f"; {count} {what}" for part in ("left", "carrier") for what, count in told[part].items())
    return CheckResult(name=name, ok=True, what=f"{told['what']}, done {told['done']}: looked for and gone: {gone}{kept}")


def _count_check(name: str, count: int) -> CheckResult:
    return CheckResult(name=name, ok=True, what=f"{count} kept")


def _jobs_check(rows: list[Row], now: float) -> CheckResult:
    late = [(kind, step) for kind, step, tries, due, end in rows if _is_stalled(now, step, tries, due, end)]
    what = f"{len(rows)} on the way down"
    if not late:
        return CheckResult(name="on the way down", ok=True, what=what)
    steps = ", ".join(sorted({f"{kind} at “{step}”" for kind, step in late}))
    return CheckResult(
        name="on the way down",
        ok=False,
        what=f"{what}, {len(late)} not getting on: {steps}",
        do="It is tried again by itself. Is the line running, the homeserver's module loaded, and main.db not kept open?",
    )


def _is_stalled(now: float, step: str, tries: int, due: float, end: float) -> bool:
    # Words that were found late give clients their time once more, after the one that the case began with.
    waits = step == "purge" and not tries
    return due < now - OVERDUE_SECONDS or tries >= JOB_ALERT_TRIES[0] or (end < now - OVERDUE_SECONDS and not waits)


def _overdue_check(name: str, count: int, what: str) -> CheckResult:
    if not count:
        return CheckResult(name=name, ok=True, what=f"no {what}")
    do = "It is tried again by itself. Is the line running, and what do its alerts at the desk say?"
    return CheckResult(name=name, ok=False, what=f"{count} {what}", do=do)
