"""What `quietline check` says of shifts: of the pack's, of a calendar file, and of an address; and it names nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from bridge.config.load import load
from bridge.shift_calendar.source import AddressSource
from deploy.data_dir.layout import Layout
from deploy.inspect.check_report import CheckResult
from deploy.preflight.calendar_check import judge
from policies.load import load as load_pack
from policies.shifts.content_lines import CalendarError, CalendarProblem
from tests.deploy.preflight.test_preflight import rehearsal, rows_of
from tests.policies.shifts.calendars import calendar, each_day, entry

COMING = f"{datetime.now(UTC) + timedelta(days=1):%Y%m%dT000000Z}"


def with_calendar(tmp_path: Path, **keys: str) -> tuple[Layout, str]:
    """Return a line with that calendar, and the first name of its staff."""
    layout = rehearsal(tmp_path)
    configuration = yaml.safe_load(layout.config.read_text())
    configuration["lines"][0]["calendar"] = keys
    layout.config.write_text(yaml.safe_dump(configuration))
    return layout, configuration["lines"][0]["staff"][0]["mxid"].removeprefix("@").partition(":")[0]


async def test_a_calendar_file_is_read(tmp_path: Path) -> None:
    """It is well, has entries of nobody that are counted, or cannot be used, and the row says what to do."""
    file = tmp_path / "plan.ics"
    layout, name = with_calendar(tmp_path, file=str(file))

    async def row() -> CheckResult:
        return (await rows_of(layout))["calendar"]

    missing = await row()
    assert (missing.ok, missing.asked, bool(missing.do)) == (False, True, True)
    file.write_bytes(calendar(each_day(who=name)))
    well = await row()
    assert (well.ok, well.warning, well.do) == (True, False, "")
    odd = entry(f"DTSTART:{COMING}", "DURATION:PT1H", who="Zenobia Smith")
    file.write_bytes(calendar(each_day(who=name), each_day(who="zenobia"), odd, entry("DTSTART:1", who="zenobia")))
    mixed = await row()
    assert (mixed.ok, mixed.warning) == (True, True)
    assert mixed.what.endswith("people who are not on the staff: 1, entries of nobody: 1, entries that cannot be read: 1")
    assert "zenobia" not in f"{mixed.what} {mixed.do}".lower()
    file.write_bytes(calendar(each_day(who="zenobia")))
    others = await row()
    assert (others.ok, others.warning, bool(others.do)) == (False, False, True)
    file.write_bytes(calendar())
    assert (await row()).ok is False


@pytest.mark.parametrize("problem", CalendarProblem)
async def test_an_address_that_gives_no_answer_is_asked_again(tmp_path: Path, problem: CalendarProblem) -> None:
    """A wrong answer is a fault; neither has the address in its row."""
    address = tmp_path / "address"
    address.write_text("https://plan.agency.org/secret-7f3a", encoding="utf-8")
    address.chmod(0o600)
    layout, _ = with_calendar(tmp_path, address_file=str(address))
    config, pack = load(layout.config), load_pack(["base", "rehearsal"])

    async def fetch(url: str, *, most: int) -> bytes:
        raise CalendarError(problem)

    row = await judge(AddressSource(address, fetch=fetch), config, pack)
    away = problem is CalendarProblem.UNREACHABLE
    assert (row.ok, row.asked) == (away, not away)
    assert row.do
    assert "agency" not in f"{row.what} {row.do}"
