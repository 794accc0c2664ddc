"""What a verb asks for beside the running line reaches the desk once."""

from __future__ import annotations

import json

from bot.model.actions import DESK
from bot.model.line_incidents import AlarmTestRequested, LineChecked, StaffAdded, StaffRemoved
from bridge.engine.verb_requests import LOOK_INTERVAL, VerbRequests
from bridge.storage import serialization
from bridge.tables import inbox, line_state
from tests.fakes.bridge_harness import BridgeHarness

DAN, EVE = "@dan:quietline.localhost", "@eve:quietline.localhost"


async def events_of_desk(harness: BridgeHarness) -> list[object]:
    """Return the events in the desk's inbox, in their order."""
    rows = [row.inbox_row for row in await inbox.events_of(harness.database, DESK)]
    return [serialization.decode(row.kind, await harness.vault.open(DESK, inbox.CONTEXT, row.body)) for row in rows]


async def test_changes_reach_the_desk_in_their_order_and_once(harness: BridgeHarness) -> None:
    """Each is one event of the desk; a second look finds nothing."""
    await harness.engine.load()
    requests = VerbRequests(harness.services)
    assert await requests.run_once() == LOOK_INTERVAL
    pending = json.dumps([{"user": DAN, "role": "supervisor"}, {"user": EVE, "role": "removed"}])
    await harness.database.commit(lambda transaction: line_state.put(transaction, line_state.STAFF_CHANGES, pending))
    assert [await requests.run_once(), await requests.run_once()] == [0.0, LOOK_INTERVAL]
    assert await events_of_desk(harness) == [StaffAdded(user=DAN, supervisor=True), StaffRemoved(user=EVE)]


async def test_a_test_is_taken_once(harness: BridgeHarness) -> None:
    """It is one event of the desk; a second look finds nothing."""
    await harness.engine.load()
    requests = VerbRequests(harness.services)
    await harness.database.commit(lambda transaction: line_state.put(transaction, line_state.ALARM_TEST, "0123abcd"))
    assert [await requests.run_once(), await requests.run_once()] == [0.0, LOOK_INTERVAL]
    assert await events_of_desk(harness) == [AlarmTestRequested(test="0123abcd")]


async def test_what_a_look_found_is_taken_once(harness: BridgeHarness) -> None:
    """It is one event of the desk with the names of rows; a later look before it was taken stands in its place."""
    await harness.engine.load()
    requests = VerbRequests(harness.services)
    await harness.database.commit(lambda transaction: line_state.put(transaction, line_state.CHECK_FOUND, '["disk"]'))
    both = '["disk", "backup"]'
    await harness.database.commit(lambda transaction: line_state.put(transaction, line_state.CHECK_FOUND, both))
    assert [await requests.run_once(), await requests.run_once()] == [0.0, LOOK_INTERVAL]
    assert await events_of_desk(harness) == [LineChecked(rows=("disk", "backup"))]
