"""The calendar of shifts: what a pack may say, who is on, and what is a gap, also when clocks change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.staffing.shifts import WEEK, gaps, local_minute, next_change, on_shift, shift_ends
from policies.load import PackError, load
from policies.pack import Hours, PersonShifts, Shifts
from tests.every_row import every_row

ZONE = "America/New_York"
ANA, BEN = "@ana:line.example", "@ben:line.example"
ALWAYS = Hours(always=True, timezone="UTC", week=((),) * 7, closed=frozenset(), holidays=(), clock=12, sample=False)
DAYTIME = replace(ALWAYS, always=False, timezone=ZONE, week=(((480, 1200),),) * 7)
Periods = tuple[tuple[int, int], ...]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def at(text: str, fold: int = 0) -> float:
    """Return a local time as seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE), fold=fold).timestamp()


def person(who: str = ANA, dates: Mapping[date, Periods] = MappingProxyType({}), **days: Periods) -> PersonShifts:
    """Return a person with these periods on these days of the week."""
    return of_week(days, who, dates)


def of_week(
    days: Mapping[str, Periods], who: str = ANA, dates: Mapping[date, Periods] = MappingProxyType({})
) -> PersonShifts:
    """Return a person with these periods by day of the week."""
    return PersonShifts(who=who, week=tuple(days.get(day, ()) for day in WEEKDAYS), dates=dates)


def calendar(*people: PersonShifts) -> Shifts:
    return Shifts(timezone=ZONE, people=people)


def test_a_night_is_one_shift_and_a_date_has_its_own() -> None:
    """Periods that meet at midnight end once; people may overlap; a date of its own replaces the week's periods."""
    monday = date(2027, 1, 11)
    shifts = calendar(
        person(mon=((1320, 1440),), tue=((0, 360),), dates={monday: ()}), person(BEN, mon=((1380, 1440),), tue=((0, 60),))
    )
    evening = at("2027-01-04T23:30")
    assert on_shift(shifts, evening) == {ANA, BEN}
    assert shift_ends(shifts, ANA, evening) == at("2027-01-05T06:00")
    assert next_change(shifts, evening) == at("2027-01-05T01:00")
    assert on_shift(shifts, at("2027-01-11T23:30")) == {BEN}
    assert next_change(calendar(person(dates={monday: ((0, 60),)})), evening) == at("2027-01-11T00:00")
    assert next_change(calendar(person()), evening) == evening + WEEK


NIGHT: Periods = ((0, 360), (1320, 1440))


def test_a_gap_is_where_the_line_is_open_and_nobody_known_is_on() -> None:
    """Nights of a line that is closed are none, people who are not at the desk fill none, what meets is one gap."""
    shifts = calendar(person(mon=((480, 720),)), person(BEN, mon=((720, 1200),)))
    day = {"now": at("2027-01-04T00:00"), "until": at("2027-01-05T00:00")}
    assert gaps(shifts, DAYTIME, people=(ANA, BEN), **day) == ()
    assert gaps(shifts, DAYTIME, people=(ANA,), **day) == ((at("2027-01-04T12:00"), at("2027-01-04T20:00")),)
    assert gaps(shifts, DAYTIME, people=(), **day) == ((at("2027-01-04T08:00"), at("2027-01-04T20:00")),)
    night = ((at("2027-01-04T00:00"), at("2027-01-04T08:00")), (at("2027-01-04T20:00"), at("2027-01-05T00:00")))
    assert gaps(shifts, ALWAYS, people=(ANA, BEN), **day) == night
    assert local_minute(shifts, night[0][1]) == "2027-01-04 08:00"


PERIOD = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda period: period[0] < period[1])
DAYS = st.lists(st.lists(PERIOD, max_size=2).map(tuple), min_size=7, max_size=7).map(tuple)


@given(
    week=DAYS,
    hours=DAYS,
    now=st.sampled_from(["2026-10-31T22:17", "2027-03-13T22:17", "2027-01-04T00:00"]),
    seconds=st.integers(0, 59),
)
def test_every_minute_over_a_change_of_clocks_is_judged_by_the_wall(
    week: tuple[Periods, ...], hours: tuple[Periods, ...], now: str, seconds: int
) -> None:
    """Minute by minute: a gap is what the wall's clock says is open and not covered; `next_change` names no late moment."""
    shifts = calendar(PersonShifts(who=ANA, week=week, dates={}))
    opening = replace(DAYTIME, week=hours)
    begin = at(now) + seconds
    end = begin + 10 * 3600
    spans = gaps(shifts, opening, now=begin, until=end, people=(ANA,))
    assert all(one[1] < two[0] for one, two in pairwise(spans))

    def stands(periods: tuple[Periods, ...], moment: float) -> bool:
        local = datetime.fromtimestamp(moment, ZoneInfo(ZONE))
        minute = local.hour * 60 + local.minute
        return any(first <= minute < last for first, last in periods[local.weekday()])

    wall = [begin, *(at(now) + 60 * minute for minute in range(1, 600))]
    for moment in wall:
        assert (ANA in on_shift(shifts, moment)) is stands(week, moment)
        expected = stands(hours, moment) and not stands(week, moment)
        assert any(first <= moment < last for first, last in spans) is expected
    changed = next((m for m in wall if stands(week, m) is not stands(week, begin)), None)
    if changed is not None:
        assert next_change(shifts, begin) == changed


HEAD = "name: agency\nshifts: "
ONE = '{who: "@ana:x", week: {mon: ["08:00-12:00"]}}'
BAD = {
    "{people: []}": "shifts.people: ",
    '{people: [{who: "@ana:x", week: {}}]}': "shifts.people.0: has no shift",
    '{people: [{who: "@ana:x", week: {mon: ["16:00-08:00"]}}]}': "shifts.people.0.week.mon.0: must end after",
    '{people: [{who: "@ana:x", week: {mon: ["08:00-12:00", "11:00-13:00"]}}]}': "0: two periods of mon overlap",
    '{people: [{who: "@ana:x", dates: {2027-01-04: ["08:00-12:00", "11:00-13:00"]}}]}': "two periods of 2027-01-04 overlap",
    f"{{people: [{ONE}, {ONE}]}}": "is there twice",
    '{people: [{who: ana, week: {mon: ["08:00-12:00"]}}]}': "shifts.people.0.who: ",
    '{timezone: Mars/Base, people: [{who: "@ana:x", week: {mon: ["08:00-12:00"]}}]}': "shifts.timezone: this machine knows",
    '{timezone: Europe/Madrid, people: [{who: "@ana:x", week: {mon: ["08:00-12:00"]}}]}': "shifts.timezone: is not that of",
}


@every_row("shifts", BAD)
def test_a_bad_calendar_is_refused_without_a_name(shifts: str, tmp_path: Path) -> None:
    """Empty, overlapping with itself, ending before it starts, in another zone: refused with its place, and no name."""
    file = tmp_path / "agency.yaml"
    week = 'hours: {timezone: America/New_York, week: {mon: ["08:00-20:00"]}}\n'
    file.write_text(week + HEAD + shifts, encoding="utf-8")
    with pytest.raises(PackError) as refused:
        load(["base", str(file)])
    assert any(BAD[shifts] in problem for problem in refused.value.problems), refused.value.problems
    assert all("@ana" not in problem for problem in refused.value.problems)
