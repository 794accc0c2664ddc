"""A homeserver that was put back has people again who had gone: they get no key, and are told of."""

from __future__ import annotations

from typing import Any, Final

import pytest

from bridge.matrix.api.events import MemberReturned, Membership
from bridge.matrix.rooms.room_state import membership_of
from bridge.matrix.sync.sync_response import STATE_AFTER
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync.test_homeserver_rollback import BEFORE, heard, one_turn
from tests.bridge.matrix.sync_events import ROOM, member_event, sync_with, timeline

BACK: Final = MemberReturned(room_id=ROOM, user_id="@eve:x")
AT: Final = 1_700_000_100_000


def moved(person: ClientDevice, membership: str, at: int, *, by: str = "") -> dict[str, Any]:
    """Make an event of a membership at that time, in ms."""
    event = {**member_event(person, membership), "event_id": f"${membership}-{at}", "origin_server_ts": at}
    return {**event, "sender": by or person.mxid}


async def eve_has_gone(rig: Rig, server: ScriptedHomeserver) -> tuple[ClientDevice, ClientDevice, dict[str, Any]]:
    """Have Eve come into Ada's room and be removed from it; return both, and the newest event, of that."""
    ada, _, _ = await heard(rig, server)
    eve = ClientDevice("@eve:x")
    server.register(eve)
    last = moved(eve, "leave", AT + 2000, by=POLICY)
    for event in (moved(eve, "invite", AT - 1, by=POLICY), moved(eve, "join", AT), last):
        await sync_with(rig, server, {"next_batch": BEFORE, **timeline(event)})
        await rig.matrix.device_updates.run_once()
    rig.events.clear()
    server.requests.clear()
    return ada, eve, last


async def say(rig: Rig) -> None:
    await rig.matrix.outbound_sessions.encrypt(
        rig.matrix.policy, ROOM, "m.room.message", {"msgtype": "m.text", "body": "for those who are in"}
    )


def told_of(server: ScriptedHomeserver, *holds: dict[str, Any], events: tuple[dict[str, Any], ...] = ()) -> None:
    """Have the next sync tell which memberships hold, and what came."""
    response = timeline(*events)
    response["rooms"]["join"][ROOM][STATE_AFTER[0]] = {"events": list(holds)}
    server.queue_sync({"next_batch": "s60_7_0_3", **response})


async def put_back_with(rig: Rig, server: ScriptedHomeserver, lost: dict[str, Any], **parts: Any) -> None:
    """Have the homeserver put back to before that event, and the first sync tell of that."""
    server.requests.clear()
    server.position, server.lost = "s60_7_0_3", {lost["event_id"]}
    told_of(server, *parts.get("holds", ()), events=parts.get("events", ()))
    await one_turn(rig)


@pytest.mark.parametrize("membership", ["join", "invite"])
async def test_who_had_gone_gets_no_key(rig: Rig, server: ScriptedHomeserver, membership: str) -> None:
    """By the sync that tells what holds: they count as gone, are told of once, and keys go to those who are in."""
    ada, eve, last = await eve_has_gone(rig, server)
    old = moved(eve, membership, AT)
    await put_back_with(rig, server, last, holds=(old,))
    server.members = {"chunk": [old]}
    await rig.matrix.room_comparison.compare_members(ROOM, until=AT + 2000)
    assert [item for item in rig.events if isinstance(item, MemberReturned)] == [BACK]
    await say(rig)
    await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(ada)) == 1
    assert server.sent_to(eve) == []
    # Once they are removed, nothing is told of that, and their next invitation counts.
    for event in (
        moved(eve, "leave", AT + 5000, by=POLICY),
        moved(eve, "invite", AT + 6000),
        moved(eve, "join", AT + 7000),
    ):
        await sync_with(rig, server, timeline(event))
    assert [item.membership for item in rig.events if isinstance(item, Membership)][-2:] == ["invite", "join"]
    await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(eve)) == 1


async def test_an_invitation_before_our_first_sync_counts(rig: Rig, server: ScriptedHomeserver) -> None:
    """A colleague had them in again, after the homeserver was put back."""
    _, eve, last = await eve_has_gone(rig, server)
    again = (moved(eve, "invite", AT + 9000, by="@ada:x"), moved(eve, "join", AT + 9001))
    await put_back_with(rig, server, last, holds=again[1:], events=again)
    assert await membership_of(rig.database, ROOM, eve.mxid) == "join"
    assert not [item for item in rig.events if isinstance(item, MemberReturned)]


@pytest.mark.parametrize("compared", [True, False], ids=["compared before", "compared after"])
async def test_who_came_again_since_is_invited(rig: Rig, server: ScriptedHomeserver, compared: bool) -> None:
    """They had gone by that day and came back after it: nobody hears that they left, and they are asked in."""
    _, eve, old = await eve_has_gone(rig, server)
    last = moved(eve, "join", AT + 4000)
    for event in (moved(eve, "invite", AT + 3000), last):
        await sync_with(rig, server, {"next_batch": BEFORE, **timeline(event)})
    rig.events.clear()
    server.members = {"chunk": [old]}
    if compared:
        await rig.matrix.room_comparison.compare_members(ROOM)
    await put_back_with(rig, server, last, holds=(old,))
    assert eve.mxid in (await rig.matrix.room_comparison.compare_members(ROOM, until=AT + 4000)).lost_members
    for event in (moved(eve, "invite", AT + 9000, by=POLICY), moved(eve, "join", AT + 9500)):
        await sync_with(rig, server, timeline(event))
    assert [(item.user_id, item.membership) for item in rig.events if isinstance(item, Membership)] == [(eve.mxid, "join")]
    assert not [item for item in rig.events if isinstance(item, MemberReturned)]
    assert eve.mxid not in (await rig.matrix.room_comparison.compare_members(ROOM)).lost_members
