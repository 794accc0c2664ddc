"""`quietline doctor --changes`: what is other than the last time, so that a timer's mail comes when something happened.

Rules of this module: the state of the last time is a file of mode 0600 with the rows' names and how they were, and nothing
of what they said, for a count that moves is no change. A row that nobody could ask keeps what it was. Without a file, or
with one that cannot be read, everything counts as having been well. A file that cannot be written costs a repeated mail.
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
"""The one name that a report may have several rows of: each problem is one."""


def since_last_time(path: Path, report: CheckReport, *, remember: bool = True) -> CheckReport:
    """Return the rows that changed since the last call with this file, and remember how all are now.

    `remember`: False leaves that to a second call, for when what changed was told.
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
    """Whether something was not well at the last call with this file."""
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
