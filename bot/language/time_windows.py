"""Times of day in the line's time zone: those at which a texter said that texting is safe.

Rules of this module: a time is a minute of the line's day; a span may run over midnight, and belongs to the day on which it
begins. Times are local times, as people mean them: an hour that daylight saving repeats counts twice, an hour that it skips
does not occur.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from bot.model.thread import ConsentFlags
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack

SPAN: Final = re.compile(r"([01]?\d|2[0-3])(?::([0-5]\d))?(am|pm)?-(?:([01]?\d|2[0-3])(?::([0-5]\d))?(am|pm)?|24(?::00)?)")
MAX_SPANS: Final = 5
NOON: Final = 12 * 60
EITHER_HALF: Final = re.compile(r"[1-9]|1[0-2]")
"""Hours that may be of the morning or of the evening as people write them; `09` is of the morning."""
NIGHT_OR_DAY: Final = ("1", "2", "3", "4", "5")
"""Hours that begin a span of the afternoon as people write it, and of the night by the clock."""
DAYS: Final = {
    str(day): day for day in (notice_of(f"day.{name}") for name in ["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
}
"""The days of the week by their short English names, in order."""
_DAYS: Final = tuple(DAYS.values())
DAY_NAMES: Final = {
    name: day
    for day, names in enumerate(
        (
            "mon monday mondays lun lunes",
            "tue tues tuesday tuesdays mar martes",
            "wed weds wednesday wednesdays mie mié miercoles miércoles",
            "thu thur thurs thursday thursdays jue jueves",
            "fri friday fridays vie viernes",
            "sat saturday saturdays sab sáb sabado sábado sabados sábados",
            "sun sunday sundays dom domingo domingos",
        )
    )
    for name in names.split()
}
DAY_GROUPS: Final = {
    "weekday": range(5),
    "weekdays": range(5),
    "weekend": range(5, 7),
    "weekends": range(5, 7),
    "daily": range(7),
}
_RANGE: Final = re.compile(r"\s*(?:[-\u2010-\u2015]|\b(?:to|until|till|al?|hasta)\b)\s*")
"""Words that people put between the two ends of a span."""
_BETWEEN: Final = re.compile(r"\b(?:from|on|de|del|desde|los|las|el)\b")
"""Words that people put before a day or an hour: "de 9 a 15", "los lunes"."""
_GROUPS: Final = re.compile(r"\b(?:entre semana|d[ií]as laborables)\b")
_WEEKEND: Final = re.compile(r"\bfin(?:es)? de semana\b")


def local(pack: Pack, at: float) -> datetime:
    """Return a moment (seconds since the epoch) in the time zone of the line."""
    return datetime.fromtimestamp(at, ZoneInfo(pack.hours.timezone))


def is_safe(flags: ConsentFlags, moment: datetime) -> bool:
    """Tell whether a moment of the line's day is within the safe times, as far as any were agreed."""
    minute, day = moment.hour * 60 + moment.minute, moment.weekday()
    inside = (a <= minute < b if a < b else minute >= a or minute < b for a, b in flags.safe_times)
    of_days = (
        _begins(a, b, minute) if first == day else a >= b and (first + 1) % 7 == day and minute < b
        for first, a, b in flags.safe_days
    )
    return not (flags.safe_times or flags.safe_days) or any(inside) or any(of_days)


def describe(flags: ConsentFlags) -> str:
    """Say the safe times."""
    spans = dict.fromkeys((a, b) for _, a, b in flags.safe_days)
    of_days = [
        join_notices(" ", (_days([day for day, *span in flags.safe_days if tuple(span) == (a, b)]), _span(a, b)))
        for a, b in spans
    ]
    said = (*(_span(a, b) for a, b in flags.safe_times), *of_days)
    return join_notices(", ", said) if said else notice_of("word.any_time")


