"""Many rows in one test: no failure hides another one."""

from __future__ import annotations

import pytest

from tests.every_row import try_every_row


def test_every_row_that_fails_is_told_with_its_reason() -> None:
    """A failed row prevents no other from being tried; the compared values are reported."""
    tried: list[int] = []

    def check(row: int) -> None:
        tried.append(row)
        assert 6 // row == 6

    with pytest.raises(AssertionError) as failed:
        try_every_row(check, (0, 1, 2, 3))
    assert tried == [0, 1, 2, 3]
    first, *reasons = str(failed.value).splitlines()
    assert first == "3 of 4 rows"
    assert [line.partition(": ")[0] for line in reasons if line[:1].isdigit()] == ["0", "2", "3"]
    assert "(6 // 2) == 6" in str(failed.value)
    try_every_row(check, (1,))


def test_a_table_without_a_row_tries_nothing() -> None:
    """A table without rows is a failure."""
    with pytest.raises(AssertionError):
        try_every_row(print, ())
