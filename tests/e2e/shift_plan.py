"""The shift calendar of a running line: a file in its data directory.

Rule of this module: it is written beside the old file and then replaces it, as the documentation tells an agency.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.policies.shifts.calendars import calendar, entry

EVERYBODY: Final = ("ada", "bea", "sol")
"""With everybody on shift a plan changes nothing."""


def plan_file(data: Path) -> Path:
    """Return the path of a line's plan."""
    return data / "plan.ics"


def put_plan(data: Path, *names: str) -> None:
    """Put these people on one shift, from yesterday for weeks, without a fourth night in a row."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    shift = entry("UID:plan", f"DTSTART:{yesterday:%Y%m%d}T000000Z", "DURATION:P20D", who="\\, ".join(names))
    new = data / "plan.new"
    new.write_bytes(calendar(shift))
    new.replace(plan_file(data))