def with_safe_times(flags: ConsentFlags, words: str) -> ConsentFlags | None:
    """Return the flags with `9-15:30`, `weekdays 9am-3pm` or `fri-sun 22-2` as their safe times; None if unreadable.

    Days stand before the spans that they apply to. `7-9` may be of the morning or of the evening, so it is not guessed:
    with the wrong half words would leave while another has the phone. So is `13-3`, of which the clock makes a span over
    midnight. `9-3` is said of a day at work.
    """
    times: list[tuple[int, int]] = []
    of_days: list[tuple[int, int, int]] = []
    days: list[int] = []
    count, open_days = 0, False
    said = _BETWEEN.sub(" ", _GROUPS.sub("weekdays", _WEEKEND.sub("weekend", words.casefold().replace(",", " "))))
    for word in _RANGE.sub("-", said).split():
        if (named := _named_days(word)) is not None:
            days = [*days, *named] if open_days else named
            open_days = True
            continue
        if (span := _read_span(word)) is None:
            return None
        count, open_days = count + 1, False
        times += [] if days else [span]
        of_days += [(day, *span) for day in dict.fromkeys(days)]
    if not 0 < count <= MAX_SPANS or open_days:
        return None
    return replace(flags, safe_times=tuple(times), safe_days=tuple(of_days))


def _begins(a: int, b: int, minute: int) -> bool:
    """Tell whether a minute is within a span, on the day on which the span begins."""
    return a <= minute < b if a < b else minute >= a


def _named_days(word: str) -> list[int] | None:
    if word in DAY_GROUPS:
        return list(DAY_GROUPS[word])
    first, _, last = word.partition("-")
    if first not in DAY_NAMES or (last and last not in DAY_NAMES):
        return None
    day, to = DAY_NAMES[first], DAY_NAMES[last or first]
    return [(day + n) % 7 for n in range((to - day) % 7 + 1)]


def _read_span(word: str) -> tuple[int, int] | None:
    span = SPAN.fullmatch(word)
    if span is None:
        return None
    start = _minute(span[1], span[2], span[3])
    end = 1440 if span[4] is None else _minute(span[4], span[5], span[6])
    if start is None or end is None:
        return None
    if span[3] is None and span[6] is not None and int(span[1]) <= 12:
        # "1-3pm", "11-1pm", "10-2am": the first hour is the nearest one before the second.
        start = (end - 1 - (end - start - 1) % NOON) % 1440
    elif span[3] is not None and span[6] is None and EITHER_HALF.fullmatch(span[4] or "24"):
        # "9am-3", "9pm-11": the second hour is the nearest one after the first.
        end = (start + 1 + (end - start - 1) % NOON) % 1440
    elif _is_of_either_half(span, start, end):
        return None
    elif span[6] is None and NOON + 60 > start > end > 0:
        # "9 to 3" and "12:30 to 2" are said of the day: over midnight it would be half a day or more, in which more would
        # leave.
        end += NOON
    return None if start == end else (start, end)


def _is_of_either_half(span: re.Match[str], start: int, end: int) -> bool:
    """Tell whether a span may be of two parts of the day: `1-3` and `7-9` of either half, `13-3` of a day or of a night."""
    first, last = (EITHER_HALF.fullmatch(hour or "24") is not None for hour in (span[1], span[4]))
    halves = span[3] is None and end <= NOON and (span[1] in NIGHT_OR_DAY or (start < end and first and last))
    return halves or (span[6] is None and last and NOON + 60 <= start < end + NOON <= 2 * NOON)


def _minute(hour: str, minute: str | None, half: str | None) -> int | None:
    """Return the minute of the day; None for 13pm."""
    hours = int(hour)
    if half is not None and not 1 <= hours <= 12:
        return None
    hours = hours if half is None else hours % 12 + (12 if half == "pm" else 0)
    return hours * 60 + int(minute or 0)


def _span(a: int, b: int) -> str:
    return f"{a // 60}:{a % 60:02}-{b // 60}:{b % 60:02}"


def _days(days: list[int]) -> str:
    """Name days of the week; consecutive days as a range."""
    return join_notices(
        " ", (_DAYS[a] if a == b else join_notices("-", (_DAYS[a], _DAYS[b])) for a, b in _runs(sorted(set(days))))
    )


def _runs(days: list[int]) -> Iterator[tuple[int, int]]:
    first = last = days[0]
    for day in days[1:]:
        if day != last + 1:
            yield first, last
            first = day
        last = day
    yield first, last
