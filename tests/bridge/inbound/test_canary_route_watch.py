"""How the canary's trips went is told once each way, and a canary that says nothing is one that is not well."""

from __future__ import annotations

import pytest

from bot.model.actions import DESK
from bot.model.events import Event
from bot.model.line_incidents import CanaryFailed, CanaryRecovered, CanaryStep
from bridge.inbound.canary_route import NOT_OK, OK, CanaryWatch
from bridge.storage import serialization
from bridge.tables import inbox, line_state
from tests.fakes.bridge_harness import BridgeHarness

SILENCE = 100.0


class Watched:
    """A watch, what it told the desk so far, and a clock."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.harness, self.now = harness, 0.0
        self.watch = CanaryWatch(harness.services, silence=SILENCE, monotonic=lambda: self.now)

    async def told(self) -> list[Event]:
        """Return what the desk was told, oldest first."""
        rows = await inbox.events_of(self.harness.database, DESK)
        opened = [await self.harness.vault.open(DESK, inbox.CONTEXT, row.inbox_row.body) for row in rows]
        return [serialization.decode(row.inbox_row.kind, body) for row, body in zip(rows, opened, strict=True)]

    async def metric(self) -> str | None:
        """Return what the metric says."""
        return await line_state.get(self.harness.database, line_state.CANARY_OK)


@pytest.fixture
async def watched(harness: BridgeHarness) -> Watched:
    await harness.vault.create(DESK)
    return Watched(harness)


async def test_a_line_that_is_well_is_no_news(watched: Watched) -> None:
    """Trips that are well from the first are told nobody; the metric says so."""
    assert await watched.metric() is None
    for _ in range(3):
        await watched.watch.report(None, 1.0)
    assert await watched.told() == []
    assert await watched.metric() == OK


async def test_a_failure_is_told_once_and_so_is_its_end(watched: Watched) -> None:
    """The first failure is told, the next ones are not, whatever their step; that all is well again is told once."""
    await watched.watch.report(CanaryStep.KEYS, 60.0)
    await watched.watch.report(CanaryStep.ROOM, 60.0)
    assert await watched.told() == [CanaryFailed(step=CanaryStep.KEYS)]
    assert await watched.metric() == NOT_OK
    await Watched(watched.harness).watch.report(CanaryStep.ROOM, 60.0)
    assert len(await watched.told()) == 1, "a restart repeats nothing"
    for _ in range(2):
        await watched.watch.report(None, 1.0)
    assert await watched.told() == [CanaryFailed(step=CanaryStep.KEYS), CanaryRecovered()]
    assert await watched.metric() == OK


@pytest.mark.parametrize("small", [CanaryStep.SLOW, CanaryStep.ERASURE, CanaryStep.SILENT, CanaryStep.ACCOUNT])
async def test_a_text_that_does_not_come_through_is_told_after_a_smaller_failure(
    watched: Watched, small: CanaryStep
) -> None:
    """A canary that is slow, or broken itself, hides nothing: people's texts may stop as well. Each is told once."""
    for step in (small, small, CanaryStep.KEYS, CanaryStep.ROOM, small):
        await watched.watch.report(step, 60.0)
    assert await watched.told() == [CanaryFailed(step=small), CanaryFailed(step=CanaryStep.KEYS)]
    await watched.watch.report(None, 1.0)
    await watched.watch.report(small, 60.0)
    assert (await watched.told())[2:] == [CanaryRecovered(), CanaryFailed(step=small)]


async def test_silence_is_a_failure(watched: Watched) -> None:
    """A canary that says nothing for so long, or never said anything since the start, is told like any failure."""
    watched.now = SILENCE - 1
    await watched.watch.run_once()
    assert await watched.told() == []
    watched.now = SILENCE
    await watched.watch.run_once()
    await watched.watch.run_once()
    assert await watched.told() == [CanaryFailed(step=CanaryStep.SILENT)]
    await watched.watch.report(None, 1.0)
    watched.now += SILENCE - 1
    await watched.watch.run_once()
    assert (await watched.told())[1:] == [CanaryRecovered()]
