"""Values of many small fields as Hypothesis strategies, with few draws.

Rule of this module: a field with few values has no draw of its own. A desk has hundreds of such fields, and their draws
would cost more than most decisions: so several fields are the digits of one drawn number. The first value of a field is its
simplest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, combinations, permutations, product
from typing import Any, Final, TypeAlias, TypeVar

from hypothesis import strategies as st
from hypothesis.control import current_build_context

MOST: Final = 1 << 20
"""The range of one number: from 24 bits on Hypothesis prefers small numbers, so most fields would keep their first
value."""

T = TypeVar("T")
Field: TypeAlias = st.SearchStrategy[Any] | Iterable[Any]
"""A strategy, or the few possible values."""
Number: TypeAlias = tuple[st.SearchStrategy[int], list[tuple[str, tuple[Any, ...]]]]
"""One draw, and the fields, with their values, that it chooses."""


def made(kind: Callable[..., T], /, **fields: Field) -> st.SearchStrategy[T]:
    """Return a strategy of `kind` called with these fields; a failed test shows the value as that call."""
    drawn = {name: field for name, field in fields.items() if isinstance(field, st.SearchStrategy)}
    few = {name: tuple(field) for name, field in fields.items() if not isinstance(field, st.SearchStrategy)}
    return _made(kind, tuple(_numbers(few)), drawn)


@st.composite
def _made(
    draw: st.DrawFn, kind: Callable[..., T], numbers: Sequence[Number], fields: dict[str, st.SearchStrategy[Any]]
) -> T:
    values: dict[str, Any] = {}
    for number, parts in numbers:
        rest = draw(number)
        for name, choices in parts:
            rest, which = divmod(rest, len(choices))
            values[name] = choices[which]
    for name, strategy in fields.items():
        values[name] = draw(strategy)
    value = kind(**values)
    current_build_context().record_call(value, kind, args=(), kwargs=values)
    return value


def _numbers(few: dict[str, tuple[Any, ...]]) -> Iterable[Number]:
    size, parts = 1, list[tuple[str, tuple[Any, ...]]]()
    for name, choices in few.items():
        if size * len(choices) > MOST:
            yield st.integers(0, size - 1), parts
            size, parts = 1, []
        size *= len(choices)
        parts.append((name, choices))
    if parts:
        yield st.integers(0, size - 1), parts


def as_often(first: T, others: Iterable[Any]) -> tuple[Any, ...]:
    """Return values in which the first is as frequent as all the others together."""
    others = tuple(others)
    return (first,) * len(others) + others


def subsets(values: Iterable[T], most: int | None = None) -> tuple[frozenset[T], ...]:
    """Return every subset of the values, the smallest first. `most`: the largest size of a set."""
    values = tuple(values)
    sizes = range(len(values) + 1 if most is None else most + 1)
    return tuple(frozenset(each) for each in chain.from_iterable(combinations(values, size) for size in sizes))


def rows(values: Iterable[T], *, unique: bool = False) -> tuple[tuple[T, ...], ...]:
    """Return every row of up to two values; the empty one, and those of one, as often as all of two together."""
    values = tuple(values)
    pairs = tuple(permutations(values, 2)) if unique else tuple(product(values, repeat=2))
    short = ((), *((value,) for value in values))
    return short * max(1, len(pairs) // len(short)) + pairs
