"""Following a calendar: what is kept, what the desk hears, and that nothing a source does stops the line."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from bot.model.actions import DESK
from bot.model.line_incidents import CalendarRead, CalendarUnread
from bot.staffing.shifts import on_shift
from bridge.shift_calendar import follower as module
from bridge.shift_calendar.follower import CalendarFollower, CalendarState
from bridge.shift_calendar.source import AddressSource, FileSource, Source
from bridge.storage import serialization
from bridge.tables import inbox, line_state
from policies.shifts.content_lines import CalendarError, CalendarProblem
from tests.fakes.bridge_harness import BridgeHarness, ManualClock
from tests.policies.shifts.calendars import calendar, each_day, entry

SERVER = "line.example"
ANA, BEN = f"@ana:{SERVER}", f"@ben:{SERVER}"
START = ManualClock().now()
ALL_DAY = {"start": "20260101T000000", "end": "20260102T000000"}


WRITTEN = count(1)


def put(file: Path, data: bytes) -> None:
    """Write a file, at another time than any before it: two writes may be quicker than the file system's clock."""
    file.write_bytes(data)
    number = next(WRITTEN)
    os.utime(file, ns=(number, number))


def later(seconds: float) -> str:
    """Return a time after the start as a calendar has it, in UTC."""
    return f"{datetime.fromtimestamp(START, UTC) + timedelta(seconds=seconds):%Y%m%dT%H%M%SZ}"


class Followed:
    """A follower of a file, or of an address, beside a database."""

    def __init__(self, harness: BridgeHarness, source: Source) -> None:
        self.harness, self.source = harness, source
        self.follower = self.again()

    def again(self) -> CalendarFollower:
        """Return another one, as after a start."""
        return CalendarFollower(self.harness.services, source=self.source, zone="UTC", server=SERVER)

    async def look(self, after: float = 0.0) -> float:
        """Look, so many seconds later."""
        self.harness.clock.at += after
        return await self.follower.run_once()

    async def told(self) -> list[object]:
        """Return what waits for the desk."""
        rows = [row.inbox_row for row in await inbox.events_of(self.harness.database, DESK)]
        return [
            serialization.decode(row.kind, await self.harness.vault.open(DESK, inbox.CONTEXT, row.body)) for row in rows
        ]

    async def state(self) -> CalendarState:
        return CalendarState.parse(await line_state.get(self.harness.database, line_state.CALENDAR_STATE))

    @property
    def on(self) -> frozenset[str]:
        shifts = self.follower.shifts
        return frozenset() if shifts is None else on_shift(shifts, self.harness.clock.now())


@asynccontextmanager
async def following(tmp_path: Path, source: Source | None = None) -> AsyncIterator[Followed]:
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.engine.load()
    try:
        yield Followed(harness, source or FileSource(tmp_path / "plan.ics"))
    finally:
        await harness.close()


async def test_a_file_is_followed_and_its_change_is_heard(tmp_path: Path) -> None:
    """It is read once while it stays, again when it is another, and renewed for the weeks that come."""
    file = tmp_path / "plan.ics"
    put(file, calendar(each_day(**ALL_DAY)))
    async with following(tmp_path) as at:
        assert await at.look() == at.source.every
        assert at.on == {ANA}
        assert await at.told() == [CalendarRead()]
        until = at.follower.shifts.until if at.follower.shifts else 0.0
        await at.look(10)
        assert (await at.state()).read_at == START
        put(file, calendar(each_day(who="ben", **ALL_DAY)))
        await at.look(10)
        assert at.on == {BEN}
        assert await at.told() == [CalendarRead(), CalendarRead()]
        await at.look(module.RENEW)
        assert at.follower.shifts is not None
        assert at.follower.shifts.until == until + 20 + module.RENEW
        assert len(await at.told()) == 2


