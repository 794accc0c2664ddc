"""When the line is open, in seconds since the epoch, and how a text says it.

Rule of this module: pure. The moment is a parameter; nothing here reads a clock. On days on which clocks change, a period
is in local time: an hour that comes twice counts twice, and a time that the clock skips is reached at the moment after the
skip.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from policies.pack import OPENS_PLACEHOLDER, WAIT_PLACEHOLDER, Hours

MAX_DAYS_AHEAD: Final = 366
"""How many days ahead an opening is looked for."""
MONTHS: Final = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
}
LONGEST_OPENING: Final = {"es": "12:00 PM del 28 de nov"}
"""The longest value of `{opens}`; in other languages the next line's."""
LONGEST: Final = "12:00 PM on Nov 28"
WAITS: Final = {"en": ", usually within {} min", "es": " en unos {} min"}
"""The greeting's words for how long an answer takes; in other languages it says nothing of it."""
LONGEST_WAIT: Final = 60
"""Minutes; a longer time is not named."""


def open_at(hours: Hours, now: float) -> bool:
    """Return whether the line is open at that moment."""
    return hours.open_at(_local(hours, now))


def next_opening(hours: Hours, now: float) -> datetime | None:
    """Return the first moment from now on at which the line is open, in its local time; now itself if it is open.

    None when it does not open within a year.
    """
    local = _local(hours, now)
    if hours.open_at(local):
        return local
    for ahead in range(MAX_DAYS_AHEAD + 1):
        day = local.date() + timedelta(days=ahead)
        for moment in _moments(hours, day, ZoneInfo(hours.timezone)):
            if moment.timestamp() > now and hours.open_at(moment):
                return moment
    return None


def opening_text(hours: Hours, now: float, language: str) -> str | None:
    """Say when the line opens, for the after-hours text: `8:00 AM`; with the date when that is a day away or more.

    It is a date because GSM-7 lacks letters of some Spanish days of the week. None: it does not open within a year.
    """
    moment = next_opening(hours, now)
    if moment is None:
        return None
    minute = f"{moment.minute:02}"
    if hours.clock == 12:
        said = f"{moment.hour % 12 or 12}:{minute} {'AM' if moment.hour < 12 else 'PM'}"
    else:
        said = f"{moment.hour}:{minute}"
    if moment.timestamp() - now < 86400:
        return said
    months = MONTHS.get(language)
    if months is None:
        return f"{said}, {moment.day}/{moment.month}"
    month = months[moment.month - 1]
    if language == "es":
        return f"{said} del {moment.day} de {month}"
    return f"{said} on {moment.day} {month}" if hours.clock == 24 else f"{said} on {month} {moment.day}"


def waiting_text(minutes: int, language: str) -> str:
    """Say within how many minutes an answer usually comes, for the greeting; empty when that is not known (0)."""
    return WAITS[language].format(minutes) if minutes and language in WAITS else ""


def longest_as_sent(text: str, language: str) -> str:
    """Return the longest form in which a phone may get a text of the agency's."""
    text = text.replace(WAIT_PLACEHOLDER, waiting_text(LONGEST_WAIT, language))
    return text.replace(OPENS_PLACEHOLDER, LONGEST_OPENING.get(language, LONGEST))


def _local(hours: Hours, now: float) -> datetime:
    return datetime.fromtimestamp(now, ZoneInfo(hours.timezone))


def _moments(hours: Hours, day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield moments of a day, in order; each at which the line opens is among them."""
    begin = datetime.combine(day, time(), tzinfo=zone)
    end = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
    if begin.utcoffset() == end.utcoffset():
        yield from (begin.replace(hour=start // 60, minute=start % 60) for start, _ in hours.on(day))
    else:  # clocks change: a period may begin at the change itself, or come twice
        yield from (datetime.fromtimestamp(t, zone) for t in range(int(begin.timestamp()), int(end.timestamp()), 60))
