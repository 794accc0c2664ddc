"""The carrier that the tests here talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bridge.carriers.rehearsal_harness import RehearsalHarness, rehearsal_harness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def stand() -> AsyncIterator[RehearsalHarness]:
    async with rehearsal_harness(first_retry=0.02, longest_retry=0.1, partner=0.3) as harness:
        yield harness
