"""Records when texts come, by the hour: how long a gap is usual, so that an unusual silence is noticed.

Rules of this module: the line is measured, never a person. What is stored is one value of the table `line`: the hour of the
newest text, and for each of the last eight weeks the longest time without any, in whole hours. Each hour overwrites the
last; nothing says whose text it was, how many there were, or that two belong together (decisions/operations.md, "Silence").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from bridge.storage.database import Transaction
from bridge.tables import line_state

HOUR: Final = 3600.0
WEEK_HOURS: Final = 7 * 24
WEEKS: Final = 8
ENOUGH_WEEKS: Final = 3
"""Weeks with texts, the first and the present one in part, from which on the line's own history counts."""
MIN_LIMIT_HOURS: Final = 6
LIMIT_FACTOR: Final = 1.5
LIMIT_WITHOUT_HISTORY_HOURS: Final = WEEK_HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalHistory:
    """`last`: the hour of the newest text, since the epoch. `gaps`: by week, its longest time without one, in hours."""

    last: int
    gaps: Mapping[int, int]

    @classmethod
    def parse(cls, stored: str | None) -> Self | None:
        """Read the stored value; None if no text has come yet."""
        if stored is None:
            return None
        fields = json.loads(stored)
        return cls(last=fields["last"], gaps={int(week): gap for week, gap in fields["gaps"].items()})

    def text(self) -> str:
        """Return the value to store."""
        return json.dumps({"last": self.last, "gaps": {str(week): gap for week, gap in self.gaps.items()}})

    def with_text(self, hour: int) -> Self:
        """Return the history with a text in that hour. An hour before the newest one changes nothing."""
        if hour <= self.last:
            return self
        week = hour // WEEK_HOURS
        gaps = {**self.gaps, week: max(self.gaps.get(week, 0), hour - self.last)}
        return type(self)(last=hour, gaps={each: gap for each, gap in gaps.items() if each > week - WEEKS})

    @property
    def usual_hours(self) -> int | None:
        """The longest usual time without a text; None while too little is known.

        It is the second longest of the weeks' longest: one outage, or one holiday, does not become usual.
        """
        if len(self.gaps) < ENOUGH_WEEKS:
            return None
        return sorted(self.gaps.values())[-2]

    @property
    def limit_hours(self) -> float:
        """Hours without a text after which a person should check whether texts still come through."""
        usual = self.usual_hours
        return LIMIT_WITHOUT_HISTORY_HOURS if usual is None else max(MIN_LIMIT_HOURS, LIMIT_FACTOR * usual)


class Arrivals:
    """Notes that a text came, in the commit that stores it: one more statement for the first text of each hour."""

    def __init__(self) -> None:
        self._recorded_hour = -1

    async def note(self, transaction: Transaction, now: float) -> None:
        """Note a text of that time, in the caller's commit."""
        hour = int(now // HOUR)
        if hour == self._recorded_hour:
            return
        before = ArrivalHistory.parse(await line_state.get(transaction, line_state.ARRIVALS))
        after = ArrivalHistory(last=hour, gaps={hour // WEEK_HOURS: 0}) if before is None else before.with_text(hour)
        await line_state.put(transaction, line_state.ARRIVALS, after.text())

    def record_commit(self, now: float) -> None:
        """Remember that the commit of a text of that time was made."""
        self._recorded_hour = int(now // HOUR)
