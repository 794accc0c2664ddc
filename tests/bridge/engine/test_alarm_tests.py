"""A test of the alarms that was asked for beside the running line reaches the desk once."""

from __future__ import annotations

from bot.model.actions import DESK
from bot.model.line_incidents import AlarmTestRequested, LineChecked
from bridge.engine.alarm_tests import LOOK_INTERVAL, AlarmTests
from bridge.storage import serialization
from bridge.tables import inbox, line_state
from tests.fakes.bridge_harness import BridgeHarness


async def test_a_test_is_taken_once(harness: BridgeHarness) -> None:
    """It is one event of the desk; a second look finds nothing."""
    await harness.engine.load()
    tests = AlarmTests(harness.services)
    assert await tests.run_once() == LOOK_INTERVAL
    await harness.database.commit(lambda transaction: line_state.put(transaction, line_state.ALARM_TEST, "0123abcd"))
    assert await tests.run_once() == 0.0
    assert await tests.run_once() == LOOK_INTERVAL
    (row,) = [row.inbox_row for row in await inbox.events_of(harness.database, DESK)]
    event = serialization.decode(row.kind, await harness.vault.open(DESK, inbox.CONTEXT, row.body))
    assert event == AlarmTestRequested(test="0123abcd")


async def test_what_a_look_found_is_taken_once(harness: BridgeHarness) -> None:
    """It is one event of the desk with the names of rows; a later look before it was taken stands in its place."""
    await harness.engine.load()
    tests = AlarmTests(harness.services)
    await harness.database.commit(lambda transaction: line_state.put(transaction, line_state.CHECK_FOUND, '["disk"]'))
    both = '["disk", "backup"]'
    await harness.database.commit(lambda transaction: line_state.put(transaction, line_state.CHECK_FOUND, both))
    assert [await tests.run_once(), await tests.run_once()] == [0.0, LOOK_INTERVAL]
    (row,) = [row.inbox_row for row in await inbox.events_of(harness.database, DESK)]
    event = serialization.decode(row.kind, await harness.vault.open(DESK, inbox.CONTEXT, row.body))
    assert event == LineChecked(rows=("disk", "backup"))
