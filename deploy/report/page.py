"""The report as one HTML page: plots as inline SVG, each beside a table of the same numbers.

Rules of this module: the page has no script and no URL, and its content security policy forbids both. It is made only of
`deploy.report.plots` and wording, so a hidden count is nowhere in it. The mark of a hidden count always has the same
length. Every text that is not ours is escaped. Colours have a contrast of at least 4.5 to 1: light, dark and on paper.
"""

from __future__ import annotations

from html import escape
from typing import Final

from deploy.inspect.monthly_report import SMALLEST_SHOWN, WAIT_STEPS, ReportMonth
from deploy.report.page_wording import ENGLISH, LANGUAGES
from deploy.report.plots import Figure, Plot, PlotRow, plots_of

WIDTH: Final = 440
"""Widths within a plot, in its own units: labels, then bars, then space for a number."""
BARS_FROM: Final = 195
BARS_WIDE: Final = 185
ROW_HIGH: Final = 24
BAR_HIGH: Final = 14
LABEL_LENGTH: Final = 30
"""Characters of a label in a plot; the table has the full label."""

_STYLE: Final = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1b1b; --bar: #1f5f99; --line: #6b6b6b; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #161616; --ink: #ececec; --bar: #8cbcec; --line: #a0a0a0; }
}
@media print { :root { --paper: #ffffff; --ink: #000000; --bar: #1f5f99; --line: #6b6b6b; } }
body { margin: 0 auto; max-width: 75rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
.months { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1.5rem; }
.month, figure { break-inside: avoid; margin: 0; }
svg { display: block; width: 100%; max-width: 36rem; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.bar { fill: var(--bar); }
.small { fill: none; stroke: var(--bar); stroke-dasharray: 3 2; }
.axis { stroke: var(--line); }
table { border-collapse: collapse; margin-top: 0.5rem; }
caption { text-align: start; font-weight: 600; }
th, td { border: 1px solid var(--line); padding: 0.15rem 0.5rem; text-align: start; font-weight: 400; }
thead th { font-weight: 600; }
"""
_HEAD: Final = (
    '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    '<meta name="referrer" content="no-referrer">'
)


def report_page(months: tuple[ReportMonth, ...], language: str) -> str:
    """Return the page, in one of the `LANGUAGES` of its words."""
    return _Page(months, language).html()


class _Page:
    def __init__(self, months: tuple[ReportMonth, ...], language: str) -> None:
        self._months, self._language, self._words = months, language, LANGUAGES[language]
        self._in_short = {Figure.SMALL: f"< {SMALLEST_SHOWN}", Figure.WITHHELD: "—"}
        self._small = self._words["small"].format(smallest=SMALLEST_SHOWN)

    def html(self) -> str:
        words = self._words
        about = words["about"].format(below=SMALLEST_SHOWN - 1, small=self._small)
        parts = [f"<h1>{words['title']}</h1>", f"<p>{about}</p>", f"<p>{words['people']}</p>"]
        if self._months:
            parts += [self._section(plot) for plot in plots_of(self._months)]
        else:
            parts.append(f"<p>{words['nothing']}</p>")
        title = " ".join([words["title"], *([self._months[0].month] if len(self._months) == 1 else [])])
        return (
            f'<!DOCTYPE html>\n<html lang="{self._language}">\n<head>\n{_HEAD}\n<title>{escape(title)}</title>\n'
            f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
        )

    def _section(self, plot: Plot) -> str:
        heading = self._words[plot.name]
        parts = [f'<section aria-labelledby="{plot.name}">', f'<h2 id="{plot.name}">{heading}</h2>']
        if not plot.rows:
            parts.append(f"<p>{self._words['nothing_here']}</p>")
        elif plot.name == "load":
            parts.append(self._figure(plot, plot.rows, "", heading))
        else:
            parts.append('<div class="months">')
            for month in plot.months:
                rows = tuple(row for row in plot.rows if row.month == month)
                shown = escape(month)
                parts += ['<div class="month">', f"<h3>{shown}</h3>"]
                parts += [self._figure(plot, rows, shown, f"{heading}, {shown}"), "</div>"]
            parts.append("</div>")
        return "\n".join([*parts, "</section>"])

    def _figure(self, plot: Plot, rows: tuple[PlotRow, ...], month: str, heading: str) -> str:
        return f"<figure>\n{self._svg(plot, rows, month, heading)}\n{self._table(plot, rows, heading)}\n</figure>"

    def _svg(self, plot: Plot, rows: tuple[PlotRow, ...], month: str, heading: str) -> str:
        maximum, high = plot.axis_maximum, len(rows) * ROW_HIGH + 22
        name = f"plot-{plot.name}-{month}" if month else f"plot-{plot.name}"
        parts = [
            f'<svg role="img" viewBox="0 0 {WIDTH} {high}" aria-labelledby="{name}-title {name}-desc">',
            f'<title id="{name}-title">{heading}</title>',
            f'<desc id="{name}-desc">{self._words["described"].format(maximum=maximum)}</desc>',
        ]
        for index, row in enumerate(rows):
            top = index * ROW_HIGH + 3
            label = self._label(plot, row)
            cut = label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"
            parts.append(f'<text x="{BARS_FROM - 6}" y="{top + 11}" text-anchor="end">{escape(cut)}</text>')
            length = _length(row, maximum)
            if length:
                kind = "bar" if row.figure is Figure.COUNTED else "small"
                parts.append(
                    f'<rect class="{kind}" x="{BARS_FROM}" y="{top}" width="{length:.1f}" height="{BAR_HIGH}"></rect>'
                )
            number = str(row.number) if row.figure is Figure.COUNTED else self._in_short[row.figure]
            parts.append(f'<text x="{BARS_FROM + length + 5:.1f}" y="{top + 11}">{escape(number)}</text>')
        bottom = len(rows) * ROW_HIGH + 2
        ends = f'x1="{BARS_FROM}" x2="{BARS_FROM + BARS_WIDE}" y1="{bottom}" y2="{bottom}"'
        parts.append(f'<line class="axis" {ends}></line>')
        parts.append(f'<text x="{BARS_FROM}" y="{bottom + 15}">0</text>')
        parts.append(f'<text x="{BARS_FROM + BARS_WIDE}" y="{bottom + 15}" text-anchor="end">{maximum}</text>')
        return "\n".join([*parts, "</svg>"])

    def _table(self, plot: Plot, rows: tuple[PlotRow, ...], heading: str) -> str:
        words, load = self._words, plot.name == "load"
        columns = [words["month"], words["count"], words["median"]] if load else [words["counted"], words["count"]]
        head = "".join(f'<th scope="col">{column}</th>' for column in columns)
        lines = []
        for row in rows:
            values = [self._number(row), *([self._median(row.month)] if load else [])]
            cells = "".join(f"<td>{value}</td>" for value in values)
            lines.append(f'<tr><th scope="row">{escape(self._label(plot, row))}</th>{cells}</tr>')
        body = "\n".join(lines)
        return f"<table>\n<caption>{heading}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"

    def _number(self, row: PlotRow) -> str:
        if row.figure is Figure.COUNTED:
            return str(row.number)
        return escape(self._small if row.figure is Figure.SMALL else self._words["withheld"])

    def _median(self, month: str) -> str:
        step = next((each.median_wait for each in self._months if each.month == month), None)
        kind = next((kind for kind, name in WAIT_STEPS.items() if name == step), None)
        return self._words["no_median"] if kind is None else self._words[kind]

    def _label(self, plot: Plot, row: PlotRow) -> str:
        if plot.name == "load":
            return row.month
        language = self._words[row.language] if row.language in LANGUAGES else row.language
        if not row.kind:
            return language
        kind = self._words[row.kind] if row.kind in ENGLISH else row.kind.replace("_", " ")
        return f"{kind}, {language}"


def _length(row: PlotRow, maximum: int) -> float:
    """Return the length of a bar: for a hidden count that of the smallest shown count, for a withheld sum 0."""
    until = {Figure.COUNTED: row.number or 0, Figure.SMALL: SMALLEST_SHOWN, Figure.WITHHELD: 0}[row.figure]
    return BARS_WIDE * until / maximum
