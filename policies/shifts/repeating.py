"""The days on which an entry of a calendar repeats: RFC 5545 §3.3.10, as far as a plan of shifts needs it.

Rules of this module: pure, and bounded. The caller asks for the days between two days. A rule without a number of times is
begun near the first of them, and each period that is looked at is charged to one budget for the whole file. What a plan of
shifts does not need (repeating by the hour or faster, days or weeks of the year, another hour than that of the start) is
`Unreadable`, and so is what RFC 5545 forbids.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Never

from policies.shifts.content_lines import CalendarError, CalendarProblem

DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
PARTS: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"})
MOST_INTERVAL: Final = 1000
MOST_TIMES: Final = 100_000
_LOOKED_AT: Final = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 31}
"""Days of a period that are examined; of a year those of a month."""
_WEEKDAY: Final = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,6}", re.ASCII)


class Unreadable(Exception):  # noqa: N818 - it says what is so
    """An entry has something that is not supported here. It has no text, because the entry holds a person's words."""


class Budget:
    """How many days and times may be looked at, for a whole file. Raises :class:`CalendarError` when it is used up."""

    def __init__(self, units: int) -> None:
        self._remaining = units

    def spend(self, units: int) -> None:
        """Subtract that many."""
        self._remaining -= units
        if self._remaining < 0:
            raise CalendarError(CalendarProblem.TOO_MUCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A RRULE. `weekdays`: Monday is 0, with the ordinal within the month before it, or 0. `until` as it is written."""

    frequency: str
    interval: int
    times: int | None
    until: str
    weekdays: frozenset[tuple[int, int]]
    month_days: frozenset[int]
    months: frozenset[int]
    positions: frozenset[int]
    week_begins: int


def parse_rule(text: str) -> Rule:
    """Read the value of a RRULE. Raises :class:`Unreadable`."""
    pairs = [part.partition("=") for part in text.strip().upper().split(";") if part]
    parts = {name: value for name, _, value in pairs}
    if len(parts) < len(pairs) or not parts.keys() <= PARTS or parts.get("FREQ") not in FREQUENCIES:
        raise Unreadable
    if "COUNT" in parts and "UNTIL" in parts:
        raise Unreadable
    week_begins = parts.get("WKST", "MO")
    rule = Rule(
        frequency=parts["FREQ"],
        interval=next(iter(_numbers(parts.get("INTERVAL", "1"), 1, MOST_INTERVAL))),
        times=next(iter(_numbers(parts["COUNT"], 1, MOST_TIMES))) if "COUNT" in parts else None,
        until=parts.get("UNTIL", ""),
        weekdays=frozenset(map(_weekday, parts["BYDAY"].split(","))) if "BYDAY" in parts else frozenset(),
        month_days=_numbers(parts.get("BYMONTHDAY", ""), -31, 31),
        months=_numbers(parts.get("BYMONTH", ""), 1, 12),
        positions=_numbers(parts.get("BYSETPOS", ""), -366, 366),
        week_begins=DAYS.index(week_begins) if week_begins in DAYS else _refuse(),
    )
    ordinals = any(ordinal for ordinal, _ in rule.weekdays)
    if (ordinals and rule.frequency in {"DAILY", "WEEKLY"}) or (rule.month_days and rule.frequency == "WEEKLY"):
        raise Unreadable
    if rule.frequency == "YEARLY" and rule.weekdays and not rule.months:  # weekdays of a year, not of a month
        raise Unreadable
    return rule


def days(rule: Rule, start: date, *, first: date, last: date, budget: Budget) -> Iterator[date]:
    """Yield the days after `start` on which it repeats, from `first` to `last`, in order. `start` is the first time."""
    number, times, cost = 0, 1, _LOOKED_AT[rule.frequency] * max(1, len(rule.months))
    if rule.times is None and first > start:
        number = max(0, _periods_between(rule, start, first) // rule.interval - 1)
    while (period := _begin(rule, start, number * rule.interval)) is not None and period <= last:
        budget.spend(cost)
        dates = _days_of(rule, start, period)
        for day in dates:
            if day <= start:
                continue
            times += 1
            if rule.times is not None and times > rule.times:
                return
            if first <= day <= last:
                yield day
        number += 1


def _begin(rule: Rule, start: date, periods: int) -> date | None:
    """Return the first day of the nth period after that of the start; None beyond the last possible date."""
    try:
        match rule.frequency:
            case "DAILY":
                return start + timedelta(days=periods)
            case "WEEKLY":
                return start + timedelta(days=7 * periods - (start.weekday() - rule.week_begins) % 7)
            case "MONTHLY":
                years, month = divmod(start.month - 1 + periods, 12)
                return date(start.year + years, month + 1, 1)
            case _:
                return date(start.year + periods, 1, 1)
    except (OverflowError, ValueError):
        return None


def _periods_between(rule: Rule, start: date, day: date) -> int:
    match rule.frequency:
        case "DAILY":
            return (day - start).days
        case "WEEKLY":
            return (day - start).days // 7
        case "MONTHLY":
            return (day.year - start.year) * 12 + day.month - start.month
        case _:
            return day.year - start.year


def _days_of(rule: Rule, start: date, period: date) -> list[date]:
    match rule.frequency:
        case "DAILY":
            dates = [period] if _fits(rule, period) else []
        case "WEEKLY":
            weekdays = {weekday for _, weekday in rule.weekdays} or {start.weekday()}
            week = (period + timedelta(days=n) for n in range(7))
            dates = [day for day in week if day.weekday() in weekdays and (not rule.months or day.month in rule.months)]
        case "MONTHLY":
            within = not rule.months or period.month in rule.months
            dates = _days_of_month(rule, start, period.year, period.month) if within else []
        case _:
            months = sorted(rule.months or {start.month})
            dates = [day for month in months for day in _days_of_month(rule, start, period.year, month)]
    if rule.positions:
        chosen = {n - 1 if n > 0 else len(dates) + n for n in rule.positions}
        dates = [day for place, day in enumerate(dates) if place in chosen]
    return dates


def _fits(rule: Rule, day: date) -> bool:
    length = monthrange(day.year, day.month)[1]
    return (
        (not rule.months or day.month in rule.months)
        and (not rule.month_days or bool({day.day, day.day - length - 1} & rule.month_days))
        and (not rule.weekdays or (0, day.weekday()) in rule.weekdays)
    )


def _days_of_month(rule: Rule, start: date, year: int, month: int) -> list[date]:
    """Return the days of a month that match. A month without the day of the start has none (RFC 5545 §3.3.10)."""
    length = monthrange(year, month)[1]
    month_days = rule.month_days or (frozenset() if rule.weekdays else frozenset({start.day}))
    dates = []
    for number in range(1, length + 1):
        day = date(year, month, number)
        names = {(place, day.weekday()) for place in (0, (number + 6) // 7, -((length - number + 7) // 7))}
        if (not month_days or {number, number - length - 1} & month_days) and (not rule.weekdays or names & rule.weekdays):
            dates.append(day)
    return dates


def _weekday(text: str) -> tuple[int, int]:
    match = _WEEKDAY.fullmatch(text.strip())
    return (int(match[1] or 0), DAYS.index(match[2])) if match else _refuse()


def _numbers(text: str, least: int, most: int) -> frozenset[int]:
    """Read a list of numbers within bounds, none of them 0; no list at all is none."""
    if not text:
        return frozenset()
    parts = [part.strip() for part in text.split(",")]
    if not all(_NUMBER.fullmatch(part) for part in parts):
        raise Unreadable
    numbers = frozenset(map(int, parts))
    return numbers if all(least <= number <= most and number for number in numbers) else _refuse()


def _refuse() -> Never:
    raise Unreadable
