"""A homeserver that was put back has people and devices again that had gone: they get no key, and are told of once."""

from __future__ import annotations

from typing import Any, Final

import pytest
from aiohttp import web

from bridge.matrix import service
from bridge.matrix.api.events import DevicesReturned, MemberReturned, Membership, UntrustedMessage
from bridge.matrix.olm.cross_signing import DeviceAnswer
from bridge.matrix.olm.to_device_inbox import ToDeviceBatch
from bridge.matrix.room_keys import device_lists
from bridge.matrix.rooms.room_state import levels_of, membership_of, set_levels
from bridge.matrix.sync.sync_response import STATE_AFTER
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync.test_homeserver_rollback import BEFORE, heard, one_turn, put_back, stamped
from tests.bridge.matrix.sync_events import ROOM, bodies, member_event, timeline
from tests.bridge.matrix.test_crash_members import KilledError

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
        server.queue_sync({"next_batch": BEFORE, **timeline(event)})
        await rig.matrix.sync.run_once()
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
    await rig.matrix.room_comparison.compare_members(ROOM)
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
        server.queue_sync(timeline(event))
        await rig.matrix.sync.run_once()
    assert [item.membership for item in rig.events if isinstance(item, Membership)][-2:] == ["invite", "join"]
    await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(eve)) == 1


async def test_a_new_name_of_theirs_is_no_invitation(rig: Rig, server: ScriptedHomeserver) -> None:
    """A client that writes its member event once more, before or after our first sync, lets nobody in."""
    _, eve, last = await eve_has_gone(rig, server)
    await put_back_with(rig, server, last, events=(moved(eve, "join", AT + 9000),))
    server.queue_sync(timeline(moved(eve, "join", AT + 10_000)))
    await rig.matrix.sync.run_once()
    assert await membership_of(rig.database, ROOM, eve.mxid) == "leave"
    assert [item for item in rig.events if isinstance(item, MemberReturned | Membership)] == [BACK]


async def test_an_invitation_before_our_first_sync_counts(rig: Rig, server: ScriptedHomeserver) -> None:
    """A colleague had them in again, after the homeserver was put back."""
    _, eve, last = await eve_has_gone(rig, server)
    again = (moved(eve, "invite", AT + 9000, by="@ada:x"), moved(eve, "join", AT + 9001))
    await put_back_with(rig, server, last, holds=again[1:], events=again)
    assert await membership_of(rig.database, ROOM, eve.mxid) == "join"
    assert not [item for item in rig.events if isinstance(item, MemberReturned)]


async def test_an_invitation_by_a_clock_that_was_set_back_counts(rig: Rig, server: ScriptedHomeserver) -> None:
    """The homeserver's clock was an hour ahead when it was put back, and right again then: what came later is later."""
    _, eve, last = await eve_has_gone(rig, server)
    server.ahead = 3600.0
    await put_back_with(rig, server, last)
    for event in (moved(eve, "invite", AT + 60_000, by="@ada:x"), moved(eve, "join", AT + 60_001)):
        server.queue_sync(timeline(event))
        await rig.matrix.sync.run_once()
    assert await membership_of(rig.database, ROOM, eve.mxid) == "join"
    assert not [item for item in rig.events if isinstance(item, MemberReturned)]


async def test_who_went_before_that_as_well_is_not_told(rig: Rig, server: ScriptedHomeserver) -> None:
    """Who had gone by then already is gone there too; that they stay noted so costs nothing."""
    _, eve, last = await eve_has_gone(rig, server)
    await put_back_with(rig, server, last, holds=(moved(eve, "leave", AT),))
    assert not [item for item in rig.events if isinstance(item, MemberReturned)]
    server.queue_sync(timeline(moved(eve, "join", AT + 9000)))
    await rig.matrix.sync.run_once()
    assert [item for item in rig.events if isinstance(item, MemberReturned)] == [BACK]


