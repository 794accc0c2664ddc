"""What we have noted of our rooms is compared with what the homeserver says, and corrected like by a sync."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.matrix.api.events import Membership
from bridge.matrix.api.http_client import Transient
from bridge.matrix.rooms.room_state import members_of, set_membership
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, member_event, record_our_room, timeline


def told(**memberships: str) -> dict[str, Any]:
    """Say who is in a room, both of us included."""
    people = {POLICY: "join", PUPPET: "join", **{f"@{name}:x": membership for name, membership in memberships.items()}}
    return {
        "chunk": [
            {**member_event(ClientDevice(mxid), membership), "state_key": mxid} for mxid, membership in people.items()
        ]
    }


async def test_rooms_that_the_homeserver_has_not(rig: Rig, server: ScriptedHomeserver) -> None:
    """Those that we are not in are missing; one that only the puppet is not in is there, and we are outside of it."""
    server.joined = [ROOM]
    comparison = rig.matrix.room_comparison
    assert await comparison.missing_rooms([ROOM, "!lost"]) == ["!lost"]
    assert (await comparison.is_outside(ROOM), await comparison.is_outside("!lost")) == (False, True)


async def test_no_answer_is_no_empty_list(rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without a list, or a list that misses a room that we are in, makes no room again."""
    monkeypatch.setattr(server, "membership", "join")
    assert await rig.matrix.room_comparison.missing_rooms([ROOM]) == []
    server.joined = None  # type: ignore[assignment]
    with pytest.raises(Transient):
        await rig.matrix.room_comparison.missing_rooms([ROOM])


@pytest.mark.parametrize("errcode", ["M_FORBIDDEN", "M_NOT_FOUND"])
async def test_a_room_of_which_it_knows_no_membership_is_missing(
    rig: Rig, server: ScriptedHomeserver, errcode: str
) -> None:
    """The second look is refused with one of these two, by a homeserver that lacks the room, or us in it."""
    server.joined = []
    server.refuse, server.refuse_errcode = ("m.room.member", 403), errcode
    assert await rig.matrix.room_comparison.missing_rooms([ROOM]) == [ROOM]


async def test_members_are_as_the_homeserver_says(rig: Rig, server: ScriptedHomeserver) -> None:
    """Who was put back to invited, or came, is corrected and told; who goes is told by the sync."""
    await record_our_room(rig, people=["@ada:x", "@bea:x", "@cat:x"])
    server.members = told(ada="invite", bea="leave", cat="join", dot="join", eve="leave")
    assert (await rig.matrix.room_comparison.compare_members(ROOM)).change_count == 2
    members = await members_of(rig.database, ROOM)
    assert members == {
        POLICY: "join",
        PUPPET: "join",
        "@ada:x": "invite",
        "@bea:x": "join",
        "@cat:x": "join",
        "@dot:x": "join",
    }
    items = [(item.user_id, item.previous, item.membership) for item in rig.events if isinstance(item, Membership)]
    assert items == [("@ada:x", "join", "invite"), ("@dot:x", "", "join")]
    assert (await rig.matrix.room_comparison.compare_members(ROOM)).change_count == 0


async def test_people_whom_the_homeserver_has_lost(rig: Rig, server: ScriptedHomeserver) -> None:
    """Who was invited or in, and of whom it knows nothing, counts as invited and is told of until it has them; no other."""
    await record_our_room(rig, people=["@ada:x", "@bea:x"])
    for user, membership in (("@bea:x", "invite"), ("@cat:x", "leave")):
        await rig.database.commit(lambda transaction, u=user, m=membership: set_membership(transaction, ROOM, u, m))  # type: ignore[misc]
    server.members = told()
    for changed in (1, 0):
        assert await rig.matrix.room_comparison.compare_members(ROOM) == (changed, ["@ada:x", "@bea:x"])
    assert rig.events == []


@pytest.mark.parametrize(("until", "is_found"), [(1, True), (0, False)], ids=["of before", "since"])
async def test_who_had_gone_and_came_again_is_invited(
    rig: Rig, server: ScriptedHomeserver, until: int, is_found: bool
) -> None:
    """A homeserver that was put back to between the two says that they are out; who has gone since, the sync tells."""
    await record_our_room(rig, people=["@ada:x"])
    server.members = told(ada="leave")
    for changed in (int(is_found), 0):
        assert await rig.matrix.room_comparison.compare_members(ROOM, until=until) == (
            changed,
            ["@ada:x"] if is_found else [],
        )
    assert (await members_of(rig.database, ROOM))["@ada:x"] == ("invite" if is_found else "join")
    assert rig.events == []


async def test_a_change_that_the_sync_has_told_meanwhile_stands(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the homeserver may be older than what the sync brought while it was asked."""
    await record_our_room(rig, people=())
    server.members = told()
    ada = ClientDevice("@ada:x")
    server.queue_sync(timeline(member_event(ada)))
    original = rig.matrix.policy.client.request

    async def request(*args: Any, **options: Any) -> Any:
        answer = await original(*args, **options)
        if args[-1] == "members":
            await rig.database.commit(lambda transaction: set_membership(transaction, ROOM, ada.mxid, "join"))
        return answer

    server.members = told(ada="invite")
    monkeypatch.setattr(rig.matrix.policy.client, "request", request)
    assert (await rig.matrix.room_comparison.compare_members(ROOM)).change_count == 0
    assert (await members_of(rig.database, ROOM))[ada.mxid] == "join"
