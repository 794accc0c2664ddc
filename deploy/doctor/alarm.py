"""`quietline doctor --alarm` and `quietline alarm failed`: a new fault is reported at the desk and to the person on call.

Rules of this module: a running line gets the report through its database, and does both as for every alarm. When no line
runs, or its database accepts no write, this module calls the person on call. A report contains only names of rows. A report
is noted as sent after it was sent, so a crash in between sends it twice and never loses it; a call that no way accepted is
repeated by the next run.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from bridge.outbound import pager
from bridge.storage.errors import DatabaseError
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.doctor import changes
from deploy.doctor.machine_probes import is_live

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.sections import Config
    from bridge.storage.database import Transaction
    from deploy.inspect.check_report import CheckReport

BRIDGE: Final = "bridge"
"""The row that shows whether the line runs."""
LIVE_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


async def raise_alarm(config: Config, path: Path, report: CheckReport) -> CheckReport:
    """Report the changes since the last call with this file, and return them. Nothing is sent when all was and is well."""
    changed = changes.since_last_time(path, report, remember=False)
    failed = list(dict.fromkeys(row.name for row in changed.checks if not row.ok))
    is_told = True
    if failed or (report.ok and changes.was_not_well(path)):
        is_told = await _report(config, failed, runs=any(row.name == BRIDGE and row.ok for row in report.checks))
    if is_told:
        changes.since_last_time(path, report)
    return changed


async def raise_for_unit(config: Config, unit: str) -> bool:
    """Report that a unit of the service manager failed; return False when a call was needed and no way accepted it.

    For a line that does not run, there is no second call within an hour.
    """
    async with aiohttp.ClientSession(timeout=LIVE_TIMEOUT) as http:
        runs = await is_live(config, http)
    if not runs and not pager.may_call_again(config.data_dir, time.time()):
        return True
    is_told = await _report(config, [unit.removesuffix(".service")], runs=runs)
    if not is_told:
        pager.forget_call(config.data_dir)
    return is_told


async def _report(config: Config, failed: list[str], *, runs: bool) -> bool:
    """Report the rows; return False when a call was needed and no way accepted it. Without any way it is no failure."""

    async def leave(transaction: Transaction) -> None:
        # Rows of an earlier run that the line has not read yet are reported together with these.
        before = json.loads(await line_state.get(transaction, line_state.CHECK_FOUND) or "[]") if failed else []
        names = list(dict.fromkeys([*before, *failed]))
        await line_state.put(transaction, line_state.CHECK_FOUND, json.dumps(names))

    if runs:
        try:
            await offline.commit(config, leave)
        except DatabaseError:
            runs = False
    if runs or not failed:
        return True
    async with aiohttp.ClientSession() as http:
        ways = await pager.call_each(config.line.on_call, http, message=pager.MESSAGE)
    return not ways or any(ways.values())