@pytest.mark.parametrize("compared", [True, False], ids=["compared before", "compared after"])
async def test_who_came_again_since_is_invited(rig: Rig, server: ScriptedHomeserver, compared: bool) -> None:
    """They had gone by that day and came back after it: nobody hears that they left, and they are asked in."""
    _, eve, old = await eve_has_gone(rig, server)
    last = moved(eve, "join", AT + 4000)
    for event in (moved(eve, "invite", AT + 3000), last):
        server.queue_sync({"next_batch": BEFORE, **timeline(event)})
        await rig.matrix.sync.run_once()
    rig.events.clear()
    server.members = {"chunk": [old]}
    if compared:
        await rig.matrix.room_comparison.compare_members(ROOM)
    await put_back_with(rig, server, last, holds=(old,))
    assert eve.mxid in (await rig.matrix.room_comparison.compare_members(ROOM)).lost_members
    for event in (moved(eve, "invite", AT + 9000, by=POLICY), moved(eve, "join", AT + 9500)):
        server.queue_sync(timeline(event))
        await rig.matrix.sync.run_once()
    assert [(item.user_id, item.membership) for item in rig.events if isinstance(item, Membership)] == [(eve.mxid, "join")]
    assert not [item for item in rig.events if isinstance(item, MemberReturned)]
    assert eve.mxid not in (await rig.matrix.room_comparison.compare_members(ROOM)).lost_members


async def test_who_goes_before_our_first_sync_is_gone(rig: Rig, server: ScriptedHomeserver) -> None:
    """A colleague removed them after the homeserver was put back."""
    ada, _, last = await heard(rig, server)
    await put_back_with(rig, server, last, holds=(out := moved(ada, "leave", AT + 60_000),), events=(out,))
    assert await membership_of(rig.database, ROOM, ada.mxid) == "leave"
    assert [item.membership for item in rig.events if isinstance(item, Membership)] == ["leave"]


async def test_without_a_rollback_they_come_as_ever(rig: Rig, server: ScriptedHomeserver) -> None:
    """Where nothing was put back the sync's word counts, whatever clock stamped it."""
    _, eve, _ = await eve_has_gone(rig, server)
    server.queue_sync(timeline(moved(eve, "join", 1)))
    await rig.matrix.sync.run_once()
    assert await membership_of(rig.database, ROOM, eve.mxid) == "join"


@pytest.mark.parametrize("ahead", [0, 18_000])
async def test_killed_before_the_first_sync_is_kept(rig: Rig, server: ScriptedHomeserver, ahead: int) -> None:
    """What begins again from the files finds it put back once more: told once, and no key in between.

    Also where its clock is hours ahead, by which the time of what was heard is another each time that it is asked.
    """
    _, eve, last = await eve_has_gone(rig, server)
    server.ahead = ahead
    server.position, server.lost = "s60_7_0_3", {last["event_id"]}
    old = moved(eve, "join", AT)

    def kill(at: CrashPoint) -> None:
        if at is CrashPoint.SYNC_RECEIVED:
            raise KilledError

    rig.crash = kill
    told_of(server, old)
    server.members = {"chunk": [old]}
    loop = rig.matrix.sync
    await loop._check_for_rollback()
    await rig.matrix.room_comparison.compare_members(ROOM)
    with pytest.raises(KilledError):
        await loop.run_once()
    await rig.stop()
    server.ahead = ahead and ahead + 3
    rig.crash = lambda _point: None
    await rig.start(run=False)
    server.requests.clear()
    server.members = {"chunk": [old]}
    await rig.matrix.room_comparison.compare_members(ROOM)
    await say(rig)
    told_of(server, old)
    await one_turn(rig)
    assert [item for item in rig.events if isinstance(item, MemberReturned)] == [BACK]
    assert server.sent_to(eve) == []


@pytest.mark.parametrize("is_killed", [False, True], ids=["it goes on", "killed between"])
async def test_put_back_twice_before_the_first_sync(rig: Rig, server: ScriptedHomeserver, is_killed: bool) -> None:
    """Who was removed after the first time is there again: it is told again, so that they are removed again."""
    _, eve, last = await eve_has_gone(rig, server)
    server.position, server.lost = "s60_7_0_3", {last["event_id"]}
    old = moved(eve, "join", AT)
    for _ in range(2):
        server.account_data.clear()
        await rig.matrix.sync._check_for_rollback()
        server.members = {"chunk": [old]}
        await rig.matrix.room_comparison.compare_members(ROOM)
        if is_killed:
            await rig.stop()
            await rig.start(run=False)
    told_of(server, old)
    await one_turn(rig)
    assert [item for item in rig.events if isinstance(item, MemberReturned)] == [BACK, BACK]
    assert await membership_of(rig.database, ROOM, eve.mxid) == "leave"


