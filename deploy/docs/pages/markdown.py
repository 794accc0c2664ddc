"""The building blocks of the generated pages: tables, and durations of the pack in words.

Rule of this module: a duration has only whole units. One that is not a whole number of its unit is written in the next
smaller one, so that a page is always exact.
"""

from __future__ import annotations

from typing import Final

GENERATED_NOTICE: Final = (
    "<!-- Made by `.venv/bin/python -m deploy.docs.generate` from the tables in the code. Change those, not this page. -->"
)
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


def table(head: tuple[str, ...], rows: list[str]) -> str:
    """Return a table. `head`: its cells; `rows`: complete lines."""
    return "\n".join((f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *rows))


def page(parts: list[str]) -> str:
    """Return a page: parts with an empty line between them."""
    return "\n\n".join(parts) + "\n"


def cell(words: str) -> str:
    """Return words escaped for a cell of a table."""
    return words.replace("|", "\\|")


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
