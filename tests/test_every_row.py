"""A test of every row tells each failure, and fails without rows."""

from __future__ import annotations

import pytest

from tests.every_row import every_row, try_every_row


def test_all_failures_are_told() -> None:
    """The rows after a failure are tried as well."""

    def check(row: int) -> None:
        assert row % 2

    with pytest.raises(AssertionError, match=r"(?s)2 of 4 rows\n2: .*\n4: "):
        try_every_row(check, [1, 2, 3, 4])
    with pytest.raises(AssertionError, match="there is no row"):
        try_every_row(check, [])
    with pytest.raises(AssertionError, match="2 of 4 rows"):
        every_row("row", [1, 2, 3, 4])(check)()
