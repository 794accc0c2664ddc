"""Lengths of time of the pack, as a page says them.

Rule of this module: whole units alone. A length that is no whole number of its unit is said in the next smaller one, so
that a page never says less, or more, than the line does.
"""

from __future__ import annotations

from typing import Final

UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
NAMES: Final = {
    "en": {
        "day": ("day", "days"),
        "hour": ("hour", "hours"),
        "minute": ("minute", "minutes"),
        "second": ("second", "seconds"),
    },
    "es": {
        "day": ("día", "días"),
        "hour": ("hora", "horas"),
        "minute": ("minuto", "minutos"),
        "second": ("segundo", "segundos"),
    },
}
HOURS_TO: Final = 96 * 3_600
"""Below it, hours are said and not days: 72 hours is what the rest of the documentation calls them."""


def said(seconds: float, language: str) -> str:
    """Say a length of time in a language of the pages: `8 seconds`, `72 horas`, `90 days`."""
    whole = round(seconds)
    size, unit = next(
        (size, unit)
        for size, unit in UNITS
        if whole % size == 0 and not (unit == "day" and whole < HOURS_TO) and whole >= size
    )
    count = whole // size
    return f"{count} {NAMES[language][unit][count != 1]}"
