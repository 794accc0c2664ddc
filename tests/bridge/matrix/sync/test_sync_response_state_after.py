"""Changes of membership that were made at once: what holds is what the homeserver says holds, not what came last."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.matrix.api.events import Membership
from bridge.matrix.rooms.room_state import members_of
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, member_event, record_our_room, sync_with, timeline

ADA = ClientDevice("@ada:x")
INVITED, JOINED, LEFT = member_event(ADA, "invite"), member_event(ADA), member_event(ADA, "leave")
WORDS = {"msgtype": "m.notice", "body": "so"}
RENAMED = {**JOINED, "event_id": "$renamed"}


def response(*events: dict[str, Any], after: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Make a sync response that says what holds after its timeline."""
    return {"rooms": {"join": {ROOM: {"timeline": {"events": list(events)}, name: {"events": after}}}}}


@pytest.mark.parametrize("name", ["state_after", "org.matrix.msc4222.state_after"])
@pytest.mark.parametrize(
    ("before", "came", "after", "membership", "memberships"),
    [
        pytest.param("join", [LEFT, RENAMED], [LEFT], "leave", ["leave"], id="a new name beside a removal"),
        pytest.param("leave", [RENAMED], [], "leave", [], id="a new name after a removal that it did not know of"),
        pytest.param("join", [LEFT], [], "join", [], id="a removal that was refused"),
        pytest.param("leave", [INVITED, JOINED], [JOINED], "join", ["invite", "join"], id="one after the other"),
        pytest.param("join", [LEFT, INVITED, JOINED], [JOINED], "join", ["leave", "invite", "join"], id="there and back"),
        pytest.param("join", [], [LEFT], "leave", ["leave"], id="what did not come"),
    ],
)
async def test_what_holds_is_taken(
    rig: Rig,
    server: ScriptedHomeserver,
    before: str,
    came: list[dict[str, Any]],
    after: list[dict[str, Any]],
    membership: str,
    memberships: list[str],
    name: str,
) -> None:
    """A change that does not hold is not taken, however late it comes; and what led to the one that holds is told."""
    await record_our_room(rig)
    await sync_with(rig, server, timeline({**member_event(ADA, before), "event_id": "$before"}))
    rig.events.clear()
    await sync_with(rig, server, response(*came, after=after, name=name))
    assert (await members_of(rig.database, ROOM))[ADA.mxid] == membership
    assert [item.membership for item in rig.events if isinstance(item, Membership)] == memberships
