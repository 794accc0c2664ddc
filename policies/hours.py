"""When the line is open, in the time of the world, and how that is said in a text.

Rule of this module: pure. What is asked is given in seconds since the epoch; nothing here knows what time it is. On the
days on which clocks change, a period is what the clock on the wall says: an hour that comes twice counts twice, and a time
that the clock skips is reached at the moment after the skip.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from policies.pack import Hours

FURTHEST: Final = 366
"""How many days ahead an opening is looked for."""
MONTHS: Final = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"),
}


def open_at(hours: Hours, now: float) -> bool:
    """Tell whether somebody answers at that moment."""
    return hours.open_at(_local(hours, now))


def next_opening(hours: Hours, now: float) -> datetime | None:
    """Return the first moment from now on at which the line is open, in its local time; now itself if it is open.

    None when it does not open within a year.
    """
    local = _local(hours, now)
    if hours.open_at(local):
        return local
    zone = local.tzinfo
    for ahead in range(FURTHEST + 1):
        day = local.date() + timedelta(days=ahead)
        for start, _ in hours.on(day):
            wall = datetime.combine(day, time(start // 60, start % 60), tzinfo=zone)
            # There and back again: a time that the clock skips becomes the one that it shows then.
            moments = [wall.replace(fold=fold).astimezone(UTC).astimezone(zone) for fold in (0, 1)]
            if later := [moment for moment in moments if moment.timestamp() > now and hours.open_at(moment)]:
                return min(later, key=datetime.timestamp)
    return None


def opens(hours: Hours, now: float, language: str) -> str | None:
    """Say when the line opens, as the after-hours text takes it: `8:00 AM`; with the date when that is a day away or more.

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


def _local(hours: Hours, now: float) -> datetime:
    return datetime.fromtimestamp(now, ZoneInfo(hours.timezone))
