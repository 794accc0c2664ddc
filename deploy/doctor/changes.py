"""The rows that changed since the last look: printed, and reported at the desk and to the person on call.

Rules of this module: the last state is a file of mode 0600 with the rows' names and states, without their text, because a
changed count is no change. A row that could not be checked keeps its state. Without a file, or with an unreadable one, all
rows count as well before. When the file cannot be written, a mail is repeated.

`doctor --alarm` and `alarm failed`: a running line gets the report through its database, and tells the desk and the person
on call as for every alarm. When no line runs, its database accepts no write, or the configuration cannot be used, this
module calls the person on call. A report contains only names of rows; what `doctor --alarm` prints contains their states as
well, and no more. It is noted as sent after it was sent, so a crash in between sends it twice and never loses it; a call
that no way accepted is repeated by the next run.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bridge.config.load import CallSettings
from bridge.outbound import pager
from bridge.storage.errors import DatabaseError
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.data_dir.atomic_files import make_private_directory, write_atomically
from deploy.doctor.machine_probes import is_live
from deploy.inspect.check_report import CheckReport, CheckResult

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.sections import Config, OnCall
    from bridge.storage.database import Transaction

BRIDGE: Final = "bridge"
"""The row that shows whether the line runs."""
LIVE_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
WELL, WARNING, NOT_WELL = "well", "warning", "not well"
MORE: Final = "`quietline doctor` says what was found, and what to do."
CONFIGURATION: Final = "configuration"
"""The only name of which a report may have several rows: each problem is one."""


def since_last_time(path: Path, report: CheckReport, *, remember: bool = True) -> CheckReport:
    """Return the rows that changed since the last call with this file, and store all present states.

    `remember`: False leaves the storing to a second call, made after the changes were reported.
    """
    before = _read(path)
    now, changed = {}, []
    for row in report.checks:
        key = _key(row)
        was = before.get(key, WELL)
        now[key] = _state(row) if row.asked else was
        mended = key == CONFIGURATION and any(each.startswith(f"{CONFIGURATION}: ") for each in before)
        if now[key] != was or mended:
            changed.append(row)
    if remember and {key: state for key, state in now.items() if state != WELL} != before:
        _write(path, now)
    return CheckReport(checks=tuple(changed))


def was_not_well(path: Path) -> bool:
    """Whether a row was not well at the last call with this file."""
    return NOT_WELL in _read(path).values()


def without_texts(report: CheckReport) -> CheckReport:
    """Return only names and states: a row may name people (`first passwords`), and nothing erases a service's journal."""
    rows = [
        CheckResult(
            name=row.name,
            ok=row.ok,
            what=_state(row) if row.asked else "not asked",
            do="" if _state(row) == WELL else MORE,
            asked=row.asked,
            warning=row.warning,
        )
        for row in report.checks
    ]
    return CheckReport(checks=tuple(dict.fromkeys(rows)))


def _key(row: CheckResult) -> str:
    return f"{row.name}: {row.what}" if row.name == CONFIGURATION and not row.ok else row.name


def _state(row: CheckResult) -> str:
    return NOT_WELL if not row.ok else WARNING if row.warning else WELL


def _read(path: Path) -> dict[str, str]:
    try:
        states: Any = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(state) for name, state in states.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _write(path: Path, states: dict[str, str]) -> None:
    with contextlib.suppress(OSError):
        make_private_directory(path.parent)
        write_atomically(path, json.dumps({name: state for name, state in states.items() if state != WELL}) + "\n")


async def raise_alarm(config: Config, path: Path, report: CheckReport) -> CheckReport:
    """Report the changes since the last call with this file, and return them. Nothing is sent when all was and is well."""
    changed = since_last_time(path, report, remember=False)
    failed = list(dict.fromkeys(row.name for row in changed.checks if not row.ok))
    is_told = True
    if failed or (report.ok and was_not_well(path)):
        is_told = await _report(config, failed, runs=any(row.name == BRIDGE and row.ok for row in report.checks))
    if is_told:
        since_last_time(path, report)
    return changed


async def raise_alarm_by_call(on_call: OnCall | None, path: Path, report: CheckReport) -> CheckReport:
    """Do as `raise_alarm` for a configuration that cannot be used: nothing names the database, so a person is called.

    `on_call`: None where nobody can be called. Then what is not well stays a change until a person can be.
    """
    changed = since_last_time(path, report, remember=False)
    is_news = any(not row.ok for row in changed.checks)
    if on_call is not None and (not is_news or await _call(on_call)):
        since_last_time(path, report)
    return changed


async def raise_for_unit(config: Config, unit: str) -> bool:
    """Report that a unit of the service manager failed; return False when a call was needed and no way accepted it.

    For a line that does not run, there is no second call within an hour of one that a way accepted.
    """
    async with aiohttp.ClientSession(timeout=LIVE_TIMEOUT) as http:
        runs = await is_live(config, http)
    if runs and await _leave(config, [unit.removesuffix(".service")]):
        return True
    return await call_in_place_of_line(CallSettings(on_call=config.line.on_call, data_dir=config.data_dir))


async def call_in_place_of_line(settings: CallSettings) -> bool:
    """Call the person on call for a line that does not run, or whose configuration cannot be used.

    Return False when no way accepted the call. There is no second call within an hour of one that a way accepted.
    """
    if not pager.may_call_again(settings.data_dir, time.time()):
        return not pager.unaccepted_calls(settings.data_dir)
    async with aiohttp.ClientSession() as http:
        is_told = await pager.call(settings.on_call, http)
    if is_told:
        pager.note_accepted_call(settings.data_dir)
    return is_told


async def _report(config: Config, failed: list[str], *, runs: bool) -> bool:
    """Report the rows; return False when a call was needed and no way accepted it. Without any way it is no failure."""
    if (runs and await _leave(config, failed)) or not failed:
        return True
    return await _call(config.line.on_call)


async def _call(on_call: OnCall | None) -> bool:
    async with aiohttp.ClientSession() as http:
        return await pager.call(on_call, http)


async def _leave(config: Config, failed: list[str]) -> bool:
    """Leave the names of failed rows to the running line; return False when its database accepts no write."""

    async def write(transaction: Transaction) -> None:
        # Rows of an earlier run that the line has not read yet are reported together with these.
        before = json.loads(await line_state.get(transaction, line_state.CHECK_FOUND) or "[]") if failed else []
        names = list(dict.fromkeys([*before, *failed]))
        await line_state.put(transaction, line_state.CHECK_FOUND, json.dumps(names))

    try:
        await offline.commit(config, write)
    except (DatabaseError, OSError, ValueError):  # the last two: the file with the server's address is none any more
        return False
    return True
