"""The carrier that the tests here talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bridge.carriers.rehearsal_harness import RehearsalHarness, rehearsal_harness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def pace() -> dict[str, float]:
    """Return what a test has take another time, in seconds."""
    return {}


@pytest.fixture
async def stand(pace: dict[str, float]) -> AsyncIterator[RehearsalHarness]:
    async with rehearsal_harness(**{"first_retry": 0.02, "longest_retry": 0.1, "partner": 3.0, **pace}) as harness:
        yield harness
