"""Who is on shift, until when, and when nobody is, in seconds since the epoch.

Rules of this module: pure. A shift is in local time of the line's time zone, as the opening hours are (`policies.hours`):
an hour that comes twice counts twice, and a time that the clock skips is reached at the moment after the skip. Shifts of
several people may overlap. A gap is a time at which the line is open and nobody is on shift.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from heapq import merge
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from policies.pack import Hours, PersonShifts, Shifts

WEEK: Final = 7 * 86_400.0
MINUTES_OF_DAY: Final = 1440
NIGHT_ENDS: Final = 300
"""Minute of the day at which the night ends: five in the morning."""
MOST_NIGHTS: Final = 14
"""How far back nights are counted: a person with more is told of this many."""


def on_shift(shifts: Shifts, now: float) -> frozenset[str]:
    """Return the people who are on shift at that moment."""
    local = datetime.fromtimestamp(now, ZoneInfo(shifts.timezone))
    return frozenset(person.who for person in shifts.people if _covers(person, local) or _is_within(person.spans, now))


def shift_ends(shifts: Shifts, who: str, now: float) -> float:
    """Return when a person's present shift ends; a week from now if it is not over by then."""
    changes = _moments(shifts, None, now, now + WEEK)
    return next((moment for moment in changes if who not in on_shift(shifts, moment)), now + WEEK)


def next_change(shifts: Shifts, now: float) -> float:
    """Return when the set of people on shift changes next; a week from now if it does not change by then."""
    before = on_shift(shifts, now)
    changes = _moments(shifts, None, now, now + WEEK)
    return next((moment for moment in changes if on_shift(shifts, moment) != before), now + WEEK)


def nights_in_a_row(shifts: Shifts, who: str, now: float) -> int:
    """Return how many nights in a row a person has on shift, counting that of their present shift.

    A night is a day on which they are on shift between 0:00 and `NIGHT_ENDS`. Of a longer shift the next night counts, and
    those after it do not. 0: the shift has no night, or there is no shift now. At most `MOST_NIGHTS`.
    """
    if who not in on_shift(shifts, now):
        return 0
    # A shift that ends at midnight has been on the day before it.
    zone = ZoneInfo(shifts.timezone)
    today, end = (datetime.fromtimestamp(moment, zone).date() for moment in (now, shift_ends(shifts, who, now) - 60))
    last = min(end, today + timedelta(days=1))
    (person,) = (each for each in shifts.people if each.who == who)
    nights = 0
    while nights < MOST_NIGHTS and _has_night(person, last, zone):
        nights, last = nights + 1, last - timedelta(days=1)
    return nights


def gaps(
    shifts: Shifts, hours: Hours, *, now: float, until: float, people: Collection[str]
) -> tuple[tuple[float, float], ...]:
    """Return the spans in which the line is open and none of these people is on shift, in order, until `until`.

    Not beyond the end of the calendar.
    """
    spans: list[tuple[float, float]] = []
    until = min(until, shifts.until)
    for begin, end in () if until <= now else pairwise((now, *_moments(shifts, hours, now, until), until)):
        # Hours with a week have the time zone of the shifts, and others need none.
        if not hours.open_at(datetime.fromtimestamp(begin, ZoneInfo(shifts.timezone))) or on_shift(
            shifts, begin
        ) & frozenset(people):
            continue
        joined = bool(spans) and spans[-1][1] == begin
        spans[-1:] = [(spans[-1][0], end)] if joined else [*spans[-1:], (begin, end)]
    return tuple(spans)


def local_minute(shifts: Shifts, moment: float) -> str:
    """Write a moment in the line's local time: `2027-01-04 08:00`."""
    return f"{datetime.fromtimestamp(moment, ZoneInfo(shifts.timezone)):%Y-%m-%d %H:%M}"


def _covers(person: PersonShifts, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in _periods(person, local.date()))


def _is_within(spans: Sequence[tuple[float, float]], now: float) -> bool:
    place = bisect_right(spans, (now, math.inf)) - 1
    return place >= 0 and now < spans[place][1]


def _has_night(person: PersonShifts, day: date, zone: ZoneInfo) -> bool:
    night = datetime.combine(day, time(), tzinfo=zone)
    begin, end = night.timestamp(), night.replace(hour=NIGHT_ENDS // 60).timestamp()
    return any(start < NIGHT_ENDS for start, _ in _periods(person, day)) or any(
        start < end and begin < over for start, over in person.spans
    )


def _periods(person: PersonShifts, day: date) -> tuple[tuple[int, int], ...]:
    return person.dates.get(day, person.week[day.weekday()])


def _moments(shifts: Shifts, hours: Hours | None, now: float, until: float) -> Iterator[float]:
    """Yield moments after now and before `until`, in order; each at which a shift or the hours change is among them."""
    edges = sorted({edge for person in shifts.people for span in person.spans for edge in span if now < edge < until})
    yield from merge(edges, _moments_of_days(shifts, hours, now, until))


def _moments_of_days(shifts: Shifts, hours: Hours | None, now: float, until: float) -> Iterator[float]:
    zone = ZoneInfo(shifts.timezone)
    day, last = (datetime.fromtimestamp(moment, zone).date() for moment in (now, until))
    while day <= last:
        begin = datetime.combine(day, time(), tzinfo=zone)
        end = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
        if begin.utcoffset() == end.utcoffset():
            periods = [period for person in shifts.people for period in _periods(person, day)]
            periods += hours.on(day) if hours is not None else ()
            minutes = sorted({0, *(minute for period in periods for minute in period if minute < MINUTES_OF_DAY)})
            moments = [begin.timestamp() + 60 * minute for minute in minutes]
        else:  # clocks change: a period may begin or end at the change itself, or come twice
            moments = [float(moment) for moment in range(int(begin.timestamp()), int(end.timestamp()), 60)]
        yield from (moment for moment in moments if now < moment < until)
        day += timedelta(days=1)
