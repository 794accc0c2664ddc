"""A small stored value is whole, is damaged, or loses the entries that are."""

from __future__ import annotations

import pytest

from bridge.runtime.value_readers import (
    Milliseconds,
    Seconds,
    ValueReader,
    WholeNumber,
    entries,
    is_time,
    members,
    one_of,
    text,
    whole,
)
from tests.every_row import try_every_row

OBJECT = whole(lambda: members(at=Seconds, names=list[str]))
READ: tuple[tuple[ValueReader, str], ...] = (
    (whole(lambda: Seconds), "1.5"),
    (whole(lambda: Seconds), "-7"),
    (whole(lambda: WholeNumber), "0"),
    (whole(lambda: Milliseconds), "1800000000000"),
    (OBJECT, '{"names": ["a"], "at": 3, "newer": null}'),
    (entries(lambda: str), "[]"),
    (one_of("a", "b"), "b"),
    (text, "any\0 text"),
)
DAMAGED: tuple[tuple[ValueReader, str], ...] = (
    *((whole(lambda: Seconds), value) for value in ("", "NaN", "-Infinity", "1e999", "true", '"1"', "null", "9" * 5000)),
    *((whole(lambda: WholeNumber), value) for value in ("1.0", "1e3", "34359738369", "1800000000000")),
    *((OBJECT, value) for value in ("[]", "{}", '{"at": 3}', '{"at": "3", "names": []}', '{"at": 3, "names": [3]}')),
    (OBJECT, '{"at": 3, "names": ["\\ud800"]}'),
    *((entries(lambda: str), value) for value in ("", "[", "{}", "null", '"a"', "[" * 100_000)),
    (one_of("a", "b"), "ab"),
    (text, "\udcff"),
)


def test_whole_values_are_read_as_they_are() -> None:
    """A member that a newer version may have written is left as well."""

    def check(row: tuple[ValueReader, str]) -> None:
        reader, value = row
        assert reader(value) == value

    try_every_row(check, READ)


def test_damaged_values_are_found() -> None:
    """Nothing infinite, of another type, cut off or not to be written passes."""

    def check(row: tuple[ValueReader, str]) -> None:
        reader, value = row
        with pytest.raises((ValueError, RecursionError)):
            reader(value)

    try_every_row(check, DAMAGED)


def test_entries_of_another_kind_are_left_out() -> None:
    """The others do not depend on them, and keep their order."""
    reader = entries(lambda: members(user=str))
    assert reader('[{"user": "a"}, {"uses": "b"}, 3, {"user": NaN}, {"user": "c"}]') == '[{"user": "a"}, {"user": "c"}]'


def test_a_time_is_finite() -> None:
    """What is no number at all is damaged as well."""
    assert [is_time(number) for number in ("1.5", "nan", "-inf", "1e300")] == [True, False, False, False]
    with pytest.raises(ValueError, match="could not convert"):
        is_time("x")
