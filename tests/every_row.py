"""Many small rows in one test: a table of hundreds is one test, because every process of a run collects each test.

Rule of this module: every row is tried, also after a failure, and all failures are reported together.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Row = TypeVar("Row")


class Failures:
    """Counts the tried rows, and keeps why some failed."""

    def __init__(self) -> None:
        self._tried, self._failed = 0, list[str]()

    @contextmanager
    def row(self, row: object) -> Iterator[None]:
        """Try a row: what fails within is kept."""
        self._tried += 1
        try:
            yield
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is told with its row
            self._failed.append(f"{row!r}: {type(failure).__name__}: {failure}")

    def tell(self) -> None:
        """Raise `AssertionError` with every failed row and its reason, or if there was no row."""
        assert self._tried, "there is no row"
        assert not self._failed, f"{len(self._failed)} of {self._tried} rows\n" + "\n".join(self._failed)


def try_every_row(check: Callable[[Row], None], rows: Iterable[Row]) -> None:
    """Call the check with each row. Raises `AssertionError` with every failed row, or if there is no row."""
    failures = Failures()
    for row in rows:
        with failures.row(row):
            check(row)
    failures.tell()


def every_row(names: str | tuple[str, ...], rows: Iterable[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Try a test with every row, as `pytest.mark.parametrize` does with the same words, but as one test.

    All rows get the same fixtures, so a test that changes them cannot be tried so.
    """
    several = not isinstance(names, str) or "," in names
    keys = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else tuple(names)

    def named(row: Any) -> dict[str, Any]:
        values = getattr(row, "values", row) if hasattr(row, "marks") else row if several else (row,)
        return dict(zip(keys, values, strict=True))

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        def whole(**fixtures: Any) -> None:
            failures = Failures()
            for row in map(named, rows):
                with failures.row(row):
                    test(**fixtures, **row)
            failures.tell()

        @functools.wraps(test)
        async def whole_async(**fixtures: Any) -> None:
            failures = Failures()
            for row in map(named, rows):
                with failures.row(row):
                    await test(**fixtures, **row)
            failures.tell()

        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in keys]
        decorated: Any = whole_async if inspect.iscoroutinefunction(test) else whole
        decorated.__signature__ = signature.replace(parameters=left)
        return decorated  # type: ignore[no-any-return]

    return decorate
