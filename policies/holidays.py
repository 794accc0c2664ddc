"""Which days of a year are holidays, by named rules.

Rule of this module: a rule is data, and its day is computed from the rule and the year alone. An agency with other days off
lists them as `closed` in a pack; no calendar is read.

Sources: United States, 5 U.S.C. 6103 (a) and (b), Executive Order 11582 for the day that is off instead of a Sunday; United
Kingdom, Banking and Financial Dealings Act 1971, schedule 1, and gov.uk/bank-holidays for the days given instead; Easter by
the Gregorian computus (Meeus, "Astronomical Algorithms", chapter 8). A day that is proclaimed for a single year (a jubilee,
a day of mourning) follows from no rule and belongs in `closed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeAlias

MON, THU, SAT, SUN = 0, 3, 5, 6


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same date each year. `since`: the first year."""

    month: int
    day: int
    since: int = 1


@dataclass(frozen=True, slots=True)
class Nth:
    """The nth such day of the week in a month; -1 is the last."""

    month: int
    weekday: int
    nth: int


@dataclass(frozen=True, slots=True)
class Easter:
    """So many days after Easter Sunday."""

    days: int


Rule: TypeAlias = Fixed | Nth | Easter

_GOOD_FRIDAY, _EASTER_MONDAY = Easter(-2), Easter(1)
_MAY, _SPRING = Nth(5, MON, 1), Nth(5, MON, -1)
_CHRISTMAS, _BOXING = Fixed(12, 25), Fixed(12, 26)

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "us_federal": (
        Fixed(1, 1),
        Nth(1, MON, 3),
        Nth(2, MON, 3),
        Nth(5, MON, -1),
        Fixed(6, 19, since=2021),
        Fixed(7, 4),
        Nth(9, MON, 1),
        Nth(10, MON, 2),
        Fixed(11, 11),
        Nth(11, THU, 4),
        Fixed(12, 25),
    ),
    "uk_england_wales": (
        *(Fixed(1, 1), _GOOD_FRIDAY, _EASTER_MONDAY, _MAY, _SPRING, Nth(8, MON, -1), _CHRISTMAS, _BOXING),
    ),
    "uk_scotland": (
        *(Fixed(1, 1), Fixed(1, 2), _GOOD_FRIDAY, _MAY, _SPRING, Nth(8, MON, 1), Fixed(11, 30), _CHRISTMAS, _BOXING),
    ),
    "uk_northern_ireland": (
        *(Fixed(1, 1), Fixed(3, 17), _GOOD_FRIDAY, _EASTER_MONDAY, _MAY, _SPRING, Fixed(7, 12), Nth(8, MON, -1)),
        *(_CHRISTMAS, _BOXING),
    ),
}
"""The rules by the names that `hours.holidays` of a pack may hold."""

NEAREST: Final = frozenset({"us_federal"})
"""Rules that keep a Saturday's holiday on Friday, a Sunday's on Monday; others move both to the next working day."""


def holidays(name: str, year: int) -> frozenset[date]:
    """Return the public holidays of a year, with the days given instead of those on a weekend.

    A day off in this year for a holiday of the next (New Year's Day on a Saturday) is among them. KeyError: no such rules.
    """
    days = {day for y in (year, year + 1) if y <= date.max.year for day in _of(name, y)}
    return frozenset(day for day in days if day.year == year)


def easter(year: int) -> date:
    """Return Easter Sunday in the Gregorian calendar."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def _of(name: str, year: int) -> set[date]:
    proper = sorted(day for rule in RULES[name] if (day := _day(rule, year)) is not None)
    days = set(proper)
    for day in proper:
        if day.weekday() not in (SAT, SUN):
            continue
        if name in NEAREST:
            days.add(day + timedelta(days=-1 if day.weekday() == SAT else 1))
        else:
            instead = day
            while instead.weekday() in (SAT, SUN) or instead in days:
                instead += timedelta(days=1)
            days.add(instead)
    return days


def _day(rule: Rule, year: int) -> date | None:
    match rule:
        case Fixed():
            return date(year, rule.month, rule.day) if year >= rule.since else None
        case Easter():
            return easter(year) + timedelta(days=rule.days)
        case Nth(nth=-1):
            last = date(year + rule.month // 12, rule.month % 12 + 1, 1) - timedelta(days=1)
            return last - timedelta(days=(last.weekday() - rule.weekday) % 7)
        case Nth():
            first = date(year, rule.month, 1)
            return first + timedelta(days=(rule.weekday - first.weekday()) % 7 + 7 * (rule.nth - 1))
