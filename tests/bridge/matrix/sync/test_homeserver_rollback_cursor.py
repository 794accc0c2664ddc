"""A cursor that the homeserver cannot read, as an older Synapse cannot."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from bridge.matrix.olm import identity_table
from bridge.matrix.sync import homeserver_rollback
from bridge.matrix.sync.sync_loop import SyncLoop
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync.test_homeserver_rollback import BEFORE, heard, one_turn, syncs
from tests.bridge.matrix.sync_events import ROOM, bodies, timeline

OLDER = "s120_7_0"
"""A cursor of an older Synapse, which has fewer parts."""


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the two minutes of refusals pass at once."""

    async def pass_at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(homeserver_rollback, "wait", pass_at_once)


@pytest.mark.parametrize("is_killed", [False, True], ids=["it goes on", "killed between"])
async def test_what_was_said_since_is_heard_once(rig: Rig, server: ScriptedHomeserver, is_killed: bool) -> None:
    """Asked with the same cursor it would refuse for ever: all is read to what was heard, and its own cursor is used."""
    ada, one, two = await heard(rig, server)
    server.unreadable_cursors, server.position = {BEFORE}, OLDER
    if is_killed:
        await rig.matrix.sync._end_refused_cursor()
        await rig.stop()
        await rig.start(run=False)
    server.requests.clear()
    server.queue_sync({"next_batch": OLDER, **timeline(one, two, ada.room_message(ROOM, "new"))})
    await one_turn(rig)
    assert bodies(rig.events) == ["new"]
    assert (rig.rollbacks, rig.counts_less) == (1, [False])
    assert await identity_table.cursor(rig.database, POLICY) == OLDER
    server.requests.clear()
    await one_turn(rig)
    assert [each.query["since"] for each in syncs(server)[:1]] == [OLDER]


async def test_the_puppet_syncs_without_its_cursor(rig: Rig, server: ScriptedHomeserver) -> None:
    """It reads no rooms, so nothing is repeated: its keys are counted again, and its messages come."""
    puppet: SyncLoop = rig.matrix.puppet_sync
    first = server.queue_sync({}, puppet=True)
    await puppet.run_once()
    server.unreadable_cursors = {first}
    server.queue_sync({}, puppet=True)  # the answer to whether it syncs at all
    second = server.queue_sync({}, puppet=True)
    running = asyncio.create_task(puppet.run())
    await puppet.caught_up.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert await identity_table.cursor(rig.puppet_database, PUPPET) == second
    timeouts = [each.query["timeout"] for each in syncs(server) if "since" not in each.query]
    assert len(set(timeouts)) == len(timeouts), "Synapse would answer from its cache"
    assert rig.rollbacks == 0
