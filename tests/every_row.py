"""Many small rows in one test: a table of hundreds is one test, because every process of a run collects each test.

Rule of this module: every row is tried, also after a failure, and all failures are reported together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Row = TypeVar("Row")


def try_every_row(check: Callable[[Row], None], rows: Iterable[Row]) -> None:
    """Call the check with each row. Raises `AssertionError` with every failed row and its reason, or if there is no row."""
    tried, failed = 0, []
    for row in rows:
        tried += 1
        try:
            check(row)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is told with its row
            failed.append(f"{row!r}: {type(failure).__name__}: {failure}")
    assert tried, "there is no row"
    assert not failed, f"{len(failed)} of {tried} rows\n" + "\n".join(failed)
