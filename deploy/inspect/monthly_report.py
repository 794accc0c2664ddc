"""`quietline report`: counts that a funder or a director may know (practice 21).

Rules of this module: it reads counters without a link to a conversation. A small cell is never shown, nor a figure from
which it could be computed: there are no sums over cells or months. Nothing is estimated: the number of different people who
texted is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.tables import inspection
from deploy.data_dir import offline

SMALLEST_SHOWN: Final = 5
"""Smaller counts are shown as "fewer than 5"."""
MONTH: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
WAIT_STEPS: Final = {
    "wait_under_2_min": "under 2 min",
    "wait_2_to_5_min": "2 to 5 min",
    "wait_5_to_10_min": "5 to 10 min",
    "wait_10_to_30_min": "10 to 30 min",
    "wait_over_30_min": "over 30 min",
}
"""Steps of the wait for a first answer, shortest first; the kinds are those of `bot.lifecycle.tally`."""
PEOPLE_UNKNOWN: Final = "anonymous, unknowable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCell:
    """One counter."""

    month: str
    language: str
    kind: str
    number: int

    @property
    def shown_number(self) -> int | None:
        """The count, or None when it is too small to be shown."""
        return self.number if self.number >= SMALLEST_SHOWN else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMonth:
    """A month's counters."""

    month: str
    cells: tuple[ReportCell, ...]

    @property
    def median_wait(self) -> str | None:
        """The step by which half of the first answers had come.

        None for fewer than five answers, and when a count of waits is hidden: step and other counts could reveal it.
        """
        if any(cell.shown_number is None for cell in self.cells if cell.kind in WAIT_STEPS):
            return None
        by_step = [sum(cell.number for cell in self.cells if cell.kind == kind) for kind in WAIT_STEPS]
        total, subtotal = sum(by_step), 0
        if total < SMALLEST_SHOWN:
            return None
        for name, number in zip(WAIT_STEPS.values(), by_step, strict=True):
            subtotal += number
            if 2 * subtotal >= total:
                return name
        raise AssertionError("half of a sum is reached before its end")


def read_months(data: Path, server: str | None, month: str | None) -> tuple[ReportMonth, ...]:
    """Read the counters of a line, beside a running bridge or without one. Raises `DatabaseError`."""
    with offline.line_snapshot(data, server) as db:
        counters = inspection.tally(db)
    cells = [ReportCell(month=c.month, language=c.language, kind=c.kind, number=c.number) for c in counters]
    months = sorted({cell.month for cell in cells} & {month} if month else {cell.month for cell in cells})
    return tuple(ReportMonth(month=m, cells=tuple(cell for cell in cells if cell.month == m)) for m in months)


def json_document(months: tuple[ReportMonth, ...]) -> dict[str, object]:
    """Return the report for a program, ready for JSON. `number` is null when it is too small to be shown."""
    document = [
        {
            "month": month.month,
            "median_wait": month.median_wait,
            "people": PEOPLE_UNKNOWN,
            "cells": [{"language": c.language, "kind": c.kind, "number": c.shown_number} for c in month.cells],
        }
        for month in months
    ]
    return {"smallest": SMALLEST_SHOWN, "months": document}


def as_text(months: tuple[ReportMonth, ...]) -> list[str]:
    """Return the report for a person."""
    if not months:
        return ["Nothing was counted."]
    lines: list[str] = []
    for month in months:
        lines.append(f"{month.month} (UTC)")
        lines.append(f"  different people: {PEOPLE_UNKNOWN}")
        lines.append(f"  half were answered within: {month.median_wait or 'not shown, for there is too little'}")
        for cell in month.cells:
            number = f"fewer than {SMALLEST_SHOWN}" if cell.shown_number is None else str(cell.shown_number)
            lines.append(f"  {cell.language:3}  {_label(cell.kind)}: {number}")
    return lines


def _label(kind: str) -> str:
    return f"first answer in {WAIT_STEPS[kind]}" if kind in WAIT_STEPS else kind.replace("_", " ")
