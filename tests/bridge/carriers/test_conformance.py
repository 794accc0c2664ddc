"""The table of behaviours, asked of every adapter of `rows.py`."""

from __future__ import annotations

import pytest

from bridge.carriers.vendors.registry import CARRIER_KINDS
from tests.bridge.carriers.behaviours import BEHAVIOURS, Behaviour
from tests.bridge.carriers.harness import AdapterRow, Trait
from tests.bridge.carriers.rows import ROWS
from tests.every_row import every_row

CASES = [
    pytest.param(row, behaviour, id=f"{row.name}-{behaviour.promise.__name__}")
    for row in ROWS
    for behaviour in BEHAVIOURS
    if behaviour.asked_of(row.traits)
]


@every_row(("row", "behaviour"), CASES)
async def test_adapter(row: AdapterRow, behaviour: Behaviour) -> None:
    """Every adapter keeps every promise of the table that its vendor makes possible (the behaviour's own docstring)."""
    async with row.harness() as harness:
        await behaviour.promise(harness)


@every_row("row", ROWS)
async def test_lists_as_it_says(row: AdapterRow) -> None:
    """`lists` says what the vendor can do, and `kind` is the word in the configuration."""
    async with row.harness() as harness:
        assert harness.carrier.can_list is (Trait.LISTS in row.traits)
        assert harness.carrier.kind == row.name
        assert harness.traits == row.traits
        assert harness.carrier.rate.per_second > 0


def test_every_kind_is_here() -> None:
    """Every carrier that can be configured is in the table."""
    assert sorted(row.name for row in ROWS) == sorted(CARRIER_KINDS)
