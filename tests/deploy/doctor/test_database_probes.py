"""What the doctor reads in the database: the line's age, its silence, its lock."""

from __future__ import annotations

import time
from dataclasses import replace
from os import utime
from pathlib import Path

import pytest

from bridge.app import run_history
from bridge.config.sections import ShiftCalendar
from bridge.inbound.arrivals import HOUR, ArrivalHistory
from bridge.shift_calendar.follower import CalendarState
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.data_dir.layout import Layout
from deploy.doctor.database_probes import check_calendar, check_lock, check_silence, line_age
from deploy.inspect.check_report import CheckResult
from tests.deploy.inspect.test_shared_checks import real
from tests.deploy.line_directory import LineDirectory
from tests.every_row import every_row

DAY = 86_400.0


def silence(line: LineDirectory, *, age: float, rehearsal: bool = False) -> CheckResult:
    config = line.config if rehearsal else real(line.config)
    with offline.read_transaction(config) as db:
        return check_silence(db, config, now=time.time(), age=age)


async def put(line: LineDirectory, name: str, value: str) -> None:
    await line.harness.database.commit(lambda transaction: line_state.put(transaction, name, value))


async def test_a_line_is_as_old_as_its_first_start(line: LineDirectory) -> None:
    """Where the homeserver is elsewhere too, and whoever edited the configuration since; before that, as its files."""
    elsewhere = Layout(line.layout.bridge, config_file=line.layout.config)
    utime(line.layout.config, (0, time.time() - 3 * DAY))
    with offline.read_transaction(line.config) as db:
        assert 2.9 < line_age(db, elsewhere) < 3.1
    await run_history.record_start(line.harness.database, time.time() - 10 * DAY)
    with offline.read_transaction(line.config) as db:
        assert 9.9 < line_age(db, elsewhere) < 10.1


async def test_a_line_that_never_got_a_text(line: LineDirectory) -> None:
    """It is not well after a week; a rehearsal is never held to it."""
    assert silence(line, age=6.9).ok
    assert not silence(line, age=7.1).ok
    assert silence(line, age=7.1).do
    assert silence(line, age=70.0, rehearsal=True).ok


@pytest.mark.parametrize(("hours", "ok"), [(17, True), (21, False)])
async def test_silence_is_longer_than_is_usual_here(line: LineDirectory, hours: int, ok: bool) -> None:
    """Half more than the usual twelve hours: less is well, more is not."""
    last = int(time.time() // HOUR) - hours
    await put(line, line_state.ARRIVALS, ArrivalHistory(last=last, gaps={1: 12, 2: 12, 3: 40}).text())
    row = silence(line, age=100.0)
    assert row.ok is ok
    assert "up to 12 hours are usual here" in row.what


async def test_a_lock_is_found_and_nothing_is_left_behind(line: LineDirectory) -> None:
    """Held by another it is not well; free it is, with the same files as before; and where nobody has opened it."""
    database = line.config.data_dir / "main.db"
    await put(line, "backed_up", "1")
    other = SqliteConnection(database)
    other.execute("BEGIN IMMEDIATE")
    assert not check_lock(line.config, wait_ms=50).ok
    other.execute("ROLLBACK")
    other.close()
    for wait_ms in (5000, 50):
        before = {path.name: path.stat().st_size for path in line.config.data_dir.iterdir()}
        assert check_lock(line.config, wait_ms=wait_ms).ok
        assert {path.name: path.stat().st_size for path in line.config.data_dir.iterdir()} == before
        await line.harness.database.close()  # then nobody has it open


@every_row(
    ("state", "ok", "warning"),
    [
        (None, False, False),
        (CalendarState(read_at=-HOUR), True, False),
        (CalendarState(read_at=-HOUR, failing_since=-60.0), True, True),
        (CalendarState(read_at=-30 * HOUR), False, False),
        (CalendarState(read_at=-30 * HOUR, failing_since=-29 * HOUR, told=True), False, False),
        (CalendarState(failing_since=-60.0), False, False),
    ],
)
async def test_a_calendar_that_is_old(line: LineDirectory, state: CalendarState | None, ok: bool, warning: bool) -> None:
    """One that was not read for a day is not well, one that fails for minutes is a warning, and none is well."""
    now = time.time()
    if state is not None:
        read_at, since = (at and now + at for at in (state.read_at, state.failing_since))
        await put(line, line_state.CALENDAR_STATE, replace(state, read_at=read_at, failing_since=since).text())
    settings = line.config.line.model_copy(update={"calendar": ShiftCalendar(file=Path("/srv/line/plan.ics"))})
    config = line.config.model_copy(update={"lines": [settings]})
    with offline.read_transaction(line.config) as db:
        assert check_calendar(db, line.config, now).ok
        row = check_calendar(db, config, now)
    assert (row.ok, row.warning, bool(row.do)) == (ok, warning, warning or not ok)
    assert "plan" not in row.what
