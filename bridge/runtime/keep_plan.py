"""How many backups are kept: `8` (the newest), `7d,4w,12m` (of days, weeks and months), or both.

Rules of this module: a number alone means that many of the newest files. With a letter it means the newest file of each of
the last N days, ISO weeks or months (UTC) that have one, so that a pause in the backups deletes none of the older ones. A
file is kept if any part keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import BeforeValidator

PART: Final = re.compile(r"(?P<count>[1-9][0-9]{0,3})(?P<of>[dwm]?)")
FORM: Final = "must be a whole number from 1 (the newest), or days, weeks and months such as 7d,4w,12m"
_PERIODS: Final[dict[str, Callable[[datetime], object]]] = {
    "newest": lambda at: at,
    "days": lambda at: at.date(),
    "weeks": lambda at: at.isocalendar()[:2],
    "months": lambda at: (at.year, at.month),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepPlan:
    """How many of each are kept."""

    newest: int = 0
    days: int = 0
    weeks: int = 0
    months: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the form above. Raises `ValueError` with a sentence."""
        names = {"": "newest", "d": "days", "w": "weeks", "m": "months"}
        counts: dict[str, int] = {}
        for part in text.replace(" ", "").lower().split(","):
            match = PART.fullmatch(part)
            if match is None or names[match["of"]] in counts:
                raise ValueError(FORM)
            counts[names[match["of"]]] = int(match["count"])
        return cls(**counts)

    def times_to_keep(self, times: Sequence[datetime]) -> set[datetime]:
        """Return which of these times stay."""
        stay: set[datetime] = set()
        for field in fields(self):
            period, newest = _PERIODS[field.name], {}
            for at in sorted(times):
                newest[period(at)] = at
            stay.update(sorted(newest.values(), reverse=True)[: getattr(self, field.name)])
        return stay


def _check(value: Any) -> Any:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ValueError(FORM)  # noqa: TRY004 - pydantic takes this for a wrong value
    KeepPlan.parse(text)
    return value


Keep: TypeAlias = Annotated[int | str, BeforeValidator(_check)]
"""`keep` as a person writes it; :meth:`KeepPlan.parse` of its text reads it."""
