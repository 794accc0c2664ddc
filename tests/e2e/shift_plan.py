"""The calendar of shifts of a line that runs: a file in its data directory.

Rule of this module: it is written whole, beside the old one, and put in its place, as an agency is told to do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.policies.shifts.calendars import calendar, entry

EVERYBODY: Final = ("ada", "bea", "sol")
"""A plan that has all of them on changes nothing for anybody."""


def plan_file(data: Path) -> Path:
    """Return where the plan of a line is."""
    return data / "plan.ics"


def put_plan(data: Path, *names: str) -> None:
    """Have these people on shift, since yesterday and for weeks: one shift, without a fourth night in a row."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    shift = entry("UID:plan", f"DTSTART:{yesterday:%Y%m%d}T000000Z", "DURATION:P20D", who="\\, ".join(names))
    new = data / "plan.new"
    new.write_bytes(calendar(shift))
    new.replace(plan_file(data))
