"""Rules of repeating: those of plans, after RFC 5545, and those that are not read or cost too much."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.shifts.content_lines import CalendarError, CalendarProblem
from policies.shifts.repeating import Budget, Unreadable, days, parse_rule
from tests.every_row import every_row

PLENTY = 10_000_000


def repeated(rule: str, start: str, first: str, last: str, budget: int = PLENTY) -> list[str]:
    dates = days(
        parse_rule(rule),
        date.fromisoformat(start),
        first=date.fromisoformat(first),
        last=date.fromisoformat(last),
        budget=Budget(budget),
    )
    return [day.isoformat() for day in dates]


@every_row(
    ("rule", "start", "expected"),
    [
        ("FREQ=DAILY;INTERVAL=10", "2027-01-01", "2027-03-02 2027-03-12 2027-03-22"),
        ("FREQ=DAILY;BYMONTH=3;BYDAY=MO;BYMONTHDAY=1,8", "2027-01-01", "2027-03-01 2027-03-08"),
        ("FREQ=WEEKLY", "2027-01-05", "2027-03-02 2027-03-09 2027-03-16 2027-03-23 2027-03-30"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO", "2027-02-23", "2027-03-09 2027-03-14 2027-03-23 2027-03-28"),
        # RFC 5545, the example that says what WKST does: another week begins, another Sunday is in it.
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", "2027-02-23", "2027-03-07 2027-03-09 2027-03-21 2027-03-23"),
        ("FREQ=MONTHLY", "2026-12-31", "2027-03-31"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1,1", "2027-01-31", "2027-03-01 2027-03-31"),
        ("FREQ=MONTHLY;BYDAY=2MO,-1FR", "2027-01-11", "2027-03-08 2027-03-26"),
        ("FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1,-1", "2027-01-02", "2027-03-06 2027-03-28"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "2026-02-13", ""),
        ("FREQ=YEARLY", "2020-03-15", "2027-03-15"),
        ("FREQ=YEARLY;BYMONTHDAY=20", "2020-03-15", "2027-03-20"),
        ("FREQ=YEARLY;BYMONTH=3,4;BYDAY=1TH", "2020-03-05", "2027-03-04"),
        ("FREQ=DAILY;COUNT=4", "2027-02-27", "2027-03-01 2027-03-02"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "1971-01-01", ""),
    ],
)
def test_days_of_march(rule: str, start: str, expected: str) -> None:
    """Which days of March 2027 a rule has, beside its start."""
    assert repeated(rule, start, "2027-03-01", "2027-03-31") == expected.split()


@given(
    rule=st.sampled_from(
        ("FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SA", "FREQ=MONTHLY;BYDAY=1MO", "FREQ=YEARLY;INTERVAL=2")
    ),
    start=st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    after=st.integers(0, 5000),
)
def test_beginning_near_the_window_leaves_no_day_out(rule: str, start: date, after: int) -> None:
    """What is found from a late day on is what is found from the start on, as far as it is that late."""
    first, last = start + timedelta(days=after), start + timedelta(days=after + 800)
    whole = repeated(rule, start.isoformat(), start.isoformat(), last.isoformat())
    assert repeated(rule, start.isoformat(), first.isoformat(), last.isoformat()) == [
        day for day in whole if day >= first.isoformat()
    ]


@every_row(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;INTERVAL=5",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=1,2,3",
        "FREQ=DAILY;BYSECOND=0,1",
        "FREQ=YEARLY;BYWEEKNO=3",
        "FREQ=YEARLY;BYDAY=MO",
        "FREQ=WEEKLY;BYDAY=1MO",
        "FREQ=WEEKLY;BYMONTHDAY=3",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=99999999999999999999",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=2;UNTIL=20270101",
        "FREQ=DAILY;FREQ=WEEKLY",
        "FREQ=DAILY;WKST=XX",
        "FREQ=DAILY;BYDAY=",
        "FREQ=DAILY;BYMONTH=13",
        "INTERVAL=2",
        "",
    ],
)
def test_rules_that_are_not_read(rule: str) -> None:
    """What repeats by the hour or faster, what a plan does not need, and what is no rule."""
    with pytest.raises(Unreadable):
        parse_rule(rule)


def test_counting_from_long_ago_is_paid_for() -> None:
    """A rule with a number of times is counted from its start; that ends with the budget, whatever it finds."""
    with pytest.raises(CalendarError) as caught:
        repeated("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=9", "1971-01-01", "2027-03-01", "2027-03-31", budget=10_000)
    assert caught.value.problem is CalendarProblem.TOO_MUCH
