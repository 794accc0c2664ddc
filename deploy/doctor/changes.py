"""`quietline doctor --changes`: the rows that changed since the last call, so that a timer sends mail only for changes.

Rules of this module: the last state is a file of mode 0600 with the rows' names and states, without their text, because a
changed count is no change. A row that could not be checked keeps its state. Without a file, or with an unreadable one, all
rows count as well before. When the file cannot be written, a mail is repeated.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from deploy.data_dir.atomic_files import make_private_directory, write_atomically
from deploy.inspect.check_report import CheckReport, CheckResult

if TYPE_CHECKING:
    from pathlib import Path

WELL, WARNING, NOT_WELL = "well", "warning", "not well"
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