@pytest.mark.parametrize(("at", "supervises"), [(AT, "@sol:x"), (AT + 60_000, "@eve:x")], ids=["of before", "since"])
async def test_roles_of_before_are_not_taken(rig: Rig, server: ScriptedHomeserver, at: int, supervises: str) -> None:
    """Who supervises is what was told last; what was changed since the homeserver was put back counts."""
    _, _, last = await eve_has_gone(rig, server)
    await rig.database.commit(lambda transaction: set_levels(transaction, ROOM, {"@sol:x": 50}))
    content = {"users": {"@eve:x": 50}}
    levels = {"type": "m.room.power_levels", "state_key": "", "event_id": "$levels", "sender": "@sol:x", "content": content}
    await put_back_with(rig, server, last, holds=({**levels, "origin_server_ts": at},))
    assert await levels_of(rig.database, ROOM) == {supervises: 50}


async def test_a_device_that_was_signed_out_gets_no_key(rig: Rig, server: ScriptedHomeserver) -> None:
    """It is there again, signed by the same identity: its owner is told of once, and it reads and commands nothing."""
    ada, one, two = await heard(rig, server)
    phone = server.people.pop(ada.mxid)
    tablet = phone.another_device()
    server.register(tablet)  # instead of the phone
    server.queue_sync({"next_batch": BEFORE, "device_lists": {"changed": [ada.mxid]}})
    await rig.matrix.sync.run_once()
    await rig.matrix.device_updates.run_once()
    assert [device.device_id for device in await rig.matrix.devices.trusted_devices(ada.mxid)] == [tablet.device_id]
    server.register(phone)
    await put_back(rig, server, two, one)
    assert [item for item in rig.events if isinstance(item, DevicesReturned)] == [DevicesReturned(users=(ada.mxid,))]
    assert await rig.matrix.devices.trusted_devices(ada.mxid) == []
    await say(rig)
    await rig.matrix.device_updates.run_once()
    assert server.sent_to(phone) == []
    assert len(server.withheld_from(phone)) == 1
    server.queue_sync(timeline(phone.room_message(ROOM, "!signout @ada")))
    await rig.matrix.sync.run_once()
    await rig.matrix.device_updates.run_once()
    assert [type(item) for item in rig.events if isinstance(item, UntrustedMessage)] == [UntrustedMessage]
    assert bodies(rig.events) == []
    assert [item for item in rig.events if isinstance(item, DevicesReturned)] == [DevicesReturned(users=(ada.mxid,))]