async def test_a_start_takes_the_copy_up_and_another_source_does_not(tmp_path: Path) -> None:
    """The copy outlives the process; a copy of what the configuration does not name any more counts for nothing."""
    file = tmp_path / "plan.ics"
    put(file, calendar(each_day(**ALL_DAY)))
    async with following(tmp_path) as at:
        await at.look()
        file.unlink()
        at.follower = at.again()
        assert at.on == set()
        await at.follower.load()
        assert at.on == {ANA}
        await at.look(5)
        assert at.on == {ANA}
        at.source = FileSource(tmp_path / "another.ics")
        at.follower = at.again()
        await at.follower.load()
        assert at.follower.shifts is None
        assert await line_state.get(at.harness.database, line_state.CALENDAR) is None
        at.source = FileSource(file)
        at.follower = at.again()
        put(file, calendar(each_day(**ALL_DAY)))
        await at.look()
        await module.forget(at.harness.services)
        assert await line_state.get(at.harness.database, line_state.CALENDAR) is None
        await module.forget(at.harness.services)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(None, CalendarProblem.UNREACHABLE, id="gone"),
        pytest.param(b"", CalendarProblem.NOT_A_CALENDAR, id="empty file"),
        pytest.param(calendar(), CalendarProblem.EMPTY, id="no entry"),
        pytest.param(calendar(each_day()).replace(b"ana", b"\xff"), CalendarProblem.NOT_A_CALENDAR, id="not UTF-8"),
        pytest.param(b"x" * 10 * 1024 * 1024, CalendarProblem.LARGE, id="10 MB"),
        pytest.param(
            calendar(entry("DTSTART:20270101T000000Z", "DURATION:PT1S", "RRULE:FREQ=SECONDLY")),
            CalendarProblem.EMPTY,
            id="every second",
        ),
        pytest.param(calendar(each_day(who="Ana Smith")), CalendarProblem.EMPTY, id="of strangers alone"),
    ],
)
async def test_what_cannot_be_used_leaves_the_copy_and_is_told_once(
    tmp_path: Path, data: bytes | None, problem: CalendarProblem
) -> None:
    """With the age of the copy, after the time of the source, once over a restart; and once that it is well again."""
    file = tmp_path / "plan.ics"
    good = calendar(each_day(**ALL_DAY))
    put(file, good)
    async with following(tmp_path) as at:
        await at.look()
        file.unlink() if data is None else put(file, data)
        assert await at.look(2 * 3600) == at.source.retry_seconds
        assert len(await at.told()) == 1
        await at.look(at.source.alert_after)
        assert (await at.told())[1:] == [CalendarUnread(problem=problem, hours=2)]
        at.follower = at.again()
        await at.follower.load()
        await at.look(3600)
        assert at.on == {ANA}
        assert len(await at.told()) == 2
        assert (await at.state()).failing_since == START + 2 * 3600
        put(file, good)
        await at.look(5)
        assert (await at.told())[2:] == [CalendarRead(recovered=True)]
        state = await at.state()
        assert (state.read_at, state.failing_since, state.told) == (at.harness.clock.now(), 0.0, False)


async def test_an_address_is_asked_again_and_its_copy_stays(tmp_path: Path) -> None:
    """Half an hour after one that was well, sooner after one that was not; supervisors hear of it after an hour."""
    (tmp_path / "address").write_text("https://plan.agency.org/secret.ics", encoding="utf-8")
    answers: list[bytes | CalendarProblem] = [calendar(each_day(**ALL_DAY))]

    async def fetch(url: str, *, most: int) -> bytes:
        assert url.endswith("secret.ics")
        assert most > 0
        answer = answers[0]
        if isinstance(answer, CalendarProblem):
            raise CalendarError(answer)
        return answer

    async with following(tmp_path, AddressSource(tmp_path / "address", fetch=fetch)) as at:
        assert await at.look() == 1800
        answers[0] = CalendarProblem.REFUSED
        assert await at.look(1800) == 300
        assert len(await at.told()) == 1
        await at.look(3600)
        assert (await at.told())[1:] == [CalendarUnread(problem=CalendarProblem.REFUSED, hours=1)]
        assert at.on == {ANA}


async def test_nothing_of_the_calendar_is_logged_or_stored_in_clear(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a name nor where it is stands in the log or in any file of the line."""
    caplog.set_level("DEBUG")
    line = tmp_path / "line"
    line.mkdir()
    place = tmp_path / "plan-of-zenobia.ics"
    place.write_bytes(calendar(each_day(who="zenobia", **ALL_DAY), entry("DTSTART:1", who="Zenobia Smith")))
    async with following(line, FileSource(place)) as at:
        await at.look()
        assert at.on == {f"@zenobia:{SERVER}"}
        place.unlink()
        await at.look(5)
        await at.look(60)
    assert "zenobia" not in caplog.text.lower()
    for root, _, names in os.walk(line):
        assert all(b"zenobia" not in (Path(root) / name).read_bytes().lower() for name in names)
