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

from bot.staffing.shifts import (
    MOST_NIGHTS,
    WEEK,
    gaps,
    local_minute,
    next_change,
    nights_in_a_row,
    on_shift,
    shift_ends,
)
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


@every_row(
    ("nights", "now", "count"),
    [
        ({"tue": NIGHT[:1], "mon": NIGHT[1:]}, "2027-01-11T22:00", 1),
        ({"mon": NIGHT[1:], "tue": NIGHT, "wed": NIGHT, "thu": NIGHT[:1]}, "2027-01-13T22:00", 3),
        ({"mon": NIGHT[1:], "tue": NIGHT, "wed": NIGHT, "thu": NIGHT[:1]}, "2027-01-14T05:59", 3),
        ({"mon": NIGHT[1:], "tue": NIGHT, "wed": NIGHT, "thu": NIGHT[:1]}, "2027-01-14T06:00", 0),
        ({"mon": ((480, 960),), "tue": ((480, 960),)}, "2027-01-12T09:00", 0),
        ({"mon": ((1080, 1440),), "tue": ((1080, 1440),)}, "2027-01-12T20:00", 0),
        ({"mon": ((300, 600),)}, "2027-01-11T06:00", 0),
        ({"mon": ((299, 600),)}, "2027-01-11T06:00", 1),
        (dict.fromkeys(WEEKDAYS, NIGHT), "2027-01-13T23:00", MOST_NIGHTS),
    ],
)
def test_nights_in_a_row(nights: dict[str, Periods], now: str, count: int) -> None:
    """A night is what of a shift lies before five; an evening, a day and a shift that is over are none."""
    assert nights_in_a_row(calendar(of_week(nights)), ANA, at(now)) == count
    assert nights_in_a_row(calendar(of_week(nights)), BEN, at(now)) == 0


def test_nights_over_a_change_of_clocks_and_a_day_off() -> None:
    """The night in which an hour comes twice is one night, also within that hour; a date off ends the row."""
    off = of_week(dict.fromkeys(WEEKDAYS, NIGHT), dates={date(2026, 10, 29): ()})
    for fold in (0, 1):
        assert nights_in_a_row(calendar(off), ANA, at("2026-11-01T01:30", fold)) == 3


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


def test_clocks_that_change() -> None:
    """The hour that comes twice is on shift twice; a shift that begins in the hour left out begins after it."""
    twice = calendar(person(sun=((60, 120),)))
    assert shift_ends(twice, ANA, at("2026-11-01T01:00")) == at("2026-11-01T01:00") + 2 * 3600
    assert shift_ends(twice, ANA, at("2026-11-01T01:30", fold=1)) == at("2026-11-01T02:00")
    skipped = calendar(person(sun=((150, 240),)))
    assert next_change(skipped, at("2027-03-14T01:00")) == at("2027-03-14T03:00")


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


def test_a_good_calendar_takes_the_zone_of_the_hours(tmp_path: Path) -> None:
    """Without a zone of its own it has that of the hours; hours without one need it said."""
    file = tmp_path / "agency.yaml"
    people = '{people: [{who: "@ana:x", week: {mon: ["08:00-12:00"]}}]}\n'
    file.write_text(HEAD + people + 'hours: {timezone: Europe/Madrid, week: {mon: ["08:00-20:00"]}}\n', encoding="utf-8")
    shifts = load(["base", str(file)]).shifts
    assert shifts is not None
    assert shifts.timezone == "Europe/Madrid"
    assert shifts.people[0].week[0] == ((480, 720),)
    file.write_text(HEAD + people + "hours: {always: true}\n", encoding="utf-8")
    with pytest.raises(PackError, match=r"shifts\.timezone: is needed"):
        load(["base", str(file)])
