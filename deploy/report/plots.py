"""The numbers that the page of the report plots, as rows, and their JSON.

Rules of this module: a number is read only from `ReportCell.shown_number`, so a hidden count changes no bar, axis or sum. A
sum is given only when every cell in it is shown (complementary suppression): with one hidden cell, the sum and the others
would reveal it. Months are not added up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from deploy.inspect.monthly_report import MONTH, WAIT_STEPS, ReportCell, ReportMonth, json_document

UNMET: Final = ("unmet_language", "gone_when_answered", "abandoned")
"""Kinds of `bot.lifecycle.tally` that count unmet needs."""
LONGEST_FILLED: Final = 120
"""Up to so many months from the first to the last, the plots also have the months without a counter."""
SMALLEST_AXIS: Final = 10
"""The smallest end of an axis: otherwise a quiet month would look like a busy one."""


class Figure(Enum):
    """How a number is shown."""

    COUNTED = "counted"
    SMALL = "fewer_than_smallest"
    WITHHELD = "part_is_hidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotRow:
    """One bar. Empty `kind` or `language`: the row is for all of them. `number`: None unless it is `COUNTED`."""

    month: str
    language: str = ""
    kind: str = ""
    number: int | None
    figure: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One plot: a panel for each month, or one panel for all months in which each row is a month."""

    name: str
    rows: tuple[PlotRow, ...]

    @property
    def axis_maximum(self) -> int:
        """The end of the axis, the same in every month: the next of 10, 20, 50, 100, 200… above the numbers shown."""
        longest = max((row.number for row in self.rows if row.number is not None), default=0)
        end, steps = SMALLEST_AXIS, (2.0, 2.5, 2.0)
        for turn in range(60):
            if end >= longest:
                break
            end = int(end * steps[turn % 3])
        return end

    @property
    def months(self) -> list[str]:
        """The months of its rows, in order."""
        return sorted({row.month for row in self.rows})


def plots_of(months: tuple[ReportMonth, ...]) -> tuple[Plot, ...]:
    """Return every plot; each has the same rows in every month, so that months can be compared."""
    cells = [cell for month in months for cell in month.cells]
    names = _with_months_between([month.month for month in months])
    waits = [cell for cell in cells if cell.kind in WAIT_STEPS]
    unmet = [cell for cell in cells if cell.kind in UNMET]
    needs = [cell for cell in cells if cell.kind not in WAIT_STEPS and cell.kind not in UNMET]
    languages = sorted({cell.language for cell in waits})
    return (
        Plot(name="load", rows=tuple(_sum_of(waits, month) for month in names)),
        Plot(name="waits", rows=tuple(_rows_of(waits, names, list(WAIT_STEPS)))),
        Plot(
            name="languages",
            rows=tuple(
                _sum_of([cell for cell in waits if cell.language == language], month, language)
                for month in names
                for language in languages
            ),
        ),
        Plot(name="needs", rows=tuple(_rows_of(needs, names, sorted({cell.kind for cell in needs})))),
        Plot(name="unmet", rows=tuple(_rows_of(unmet, names, list(UNMET)))),
    )


def plots_json(months: tuple[ReportMonth, ...]) -> str:
    """Return `monthly_report.json_document` with the numbers of each plot added as `plots`."""
    plots = [
        {
            "plot": plot.name,
            "axis_maximum": plot.axis_maximum,
            "rows": [
                {
                    "month": row.month,
                    "language": row.language or None,
                    "kind": row.kind or None,
                    "number": row.number,
                    "figure": row.figure.value,
                }
                for row in plot.rows
            ],
        }
        for plot in plots_of(months)
    ]
    return json.dumps({**json_document(months), "plots": plots})


def _rows_of(cells: list[ReportCell], months: list[str], kinds: list[str]) -> Iterator[PlotRow]:
    """Yield a row for each month and each kind and language of any month; 0 when a month has no such counter."""
    by_name = {(cell.month, cell.kind, cell.language): cell for cell in cells}
    names = sorted({(kinds.index(cell.kind), cell.language) for cell in cells})
    for month in months:
        for index, language in names:
            cell = by_name.get((month, kinds[index], language))
            number = 0 if cell is None else cell.shown_number
            figure = Figure.SMALL if number is None else Figure.COUNTED
            yield PlotRow(month=month, language=language, kind=kinds[index], number=number, figure=figure)


def _sum_of(cells: Iterable[ReportCell], month: str, language: str = "") -> PlotRow:
    """Return the sum of a month's cells; without a number when one of them is hidden."""
    parts = [cell.shown_number for cell in cells if cell.month == month]
    shown = [part for part in parts if part is not None]
    if len(shown) < len(parts):
        return PlotRow(month=month, language=language, number=None, figure=Figure.WITHHELD)
    return PlotRow(month=month, language=language, number=sum(shown), figure=Figure.COUNTED)


def _with_months_between(months: list[str]) -> list[str]:
    """Return the months in order, with the months between them that have no counter unless there would be too many."""
    if not months or not all(MONTH.fullmatch(month) for month in months):
        return sorted(months)
    first, last = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (min(months), max(months)))
    if last - first >= LONGEST_FILLED:
        return sorted(months)
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(first, last + 1)]