async def test_a_list_that_lacks_a_device_once(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for once more before a device counts as gone, for then it is so for good; another key never counts."""
    monkeypatch.setattr(device_lists, "SECOND_LOOK_SECONDS", 0.0)
    ada, _, _ = await heard(rig, server)
    lacking: dict[str, Any] = {"device_keys": {ada.mxid: {}}}

    async def ask(*answers: dict[str, Any]) -> list[str]:
        server.faults += [web.json_response(answer) for answer in answers]
        await rig.database.commit(lambda transaction: rig.matrix.devices.mark(transaction, [ada.mxid]))
        await rig.matrix.device_updates.run_once()
        return [device.device_id for device in await rig.matrix.devices.trusted_devices(ada.mxid)]

    assert await ask(lacking) == [ada.device_id]
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_gone_device") == 0
    assert await ask(lacking, lacking) == []
    assert await ask() == []


async def test_what_an_answer_does_not_say_of_a_device(rig: Rig, server: ScriptedHomeserver) -> None:
    """A user who is not in it, and a device that cannot be read for a moment, have not gone: they count as before."""
    ada, _, _ = await heard(rig, server)
    whole = ada.keys_query_response()
    (keys,) = whole["device_keys"][ada.mxid].values()
    broken = {**whole, "device_keys": {ada.mxid: {ada.device_id: {**keys, "algorithms": []}}}}
    own = {(ada.mxid, ada.account.identity_keys["ed25519"])}
    for body, expected in (({**whole, "device_keys": {}}, own), (broken, own), (whole, set())):
        known = (await rig.matrix.devices.query([ada.mxid])).known_devices
        assert known == expected

        async def apply(transaction: Any, answer: DeviceAnswer = DeviceAnswer(body, known)) -> None:  # noqa: B008
            await rig.matrix.devices.apply_query(transaction, [ada.mxid], answer)

        await rig.database.commit(apply)
    assert [device.device_id for device in await rig.matrix.devices.trusted_devices(ada.mxid)] == [ada.device_id]
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_gone_device") == 0


async def test_an_older_list_that_is_written_last(rig: Rig, server: ScriptedHomeserver) -> None:
    """Who signs in while a list is on its way, and is in another that is written first, has not gone by the one without."""
    ada, _, _ = await heard(rig, server)
    older = await rig.matrix.devices.query([ada.mxid])
    tablet = ada.another_device()
    newer = ada.keys_query_response()
    newer["device_keys"][ada.mxid] |= tablet.keys_query_response()["device_keys"][ada.mxid]

    async def refreshed() -> set[str]:
        server.faults.append(web.json_response(newer))
        await rig.database.commit(lambda transaction: rig.matrix.devices.mark(transaction, [ada.mxid]))
        await rig.matrix.device_updates.run_once()
        return {device.device_id for device in await rig.matrix.devices.trusted_devices(ada.mxid)}

    assert await refreshed() == {ada.device_id, tablet.device_id}
    await rig.database.commit(lambda transaction: rig.matrix.devices.apply_query(transaction, [ada.mxid], older))
    assert await refreshed() == {ada.device_id, tablet.device_id}


@pytest.mark.parametrize("who", [POLICY, PUPPET])
async def test_one_time_keys_that_were_used_are_not_handed_out_again(
    rig: Rig, server: ScriptedHomeserver, who: str
) -> None:
    """Whoever signs in afterwards and claims a key of ours is understood at their first message."""
    ada, one, two = await heard(rig, server)
    ours = server.ours[who]
    used = list(ours.one_time_keys)
    for key in used:  # each of them by a device that we heard
        stranger = ClientDevice("@ada:x")
        ours.one_time_keys = [key]
        letter = stranger.to_device(ours, "m.dummy", {})
        server.queue_sync({"next_batch": BEFORE, "to_device": {"events": [letter]}}, puppet=who == PUPPET)
        await (rig.matrix.sync if who == POLICY else rig.matrix.puppet_sync).run_once()
    # The homeserver has them again.
    ours.one_time_keys, server.ours[PUPPET if who == POLICY else POLICY].one_time_keys = list(used), []
    first = stamped(ada.room_message(ROOM, "newest"), AT + 60_000)
    await put_back(rig, server, two, one, first)
    rig.matrix.key_uploads[who].note_response({}, ToDeviceBatch())
    claimed_at_once = ours.claim()
    assert claimed_at_once is not None
    assert claimed_at_once["signed_curve25519:last"]["fallback"] is True
    await rig.matrix.key_uploads[who].run_once()
    assert len(ours.one_time_keys) == 50
    assert not set(ours.one_time_keys) & set(used)
    for key in (ours.fallback_key, ours.one_time_keys[0]):
        late = ada.another_device()
        server.register(late)
        await rig.matrix.devices.refresh_stale([late.mxid])
        ours.one_time_keys = [key]
        letter = late.room_key_message(ours, ROOM)
        server.queue_sync({"to_device": {"events": [letter]}}, puppet=who == PUPPET)
        await (rig.matrix.sync if who == POLICY else rig.matrix.puppet_sync).run_once()
        database = rig.database if who == POLICY else rig.puppet_database
        assert await database.fetchval("SELECT COUNT(*) FROM matrix_wedged") == 0


@pytest.mark.parametrize(("refusal", "seconds"), [((403, "M_FORBIDDEN"), 0), ((500, "M_UNKNOWN"), 240)])
async def test_one_time_keys_that_it_does_not_let_go_keep_nobody_unheard(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch, refusal: tuple[int, str], seconds: int
) -> None:
    """What is refused for good is not asked for ever, and what goes on failing for two minutes of each of us."""
    waited = list[float]()

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(service, "wait", wait)
    ada, one, two = await heard(rig, server)
    server.refuse, server.refuse_errcode = ("/keys/claim", refusal[0]), refusal[1]
    await put_back(rig, server, two, one, stamped(ada.room_message(ROOM, "new"), AT + 60_000))
    assert bodies(rig.events) == ["new"]
    assert sum(waited) == seconds
