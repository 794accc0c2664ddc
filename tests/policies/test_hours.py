"""Hours by zone, holidays by rule, and how the next opening is said."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from policies.holidays import holidays
from policies.hours import next_opening, open_at, opening_text
from policies.pack import Hours, TextName
from policies.segments import segments
from tests.every_row import every_row
from tests.packs import shipped

PACK = shipped("base")
NEW_YORK = ZoneInfo("America/New_York")
DAILY = ((480, 1200),)


def hours(zone: str = "America/New_York", week: tuple[tuple[tuple[int, int], ...], ...] = (), **changed: object) -> Hours:
    """Return hours: Monday to Friday, 8 to 20, unless told otherwise."""
    usual = Hours(
        always=False,
        timezone=zone,
        week=week or (*(DAILY,) * 5, (), ()),
        closed=frozenset(),
        holidays=(),
        clock=12,
        sample=False,
    )
    return dataclasses.replace(usual, **changed)  # type: ignore[arg-type]


def at(text: str, fold: int = 0) -> float:
    """Return a time in New York as seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York"), fold=fold).timestamp()


# Published by the Office of Personnel Management and by gov.uk/bank-holidays
KNOWN = {
    ("us_federal", 2021): "01-01 01-18 02-15 05-31 06-18 06-19 07-04 07-05 09-06 10-11 11-11 11-25 12-24 12-25 12-31",
    ("us_federal", 2022): "01-17 02-21 05-30 06-19 06-20 07-04 09-05 10-10 11-11 11-24 12-25 12-26 01-01",
    ("us_federal", 2026): "01-01 01-19 02-16 05-25 06-19 07-03 07-04 09-07 10-12 11-11 11-26 12-25",
    ("uk_england_wales", 2021): "01-01 04-02 04-05 05-03 05-31 08-30 12-25 12-26 12-27 12-28",
    ("uk_england_wales", 2022): "01-01 01-03 04-15 04-18 05-02 05-30 08-29 12-25 12-26 12-27",
    ("uk_england_wales", 2026): "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-26 12-28",
    ("uk_scotland", 2026): "01-01 01-02 04-03 05-04 05-25 08-03 11-30 12-25 12-26 12-28",
    ("uk_northern_ireland", 2026): "01-01 03-17 04-03 04-06 05-04 05-25 07-12 07-13 08-31 12-25 12-26 12-28",
}


@every_row(("rules", "year"), KNOWN)
def test_holidays_are_those_that_were_published(rules: str, year: int) -> None:
    """The days themselves and the days given instead of those on a weekend."""
    assert holidays(rules, year) == {date.fromisoformat(f"{year}-{day}") for day in KNOWN[rules, year].split()}


def test_nobody_answers_on_a_holiday() -> None:
    """A rule, a single day, and the same day on a line that knows neither."""
    fourth = at("2027-07-05 12:00")  # the fourth is a Sunday
    assert open_at(hours(), fourth)
    assert not open_at(hours(holidays=("us_federal",)), fourth)
    assert not open_at(hours(closed=frozenset({date(2027, 7, 5)})), fourth)
    assert open_at(hours(holidays=("uk_england_wales",)), fourth)


@every_row(
    ("now", "opening"),
    [
        ("2027-01-04 07:59:59", "2027-01-04 08:00"),
        ("2027-01-04 08:00", "2027-01-04 08:00"),
        ("2027-01-04 19:59", "2027-01-04 19:59"),
        ("2027-01-04 20:00", "2027-01-05 08:00"),
        ("2027-01-08 21:00", "2027-01-11 08:00"),
        ("2027-01-09 12:00", "2027-01-11 08:00"),
        ("2027-12-23 21:00", "2027-12-27 08:00"),
    ],
)
def test_the_next_opening(now: str, opening: str) -> None:
    """Now when it is open, else the next period of a day that is no weekend and no holiday."""
    moment = next_opening(hours(holidays=("us_federal",)), at(now))
    assert moment is not None
    assert (moment.timestamp(), moment.tzinfo) == (at(opening), NEW_YORK)


