"""When texts come, for the line as a whole: what is usual, and that nothing about a person is kept."""

from __future__ import annotations

import json
from pathlib import Path

from bridge.inbound.arrivals import HOUR, MIN_LIMIT_HOURS, WEEK_HOURS, WEEKS, ArrivalHistory
from bridge.tables import line_state
from tests.fakes.bridge_harness import BridgeHarness

WEEK = 3000


def history(*gaps: int) -> ArrivalHistory:
    return ArrivalHistory(last=(WEEK + len(gaps)) * WEEK_HOURS, gaps={WEEK + n: gap for n, gap in enumerate(gaps)})


def test_the_longest_time_of_each_week_is_kept() -> None:
    """Of eight weeks; an hour before the newest changes nothing."""
    start = WEEK * WEEK_HOURS
    arrival_history = ArrivalHistory(last=start, gaps={WEEK: 0})
    for hour in (start + 2, start + 12, start + 15):
        arrival_history = arrival_history.with_text(hour)
    assert arrival_history == ArrivalHistory(last=start + 15, gaps={WEEK: 10})
    assert arrival_history.with_text(start + 3) == arrival_history
    for week in range(1, 20):
        arrival_history = arrival_history.with_text(start + week * WEEK_HOURS)
    assert len(arrival_history.gaps) == WEEKS
    assert ArrivalHistory.parse(arrival_history.text()) == arrival_history
    assert ArrivalHistory.parse(None) is None


def test_a_limit_is_taken_from_the_line_itself() -> None:
    """A week until enough is known; then half more than is usual, and one outage does not become usual."""
    assert history(3, 4).limit_hours == WEEK_HOURS
    assert history(3, 4).usual_hours is None
    assert history(10, 20, 12).usual_hours == 12
    assert history(10, 20, 12).limit_hours == 18
    assert history(10, 150, 12, 11).limit_hours == 18
    assert history(1, 1, 2).limit_hours == MIN_LIMIT_HOURS


async def test_texts_leave_an_hour_and_no_more(tmp_path: Path) -> None:
    """Two texts of an hour are one note; one of a later hour takes its place; a repeated one changes nothing."""
    harness = BridgeHarness(tmp_path)
    await harness.open()
    started_at = harness.clock.at

    async def stored() -> dict[str, object]:
        note: dict[str, object] = json.loads(await line_state.get(harness.database, line_state.ARRIVALS) or "{}")
        return note

    await harness.receive_text("hello", message_id="1")
    first = await stored()
    assert first == {"last": int(started_at // HOUR), "gaps": {str(int(started_at // HOUR) // WEEK_HOURS): 0}}
    await harness.receive_text("again", message_id="2", sender="+12065550198")
    assert await stored() == first
    harness.clock.at += 3 * HOUR
    await harness.receive_text("hello", message_id="1")
    assert await stored() == first
    await harness.receive_text("later", message_id="3")
    later = await stored()
    await harness.close()
    assert later["last"] == int(started_at // HOUR) + 3
    assert later.keys() == {"last", "gaps"}
