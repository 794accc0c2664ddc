"""A calendar file as shifts: zones, daylight saving, exceptions, names, and files that are wrong or hostile."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.staffing.shifts import next_change, nights_in_a_row, on_shift, shift_ends
from policies.pack import Hours
from policies.shifts.calendar_file import AHEAD, BEHIND, MOST_SHIFTS, CalendarShifts, read
from policies.shifts.content_lines import CalendarError, CalendarProblem
from tests.every_row import every_row
from tests.policies.shifts.calendars import calendar, each_day, entry

ZONE, SERVER = "America/New_York", "line.example"
ANA, BEN = f"@ana:{SERVER}", f"@ben:{SERVER}"
ALWAYS = Hours(always=True, timezone=ZONE, week=((),) * 7, closed=frozenset(), holidays=(), clock=12, sample=False)
COMING = entry("DTSTART:20270105T080000", "DTEND:20270105T160000", who="coming")
"""An entry of the coming weeks of `NOW`, so that a calendar is not empty."""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp()


NOW = at("2027-01-04 12:00")


def of(*entries: str, now: float = NOW) -> CalendarShifts:
    return read(calendar(*entries), zone=ZONE, server=SERVER, now=now)


def spans(plan: CalendarShifts, who: str = ANA) -> list[tuple[str, str]]:
    """Return from when to when a person is on shift, as a clock in London shows it."""
    zone = ZoneInfo("Europe/London")
    return [
        (f"{datetime.fromtimestamp(begin, zone):%m-%d %H:%M}", f"{datetime.fromtimestamp(end, zone):%m-%d %H:%M}")
        for person in plan.shifts.people
        if person.who == who
        for begin, end in person.spans
    ]


def lengths(plan: CalendarShifts) -> set[float]:
    return {(end - begin) / 3600 for person in plan.shifts.people for begin, end in person.spans}


def test_zones() -> None:
    """A zone of its own, UTC, none (the line's), and a whole day, which is the line's as well."""
    plan = of(
        entry("DTSTART;TZID=Europe/Berlin:20270105T090000", "DTEND;TZID=Europe/Berlin:20270105T170000"),
        entry("DTSTART:20270106T090000Z", "DTEND:20270106T170000Z"),
        entry("DTSTART:20270107T090000", "DTEND:20270107T170000"),
        entry('DTSTART;TZID="America/Los_Angeles":20270108T090000', "DURATION:PT90M"),
        entry("DTSTART;VALUE=DATE:20270110", "DTEND;VALUE=DATE:20270112"),
        entry("DTSTART;VALUE=DATE:20270114"),
    )
    assert spans(plan) == [
        ("01-05 08:00", "01-05 16:00"),
        ("01-06 09:00", "01-06 17:00"),
        ("01-07 14:00", "01-07 22:00"),
        ("01-08 17:00", "01-08 18:30"),
        ("01-10 05:00", "01-12 05:00"),
        ("01-14 05:00", "01-15 05:00"),
    ]


@pytest.mark.parametrize(
    ("change", "night"), [("2027-03-14 00:30", 7.0), ("2027-11-07 00:30", 9.0)], ids=["forward", "back"]
)
def test_a_repeated_shift_keeps_the_clock_on_the_wall(change: str, night: float) -> None:
    """Over both changes of the clocks a shift begins and ends at its hours; one by DURATION lasts as long as ever."""
    now = at(change) - 86_400
    by_end = of(each_day(start="20260101T220000", end="20260102T060000"), now=now)
    moments = [moment for person in by_end.shifts.people for span in person.spans for moment in span]
    assert {datetime.fromtimestamp(moment, ZoneInfo(ZONE)).hour for moment in moments} == {22, 6}
    assert lengths(by_end) == {8.0, night}
    by_length = entry("UID:1", "DTSTART:20260101T220000", "DURATION:PT8H", "RRULE:FREQ=DAILY")
    assert lengths(of(by_length, now=now)) == {8.0}


def test_exceptions() -> None:
    """EXDATE leaves out, RDATE adds, RECURRENCE-ID replaces or cancels one, STATUS:CANCELLED all of them."""
    head = ("UID:a", "DTSTART:20270104T090000", "DTEND:20270104T100000", "RRULE:FREQ=DAILY;UNTIL=20270110T140000Z")
    plan = of(
        entry(*head, "EXDATE:20270105T090000", "EXDATE;VALUE=DATE:20270106", "RDATE:20270120T090000,20270121T090000"),
        entry("UID:a", "RECURRENCE-ID;TZID=America/Chicago:20270107T080000", "DTSTART:20270107T120000", "DURATION:PT1H"),
        entry("UID:a", "RECURRENCE-ID:20270108T140000Z", "DTSTART:20270108T090000", "DURATION:PT1H", who="ben"),
        entry("UID:a", "RECURRENCE-ID:20270109T090000", "DTSTART:20270109T090000", "DURATION:PT1H", "STATUS:CANCELLED"),
        entry("UID:b", "DTSTART:20270122T090000", "DURATION:PT1H", "STATUS:cancelled"),
    )
    assert spans(plan) == [
        ("01-04 14:00", "01-04 15:00"),
        ("01-07 17:00", "01-07 18:00"),
        ("01-10 14:00", "01-10 15:00"),
        ("01-20 14:00", "01-20 15:00"),
        ("01-21 14:00", "01-21 15:00"),
    ]
    assert spans(plan, BEN) == [("01-08 14:00", "01-08 15:00")]


def test_a_rule_without_an_end_goes_as_far_as_the_coming_weeks() -> None:
    """And no further; what was a fortnight ago is there for nights in a row."""
    plan = of(each_day(start="20100101T000000", end="20100101T080000"))
    starts = [begin for begin, _ in plan.shifts.people[0].spans]
    assert NOW - BEHIND - 86_400 < starts[0] < NOW - BEHIND + 86_400
    assert NOW + AHEAD - 86_400 < starts[-1] < NOW + AHEAD == plan.shifts.until
    assert nights_in_a_row(plan.shifts, ANA, at("2027-01-05 01:00")) == 14


def test_a_calendar_that_overlaps_itself() -> None:
    """Shifts of one person that overlap or meet are one; those of several people are each theirs."""
    plan = of(
        entry("DTSTART:20270105T080000", "DTEND:20270105T120000"),
        entry("DTSTART:20270105T100000", "DTEND:20270105T140000"),
        entry("DTSTART:20270105T140000", "DTEND:20270105T160000", who="Ana, @ben:line.example"),
        entry("DTSTART:20270105T140000", "DTEND:20270105T160000", who="Ana, @ben:line.example"),
    )
    assert spans(plan) == [("01-05 13:00", "01-05 21:00")]
    assert spans(plan, BEN) == [("01-05 19:00", "01-05 21:00")]
    assert on_shift(plan.shifts, at("2027-01-05 15:00")) == {ANA, BEN}
    assert next_change(plan.shifts, NOW) == at("2027-01-05 08:00")
    assert shift_ends(plan.shifts, ANA, at("2027-01-05 09:00")) == at("2027-01-05 16:00")


@every_row(
    ("lines", "people"),
    [
        (("SUMMARY:Ana",), [ANA]),
        (("SUMMARY: @ANA:Line.Example ",), [ANA]),
        ((r"SUMMARY:ana\, ben",), [ANA, BEN]),
        ((r"SUMMARY:ana\nThe night shift",), [ANA]),
        (("SUMMARY:Night", "ATTENDEE;CN=Ana:matrix:u/ana:line.example"), [ANA, f"@night:{SERVER}"]),
        (("ATTENDEE:MATRIX:u/ana%3Aline.example",), [ANA]),
        (("SUMMARY:Ana Smith",), []),
        (("SUMMARY:@ana:elsewhere.example",), []),
        (("SUMMARY:", "ATTENDEE;CN=Ana:mailto:ana@line.example"), []),
        (("SUMMARY:jos\u00e9",), []),
        ((), []),
    ],
)
def test_names(lines: tuple[str, ...], people: list[str]) -> None:
    """A name is an account's first half or the whole id on this server; an entry of nobody is counted, with its time."""
    named = entry("DTSTART:20270106T080000", "DTEND:20270106T160000", *lines).replace("SUMMARY:ana\r\n", "", 1)
    plan = of(COMING, named)
    on = on_shift(plan.shifts, at("2027-01-06 09:00"))
    assert sorted(on) == sorted(people)
    assert plan.nameless == (() if people else (at("2027-01-06 08:00"),))
    assert len(plan.odd) == (0 if people else 1)


@pytest.mark.parametrize(
    ("offsets", "is_read"),
    [(("-0500", "-0400"), True), (("-0800", "-0700"), False), (("-0500", "-0500"), False)],
    ids=["of the line", "of another place", "without daylight saving"],
)
def test_the_name_that_outlook_gives_to_the_lines_zone_is_known(offsets: tuple[str, str], *, is_read: bool) -> None:
    """No machine knows its names; one that the file defines as the line's zone is that, and any other is not guessed."""
    parts = "".join(
        f"BEGIN:{part}\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0000\r\nTZOFFSETTO:{offset}\r\nEND:{part}\r\n"
        for part, offset in zip(("STANDARD", "DAYLIGHT"), offsets, strict=True)
    )
    name = "Eastern Standard Time"
    zone = f"BEGIN:VTIMEZONE\r\nTZID:{name}\r\n{parts}END:VTIMEZONE\r\n"
    shift = entry(f"DTSTART;TZID={name}:20270105T080000", f"DTEND;TZID={name}:20270105T160000")
    plan = of(zone, COMING, shift)
    assert plan.unread == (0 if is_read else 1)
    assert spans(plan) == ([("01-05 13:00", "01-05 21:00")] if is_read else [])


@every_row(
    "lines",
    [
        pytest.param(("DTSTART:20270106T080000", "DTEND:20270106T090000", "RRULE:FREQ=SECONDLY"), id="every second"),
        pytest.param(("DTSTART:20270106T080000",), id="no end"),
        pytest.param(("DTEND:20270106T080000",), id="no start"),
        pytest.param(("DTSTART:20270106T080000", "DTEND:20270106T070000"), id="an end before the start"),
        pytest.param(("DTSTART:20270106T080000", "DURATION:P1Y"), id="a length that is none"),
        pytest.param(("DTSTART:20270106T080000", "DURATION:P300D"), id="most of a year"),
        pytest.param(("DTSTART:99990106T080000", "DURATION:PT1H"), id="a year of no calendar"),
        pytest.param(("DTSTART:20270231T080000", "DURATION:PT1H"), id="no such day"),
        pytest.param(("DTSTART;TZID=Eastern Standard Time:20270106T080000", "DURATION:PT1H"), id="no such zone"),
        pytest.param(("DTSTART;TZID=../../../etc/passwd:20270106T080000", "DURATION:PT1H"), id="a path"),
        pytest.param(("DTSTART:20270106T080000", "DTSTART:20270107T080000", "DURATION:PT1H"), id="two starts"),
        pytest.param(
            ("UID:1", "RECURRENCE-ID;RANGE=THISANDFUTURE:20270106T080000", "DTSTART:20270106T080000", "DURATION:PT1H"),
            id="this and all that follow",
        ),
    ],
)
def test_an_entry_that_is_not_read_makes_no_other_worse(lines: tuple[str, ...]) -> None:
    """It is counted; the others are read."""
    plan = of(COMING, entry(*lines))
    assert (plan.unread, [person.who for person in plan.shifts.people]) == (1, [f"@coming:{SERVER}"])


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param((), id="no entry"),
        pytest.param((entry("DTSTART:20200105T080000", "DURATION:PT1H"),), id="long over"),
        pytest.param((entry("DTSTART:20290105T080000", "DURATION:PT1H"),), id="not for years"),
        pytest.param((entry("DTSTART:20270105T080000", "DURATION:PT1H", who="Ana Smith"),), id="of nobody"),
        pytest.param((entry("DTSTART:20270104T060000", "DURATION:PT1H"),), id="of this morning"),
    ],
)
def test_an_empty_calendar(entries: tuple[str, ...]) -> None:
    """A calendar without a shift in the coming weeks is none: a file that went wrong must not leave a line with nobody."""
    with pytest.raises(CalendarError) as caught:
        of(*entries)
    assert caught.value.problem is CalendarProblem.EMPTY


def test_too_many_shifts_and_too_much_to_count() -> None:
    """Some thousand shifts in the coming weeks, and rules that are counted from fifty years ago, end as a problem."""
    crowd = [each_day(who=f"p{n}") for n in range(MOST_SHIFTS // 40)]
    counted = entry("UID:1", "DTSTART:19710101T080000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=90000")
    for entries in (crowd, [COMING, *[counted] * 40]):
        with pytest.raises(CalendarError) as caught:
            of(*entries)
        assert caught.value.problem is CalendarProblem.TOO_MUCH


@given(st.lists(st.sampled_from([*(calendar(each_day(), COMING).decode().splitlines()), "\\", ';:"', "BEGIN:X"])))
def test_any_lines_are_a_calendar_or_a_problem(lines: list[str]) -> None:
    """Whatever order the lines of a calendar come in, nothing else is raised."""
    data = "\n".join(["BEGIN:VCALENDAR", *lines, "END:VCALENDAR"]).encode()
    with suppress(CalendarError):
        assert read(data, zone=ZONE, server=SERVER, now=NOW).shifts.people