def test_hours_follow_the_clock_on_the_wall() -> None:
    """On the days on which clocks change the line opens at eight as on others, an hour earlier or later for the world."""
    weekend = hours(week=(DAILY,) * 7)
    for day, utc in (("2027-03-13", 13), ("2027-03-14", 12), ("2027-11-06", 12), ("2027-11-07", 13)):
        moment = next_opening(weekend, at(f"{day} 00:30"))
        assert moment is not None
        assert moment.astimezone(UTC).hour == utc
        assert (moment.hour, moment.minute) == (8, 0)


def test_an_hour_that_comes_twice_and_one_that_does_not_come() -> None:
    """From one to three at night: open for three hours in November, and for one in March."""
    night = hours(week=(((60, 180),),) * 7)
    start = {"2027-11-07": 3, "2027-03-14": 1, "2027-06-06": 2}
    for day, length in start.items():
        begin = at(f"{day} 00:00")
        minutes = sum(open_at(night, begin + 60 * minute) for minute in range(6 * 60))
        assert minutes == 60 * length, day
    # the second half past one is open, and so is the moment after the skip for who opens at half past two
    assert open_at(night, at("2027-11-07 01:30", fold=1))
    skipped = next_opening(hours(week=(((150, 240),),) * 7), at("2027-03-14 01:59"))
    assert skipped is not None
    assert skipped.timestamp() == at("2027-03-14 03:00")
    # half past midnight to half past one, asked at the first quarter to two: the clock goes back into it
    again = next_opening(hours(week=(((30, 90),),) * 7), at("2027-11-07 01:45"))
    assert again is not None
    assert again.timestamp() == at("2027-11-07 01:00", fold=1)


@given(st.integers(int(at("2026-01-01 00:00")), int(at("2029-01-01 00:00"))), st.sampled_from(["America/New_York", "UTC"]))
def test_the_next_opening_is_open_and_nothing_before_it_is(now: int, zone: str) -> None:
    """The moment itself is open; a minute before it is not, unless that was before now."""
    line = hours(zone, holidays=("us_federal",))
    moment = next_opening(line, now)
    assert moment is not None
    opening = moment.timestamp()
    assert opening >= now
    assert open_at(line, opening)
    assert opening == now or not open_at(line, opening - 60) or opening - 60 < now


def test_a_line_that_never_opens_promises_nothing() -> None:
    """No opening within a year: nothing to say, and the text that would promise one is not said."""
    never = hours(week=((),) * 7)
    assert next_opening(never, at("2027-01-04 12:00")) is None
    assert opening_text(never, at("2027-01-04 12:00"), "en") is None
    for language in PACK.languages:
        said = PACK.say(TextName.AFTER_HOURS, language, opens=None)
        assert said == PACK.say(TextName.UNAVAILABLE, language)


@every_row(
    ("now", "language", "clock", "said"),
    [
        ("2027-01-04 21:00", "en", 12, "8:00 AM"),
        ("2027-01-04 21:00", "es", 12, "8:00 AM"),
        ("2027-01-04 21:00", "en", 24, "8:00"),
        ("2027-01-08 21:00", "en", 12, "8:00 AM on Jan 11"),
        ("2027-01-08 21:00", "es", 12, "8:00 AM del 11 de ene"),
        ("2027-01-08 21:00", "en", 24, "8:00 on 11 Jan"),
        ("2027-01-08 21:00", "fr", 24, "8:00, 11/1"),
    ],
)
def test_how_the_opening_is_said(now: str, language: str, clock: int, said: str) -> None:
    """The hour alone within a day, else with the date, in the words of the language."""
    assert opening_text(hours(clock=clock), at(now), language) == said


@given(st.integers(0, 24 * 60 - 1), st.integers(0, 366), st.sampled_from(PACK.languages))
def test_the_after_hours_text_is_one_segment_whenever_it_is_said(minute: int, day: int, language: str) -> None:
    """Whatever hour and date it opens, one GSM-7 segment without a gap in it (practice 28)."""
    week: list[tuple[tuple[int, int], ...]] = [()] * 7
    opening = datetime(2027, 1, 1) + timedelta(days=day)  # noqa: DTZ001 - a date of the line
    week[opening.weekday()] = ((minute, minute + 1),)
    now = at((opening - timedelta(days=3)).isoformat())
    words = opening_text(hours(week=tuple(week)), now, language)
    said = PACK.say(TextName.AFTER_HOURS, language, opens=words)
    cut = segments(said)
    assert words is not None
    assert words in said
    assert (cut.count, cut.encoding) == (1, "gsm7")
    assert "{" not in said
