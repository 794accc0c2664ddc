"""Killed while a homeserver that was put back is dealt with: all of it is done by the next start, and told once."""

from __future__ import annotations

import pytest

from bridge.runtime.crash_points import CrashPoint
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync.test_homeserver_rollback import heard, one_turn
from tests.bridge.matrix.sync_events import ROOM, bodies, timeline
from tests.bridge.matrix.test_crash_members import dies


@pytest.mark.parametrize(
    "point",
    [CrashPoint.ROLLBACK_NOTED, CrashPoint.ROLLBACK_MARKED, CrashPoint.ROLLBACK_KEYS_REPLACED],
    ids=lambda point: point.name,
)
async def test_the_next_start_does_it(rig: Rig, server: ScriptedHomeserver, point: CrashPoint) -> None:
    """Keys go again, used one-time keys are taken away, people are told, and only what is new is heard."""
    ada, one, two = await heard(rig, server)
    await rig.matrix.outbound_sessions.encrypt(rig.matrix.policy, ROOM, "m.room.message", {"body": "hello"})
    server.position, server.lost = "s60_7_0_3", {two["event_id"]}
    used = [*server.ours[POLICY].one_time_keys]
    assert used
    server.requests.clear()
    await dies(rig, point, rig.matrix.sync._check_for_rollback)
    assert (rig.counts_less, rig.rollbacks) == ([True], 0)
    server.queue_sync({"next_batch": "s60_7_0_3", **timeline(one, two, ada.room_message(ROOM, "new"))})
    await one_turn(rig)
    assert bodies(rig.events) == ["new"]
    assert rig.rollbacks == 1
    assert [key for key in used if key in server.ours[POLICY].one_time_keys] == []
    assert len(server.sent_to(ada)) == 1
