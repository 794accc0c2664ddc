"""What is noted of starts, stops and deaths."""

from __future__ import annotations

from pathlib import Path

from bridge.app.run_history import KEPT_SECONDS, MAX_KEPT, RunHistory, record_start, record_stop
from bridge.tables import line_state
from tests.fakes.bridge_harness import BridgeHarness


async def test_a_start_that_follows_no_stop_is_a_death(tmp_path: Path) -> None:
    """Stopped and started is none; started again without a stop is one; a full disk keeps nobody from starting."""
    harness = BridgeHarness(tmp_path)
    await harness.open()

    async def told() -> RunHistory | None:
        return RunHistory.parse(await line_state.get(harness.database, line_state.RUNS))

    await record_start(harness.database, 100.5)
    assert await told() == RunHistory(first=100.0)
    await record_stop(harness.database)
    await record_start(harness.database, 200.0)
    assert await told() == RunHistory(first=100.0)
    await record_start(harness.database, 300.0)
    await record_start(harness.database, 400.0)
    history = await told()
    harness.database.full = True
    await record_start(harness.database, 500.0)
    await record_stop(harness.database)
    harness.database.full = False
    assert await told() == history == RunHistory(first=100.0, deaths=(300.0, 400.0))
    assert history is not None
    assert (history.deaths_since(299.0), history.deaths_since(300.0), history.deaths_since(400.0)) == (2, 1, 0)
    await harness.close()


def test_deaths_are_forgotten() -> None:
    """After a week, and of a crash loop the oldest."""
    history = RunHistory(first=0.0)
    for n in range(MAX_KEPT + 20):
        history = history.with_start(float(n))
    assert len(history.deaths) == MAX_KEPT
    assert history.with_start(KEPT_SECONDS * 2).deaths == (KEPT_SECONDS * 2,)
    assert RunHistory.parse(None) is None
