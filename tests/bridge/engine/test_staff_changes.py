"""What `quietline staff` leaves beside a running line reaches the desk once."""

from __future__ import annotations

import json
from pathlib import Path

from bot.model.actions import DESK
from bot.model.line_incidents import StaffAdded, StaffRemoved
from bridge.engine.staff_changes import LOOK_INTERVAL, StaffChanges
from bridge.storage import serialization
from bridge.tables import inbox, line_state
from tests.fakes.bridge_harness import BridgeHarness

DAN, EVE = "@dan:quietline.localhost", "@eve:quietline.localhost"


async def test_changes_reach_the_desk_in_their_order_and_once(tmp_path: Path) -> None:
    """Each is one event of the desk; a second look finds nothing."""
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.engine.load()

    async def told() -> list[object]:
        rows = [row.inbox_row for row in await inbox.events_of(harness.database, DESK)]
        return [serialization.decode(row.kind, await harness.vault.open(DESK, inbox.CONTEXT, row.body)) for row in rows]

    try:
        changes = StaffChanges(harness.services)
        assert await changes.run_once() == LOOK_INTERVAL
        pending = json.dumps([{"user": DAN, "role": "supervisor"}, {"user": EVE, "role": "removed"}])
        await harness.database.commit(lambda transaction: line_state.put(transaction, line_state.STAFF_CHANGES, pending))
        assert await changes.run_once() == 0.0
        expected = [StaffAdded(user=DAN, supervisor=True), StaffRemoved(user=EVE)]
        assert await told() == expected
        assert await changes.run_once() == LOOK_INTERVAL
        assert await told() == expected
    finally:
        await harness.close()
