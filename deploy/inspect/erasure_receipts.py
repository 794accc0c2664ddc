"""`quietline erasure verify`: the receipts of what was erased, checked, and whatever is still on its way down.

Rule of this module: it reads beside a running line and changes nothing; a receipt is good when its signature holds, and a
line is well when nothing that should be gone has been on its way for long, or so often tried that the desk has heard of it.
What somebody holds should not be gone.

When the next try is due does not tell that: every try that failed moves it on.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from bridge.erasure.carrier_copies import FREE as FREE_COPY
from bridge.erasure.carrier_copies import LOUD as LOUD_COPY
from bridge.erasure.certificate import Receipt, Signer
from bridge.erasure.job_runner import LOUD as LOUD_CASE
from bridge.storage.key_file import Keys
from bridge.storage.vault import Vault
from bridge.tables.room_events import FREE as FREE_EVENT
from deploy.inspect.status import Check, Report

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config import Config

FREE_CASE: Final = "NOT EXISTS (SELECT 1 FROM thread t WHERE t.id = e.thread AND t.held)"
OVERDUE: Final = 3600.0
"""Seconds after which something that is due and still there is not well."""


def verify(config: Config, *, now: float | None = None) -> Report:
    """Check every receipt of a line's data directory. Raises `sqlite3.Error` and `OSError` when it cannot be read."""
    at = time.time() if now is None else now
    vault = _vault(config)
    path = config.data_dir / "main.db"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
        receipts = [
            Receipt(id=r[0], body=r[1], signature=r[2]) for r in db.execute("SELECT id, body, signature FROM receipt")
        ]
        down = db.execute(
            f"SELECT kind, step, tries, due, began + patience FROM erasure e WHERE {FREE_CASE}"  # noqa: S608 - a constant
        ).fetchall()
        copies, expired = (
            db.execute(f"SELECT COUNT(*) FROM {what} AND {free}", (at - OVERDUE,)).fetchone()[0]  # noqa: S608 - constants
            for what, free in (
                (f"carrier_copy c WHERE (due < ? OR tries >= {LOUD_COPY[0]})", FREE_COPY),
                ("event e WHERE COALESCE(refused, expires) < ? AND NOT gone", FREE_EVENT),
            )
        )
        held = db.execute("SELECT COUNT(*) FROM thread WHERE held").fetchone()[0]
        doubted = db.execute("SELECT 1 FROM line WHERE name = 'clock_doubted'").fetchone() is not None
    signer = Signer(vault=vault)
    return Report(
        checks=(
            *(_receipt(signer, receipt) for receipt in sorted(receipts, key=lambda r: r.id)),
            _count("receipts", len(receipts)),
            _down(down, at),
            Check(name="on hold", ok=True, what=f"{held} on hold: nothing of it goes before its release"),
            _late("carrier", copies, "copies of texts at the carrier that should be gone"),
            _late("events", expired, "events whose time has come and that are not redacted"),
            Check(
                name="clock",
                ok=not doubted,
                what="is doubted: nothing is erased by its age" if doubted else "is trusted",
                do="Look at the machine's clock; then a supervisor says !time ok at the desk." if doubted else "",
            ),
        )
    )


def _vault(config: Config) -> Vault:
    def key(path: Path) -> bytes:
        return bytes.fromhex(path.read_text(encoding="utf-8").strip())

    # Only what the vault key makes is asked for; the file of keys is not opened.
    keys = Keys(path=config.data_dir / "keys.db")
    return Vault(keys=keys, vault_key=key(config.keys.vault_key_file), index_key=key(config.keys.index_key_file))


def _receipt(signer: Signer, receipt: Receipt) -> Check:
    name = f"receipt {receipt.id}"
    if not signer.holds(receipt):
        return Check(
            name=name,
            ok=False,
            what="its signature does not hold",
            do="Somebody changed the database, or it is another installation's. Keep a copy and tell the technician.",
        )
    told = receipt.told
    gone = ", ".join(f"{count} {what}" for what, count in told["gone"].items())
    kept = "".join(f"; {count} {what}" for part in ("left", "carrier") for what, count in told[part].items())
    return Check(name=name, ok=True, what=f"{told['what']}, done {told['done']}: looked for and gone: {gone}{kept}")


def _count(name: str, count: int) -> Check:
    return Check(name=name, ok=True, what=f"{count} kept")


def _down(rows: list[Any], now: float) -> Check:
    late = [row for row in rows if _does_not_get_on(now, *row[1:])]
    what = f"{len(rows)} on the way down"
    if not late:
        return Check(name="on the way down", ok=True, what=what)
    steps = ", ".join(sorted({f"{row[0]} at “{row[1]}”" for row in late}))
    return Check(
        name="on the way down",
        ok=False,
        what=f"{what}, {len(late)} not getting on: {steps}",
        do="It is tried again by itself. Is the line running, the homeserver's module loaded, and main.db not kept open?",
    )


def _does_not_get_on(now: float, step: str, tries: int, due: float, end: float) -> bool:
    # Words that were found late give clients their time once more, after the one that the case began with.
    waits = step == "purge" and not tries
    return due < now - OVERDUE or tries >= LOUD_CASE[0] or (end < now - OVERDUE and not waits)


def _late(name: str, count: int, what: str) -> Check:
    if not count:
        return Check(name=name, ok=True, what=f"no {what}")
    do = "It is tried again by itself. Is the line running, and what do its alerts at the desk say?"
    return Check(name=name, ok=False, what=f"{count} {what}", do=do)
