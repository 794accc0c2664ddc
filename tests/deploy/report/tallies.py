"""Counters of a line as the report reads them, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable

from deploy.inspect.monthly_report import ReportCell, ReportMonth

Counter = tuple[str, str, str, int]
CELLS: tuple[Counter, ...] = (
    ("2027-01", "en", "shelter", 12),
    ("2027-01", "en", "legal", 4),
    ("2027-01", "es", "shelter", 5),
    ("2027-01", "vi", "unmet_language", 1),
    ("2027-01", "en", "wait_under_2_min", 6),
    ("2027-01", "en", "wait_2_to_5_min", 31),
    ("2027-01", "es", "wait_5_to_10_min", 3),
    ("2027-03", "en", "legal", 9),
    ("2027-03", "en", "gone_when_answered", 2),
    ("2027-03", "en", "wait_under_2_min", 20),
    ("2027-03", "es", "wait_over_30_min", 7),
)
"""Two months with one between them in which nothing was counted."""


def months_of(counters: Iterable[Counter]) -> tuple[ReportMonth, ...]:
    """Return them as `monthly_report.read_months` does."""
    cells = [ReportCell(month=m, language=lang, kind=kind, number=n) for m, lang, kind, n in sorted(counters)]
    months = sorted({cell.month for cell in cells})
    return tuple(ReportMonth(month=m, cells=tuple(cell for cell in cells if cell.month == m)) for m in months)
