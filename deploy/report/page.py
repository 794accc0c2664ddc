"""The report as one HTML page: plots as inline SVG, each beside a table of the same numbers.

Rules of this module: the page has no script and no URL, and its content security policy forbids both. It is made only of
`deploy.report.plots`, `page.html` and `words.yaml`, so a hidden count is nowhere in it. The mark of a hidden count always
has the same length. Every text is escaped.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from deploy.inspect.monthly_report import SMALLEST_SHOWN, WAIT_STEPS, ReportMonth
from deploy.report.plots import Figure, Plot, PlotRow, plots_of
from policies import read_text
from policies.yaml_file import parse_yaml

HERE: Final = Path(__file__).parent
WIDTH, BARS_FROM, BARS_WIDE, ROW_HIGH = 440, 195, 185, 24
"""Widths within a plot, in its own units: labels, then bars, then space for a number; and the height of a row."""
LABEL_LENGTH: Final = 30
"""Characters of a label in a plot; the table has the full label."""

Words = dict[str, str]


def report_page(months: tuple[ReportMonth, ...], language: str) -> str:
    """Return the page, in one of the languages of `words.yaml`."""
    languages: dict[str, Words] = parse_yaml(HERE / "words.yaml")
    words = languages[language]
    environment = Environment(
        undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.globals |= {"words": words, "width": WIDTH, "bars_from": BARS_FROM, "bars_wide": BARS_WIDE}
    return environment.from_string(read_text(HERE / "page.html")).render(
        language=language,
        months=months,
        plots=plots_of(months),
        smallest=SMALLEST_SHOWN,
        small=words["small"].format(smallest=SMALLEST_SHOWN),
        figure=partial(_figure, words, months),
    )


def _figure(words: Words, months: tuple[ReportMonth, ...], plot: Plot, month: str) -> dict[str, Any]:
    """Return what a figure shows: the rows of a month, or of all of them for ""."""
    rows = [row for row in plot.rows if not month or row.month == month]
    return {
        "id": f"plot-{plot.name}-{month}" if month else f"plot-{plot.name}",
        "heading": f"{words[plot.name]}, {month}" if month else words[plot.name],
        "bottom": len(rows) * ROW_HIGH + 2,
        "bars": [_bar(words, months, plot, row, index) for index, row in enumerate(rows)],
    }


def _bar(words: Words, months: tuple[ReportMonth, ...], plot: Plot, row: PlotRow, index: int) -> dict[str, Any]:
    """Return a bar. A hidden count's is as long as that of the smallest shown one; a withheld sum has none."""
    label = row.month if plot.name == "load" else _label(words, row)
    small = words["small"].format(smallest=SMALLEST_SHOWN)
    until, short, number = {
        Figure.COUNTED: (row.number or 0, str(row.number), str(row.number)),
        Figure.SMALL: (SMALLEST_SHOWN, f"< {SMALLEST_SHOWN}", small),
        Figure.WITHHELD: (0, "—", words["withheld"]),
    }[row.figure]
    return {
        "top": index * ROW_HIGH + 3,
        "label": label,
        "cut": label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…",
        "length": BARS_WIDE * until / plot.axis_maximum,
        "kind": "bar" if row.figure is Figure.COUNTED else "small",
        "short": short,
        "number": number,
        "median": _median(words, months, row.month),
    }


def _median(words: Words, months: tuple[ReportMonth, ...], month: str) -> str:
    step = next((each.median_wait for each in months if each.month == month), None)
    kind = next((kind for kind, name in WAIT_STEPS.items() if name == step), None)
    return words["no_median"] if kind is None else words[kind]


def _label(words: Words, row: PlotRow) -> str:
    """Name a row by its kind, where it has one, and its language: by its name where we have it, otherwise by its code."""
    language = words[row.language] if row.language in {"en", "es"} else row.language
    return f"{words.get(row.kind, row.kind.replace('_', ' '))}, {language}" if row.kind else language
