"""Durations of the pack in the words of a page.

Rule of this module: only whole units. A duration that is not a whole number of its unit is written in the next smaller one,
so that a page is always exact.
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
"""Below it, hours are written and not days: the rest of the documentation says 72 hours."""


def duration_text(seconds: float, language: str) -> str:
    """Return a duration in a language of the pages: `8 seconds`, `72 horas`, `90 days`."""
    whole = round(seconds)
    size, unit = next(
        (size, unit)
        for size, unit in UNITS
        if whole % size == 0 and not (unit == "day" and whole < HOURS_TO) and whole >= size
    )
    count = whole // size
    return f"{count} {NAMES[language][unit][count != 1]}"
