"""Rows about a line's operation that `doctor` and `status` share: waiting texts, deaths, people, disk, the last backup.

Rules of this module: counts and times, never a row's content; times of texts are shown in whole hours, as they are stored.
A fault that a person may correct within days is only a warning in `status`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.config.load import ConfigError, parse
from bridge.inbound.arrivals import HOUR, ArrivalHistory
from bridge.storage.errors import DatabaseError
from bridge.storage.sqlite_connection import BUSY_MS
from bridge.tables import inspection, line_state
from bridge.tables.sent_texts import ID_RETENTION
from deploy.data_dir import offline
from deploy.doctor.database_probes import UNREADABLE, check_desk, check_lock
from deploy.doctor.machine_probes import check_disks, check_restarts
from deploy.doctor.postgres_probes import AWAY, server_problem
from deploy.doctor.probes import Probe, in_thread
from deploy.inspect import doctor_database
from deploy.inspect.check_report import CheckResult, fault, warning, well
from deploy.inspect.leader import leader_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config.sections import Config
    from bridge.storage.database import Snapshot
    from bridge.tables.inspection import WaitingRows
    from deploy.data_dir.layout import Layout

TEXTS: Final = "texts"
LEAVING_SECONDS: Final = 300.0
"""Seconds after which a waiting outbound text is a fault: the limit of the alarm `QuietlineOutboxStuck`."""
LOOK_SECONDS: Final = 1.0
"""Seconds between two reads of the oldest event: a decision takes milliseconds, and the inbox has no times."""
LOCK_MS: Final = 1000
"""How long to wait for the write lock; a commit takes some milliseconds."""


def texts_probe(config: Config, *, seconds: float) -> Probe:
    """Return the probe of waiting events and texts. `seconds`: its limit."""
    wait_ms = int(seconds * 250)

    def read() -> tuple[WaitingRows, str]:
        with offline.read_transaction(config, busy_ms=wait_ms) as db:
            return _read(db)

    async def ask() -> Sequence[CheckResult]:
        waiting, last = await in_thread(read)
        first = waiting.oldest_event
        if first is not None:
            await asyncio.sleep(min(LOOK_SECONDS, seconds / 4))
            waiting, last = await in_thread(read)
        stands = first is not None and waiting.oldest_event == first
        return [check_waiting(waiting, last, stands=stands)]

    return Probe(names=(TEXTS,), ask=ask, do=UNREADABLE if config.database is None else AWAY)


def check_waiting(waiting: WaitingRows, last: str, *, stands: bool = False) -> CheckResult:
    """Judge waiting rows. `stands`: the oldest event was read twice."""
    what = (
        f"{last}; {waiting.event_count} wait for a decision, {waiting.outbox_count} to leave, {waiting.unknown} are unknown"
    )
    if waiting.oldest_in_outbox is not None and time.time() - waiting.oldest_in_outbox > LEAVING_SECONDS:
        minutes = (time.time() - waiting.oldest_in_outbox) / 60
        do = (
            "See the rows of the homeserver and the carrier. With both well, the log of the bridge says what is refused; "
            "tell the desk by voice meanwhile, and see `quietline carrier check`."
        )
        return fault(TEXTS, f"{what}; the oldest waits to leave for {minutes:.0f} minutes", do)
    if stands:
        do = "Ask again. If it stays, is the machine overloaded (`quietline doctor`), and what says the log of the bridge?"
        return warning(TEXTS, f"{what}; the oldest was not decided at once", do)
    return well(TEXTS, what)


def _read(db: Snapshot) -> tuple[WaitingRows, str]:
    """Return the waiting rows, and a phrase with the times of the last text in each direction, if stored."""
    now, waiting = time.time(), inspection.waiting_rows(db)
    history = ArrivalHistory.parse(line_state.peek(db, line_state.ARRIVALS))
    came = "none ever came" if history is None else f"the last came {_hours(now - (history.last + 1) * HOUR)} ago"
    last_left = (
        ""
        if waiting.remembered_until is None
        else f", the last left {_hours(now - (waiting.remembered_until - ID_RETENTION))} ago"
    )
    return waiting, f"{came}{last_left}"


async def status_rows(layout: Layout) -> list[CheckResult]:
    """Return the rows of `status` besides the parts' answers; none for a line that was never started.

    `doctor` reports errors in the configuration: the running line was started with another one.
    """
    try:
        config, _ = parse(layout.config)
    except ConfigError:
        return []
    return await asyncio.to_thread(_status_rows, layout, config)


def _status_rows(layout: Layout, config: Config) -> list[CheckResult]:
    if not offline.has_database(config):
        return []
    now = time.time()
    try:
        with offline.read_transaction(config, busy_ms=BUSY_MS) as db:
            backup = doctor_database.check_backup(db, config, now, 0.0)
            rows = [
                check_waiting(*_read(db)),
                _as_warning(check_desk(db, config)),
                replace(backup, ok=True, warning=bool(backup.do) and not config.line.rehearsal),
            ]
    except DatabaseError as error:
        what, do = ("cannot be read", UNREADABLE) if config.database is None else (server_problem(error), AWAY)
        rows = [fault("database", what, do)]
    if config.database is None and not (lock := check_lock(config, wait_ms=LOCK_MS)).ok:
        rows.append(lock)
    deaths = check_restarts(layout, config)
    # A restart hides a death; in a rehearsal people may kill parts on purpose.
    return [*check_disks(layout, config), *leader_rows(config), *rows, _as_warning(deaths, quiet=config.line.rehearsal)]


def _as_warning(row: CheckResult, *, quiet: bool = False) -> CheckResult:
    return row if row.ok else replace(row, ok=True, warning=not quiet)


def _hours(seconds: float) -> str:
    hours = max(0, int(seconds // HOUR))
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
