"""The table of behaviours, asked of every adapter of `rows.py`."""

from __future__ import annotations

import inspect

import pytest

from bridge.carriers.registry import KINDS
from tests.bridge.carriers import behaviours_copies, behaviours_door, behaviours_inbound, behaviours_outbound
from tests.bridge.carriers.conformance import BEHAVIOURS, Behaviour
from tests.bridge.carriers.rows import ROWS
from tests.bridge.carriers.stand import Row, Trait

CASES = [
    pytest.param(row, behaviour, id=f"{row.name}-{behaviour.promise.__name__}")
    for row in ROWS
    for behaviour in BEHAVIOURS
    if behaviour.asked_of(row.traits)
]


@pytest.mark.parametrize(("row", "behaviour"), CASES)
async def test_adapter(row: Row, behaviour: Behaviour) -> None:
    """Every adapter keeps every promise of the table that its vendor makes possible (the behaviour's own docstring)."""
    async with row.stand() as stand:
        await behaviour.promise(stand)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_lists_as_it_says(row: Row) -> None:
    """`lists` says what the vendor can do, and `kind` is the word in the configuration."""
    async with row.stand() as stand:
        assert stand.carrier.lists is (Trait.LISTS in row.traits)
        assert stand.carrier.kind == row.name
        assert stand.traits == row.traits
        assert stand.carrier.rate.per_second > 0


def test_every_kind_is_here() -> None:
    """Every carrier that can be configured is in the table."""
    assert sorted(row.name for row in ROWS) == sorted(KINDS)


def test_nothing_left_out() -> None:
    """Every behaviour that is written is in the table, and says what it promises."""
    written = {
        function
        for module in (behaviours_copies, behaviours_door, behaviours_inbound, behaviours_outbound)
        for _, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if list(inspect.signature(function).parameters) == ["stand"]
    }
    assert written == {behaviour.promise for behaviour in BEHAVIOURS}
    assert all(function.__doc__ for function in written)
