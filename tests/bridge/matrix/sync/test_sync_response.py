"""What comes in from the homeserver: read, judged, kept waiting, or dropped alone."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.matrix.api.events import (
    DecryptedMessage,
    Membership,
    PowerLevels,
    RoomLost,
    SelfRemoved,
    UndecryptableEvent,
    UnencryptedEvent,
)
from bridge.matrix.rooms.room_state import levels_of, members_of
from bridge.storage.errors import Unavailable
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, know_ada, member_event, record_our_room, sync_with, timeline


async def test_what_a_trusted_device_says_is_said(rig: Rig, server: ScriptedHomeserver) -> None:
    """The key in the same response, the device list asked for afterwards: it is said once, with its content."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    server.register(ada)
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    await sync_with(rig, server, {"to_device": {"events": [key]}, **timeline(ada.room_message(ROOM, "hello"))})
    assert rig.events == []
    await rig.matrix.device_updates.run_once()
    (said,) = rig.events
    assert isinstance(said, DecryptedMessage)
    assert (said.sender, said.device_id, said.content["body"]) == (ada.mxid, ada.device_id, "hello")


async def test_a_key_may_come_later(rig: Rig, server: ScriptedHomeserver) -> None:
    """Events without a key wait, in their order, also through a restart, and are said when it comes."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    server.register(ada)
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    await sync_with(rig, server, timeline(ada.room_message(ROOM, "first"), ada.room_message(ROOM, "second")))
    await rig.stop()
    await rig.start(run=False)
    await sync_with(rig, server, {"to_device": {"events": [key]}})
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == ["first", "second"]
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_waiting") == 0


async def test_a_key_that_does_not_come(rig: Rig, server: ScriptedHomeserver) -> None:
    """After its time an event is unreadable, once; but not while the homeserver has not answered since the start."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    await sync_with(rig, server, timeline(ada.room_message(ROOM, "lost")))
    await rig.database.commit(lambda transaction: transaction.execute("UPDATE matrix_waiting SET deadline_ms = 0"))
    await rig.matrix.device_updates.run_once()
    assert rig.events == []
    rig.matrix.sync.caught_up.set()
    await rig.matrix.device_updates.run_once()
    await rig.matrix.device_updates.run_once()
    assert [type(item) for item in rig.events] == [UndecryptableEvent]


async def test_a_response_given_twice(rig: Rig, server: ScriptedHomeserver) -> None:
    """Killed between receiving and committing: the same response again, to-device included, gives everything once."""
    ada = await know_ada(rig, server)
    response = {
        "to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]},
        **timeline(ada.room_message(ROOM, "once")),
    }
    server.queue_sync(response)

    class KilledError(Exception):
        pass

    def kill(_point: object) -> None:
        raise KilledError

    rig.crash = kill
    with pytest.raises(KilledError):
        await rig.matrix.sync.run_once()
    await rig.stop()
    assert rig.events == []
    rig.crash = lambda _point: None
    await rig.start(run=False)
    await sync_with(rig, server, response)
    assert bodies(rig.events) == ["once"]


async def test_a_commit_that_fails_leaves_the_ratchets_where_they_were(rig: Rig, server: ScriptedHomeserver) -> None:
    """When the sink fails, cursor, Olm session and event are as before, and the next try reads all of it."""
    ada = await know_ada(rig, server)
    response = {
        "to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]},
        **timeline(ada.room_message(ROOM, "safe")),
    }
    rig.sink_fails = Unavailable("SQLITE_FULL")
    server.queue_sync(response)
    with pytest.raises(Unavailable):
        await rig.matrix.sync.run_once()
    rig.sink_fails = None
    assert await rig.database.fetchval("SELECT cursor FROM matrix_identity") == ""
    await sync_with(rig, server, response)
    assert bodies(rig.events) == ["safe"]


async def test_a_replayed_index_is_not_said_again(rig: Rig, server: ScriptedHomeserver) -> None:
    """The same ciphertext under another event id is dropped: the homeserver cannot repeat a person's words."""
    ada = await know_ada(rig, server)
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    said = ada.room_message(ROOM, "yes")
    await sync_with(rig, server, {"to_device": {"events": [key]}, **timeline(said, {**said, "event_id": "$replay"})})
    assert [item.event_id for item in rig.events if isinstance(item, DecryptedMessage)] == [said["event_id"]]


async def test_a_key_is_replaced_only_by_one_that_reaches_further_back(rig: Rig, server: ScriptedHomeserver) -> None:
    """A later key does not push out the earlier one; an earlier one of the same device does replace the later."""
    ada = await know_ada(rig, server)
    early = ada.room_key_message(server.ours[POLICY], ROOM)
    first = ada.room_message(ROOM, "first")
    late = ada.room_key_message(server.ours[POLICY], ROOM)
    await sync_with(rig, server, {"to_device": {"events": [early, late]}})
    assert await rig.database.fetchval("SELECT first_index FROM matrix_inbound") == 0
    await sync_with(rig, server, timeline(first))
    assert bodies(rig.events) == ["first"]


async def test_a_gap_is_filled_before_the_cursor_moves(rig: Rig, server: ScriptedHomeserver) -> None:
    """What a limited timeline left out comes first, in order, and nothing of it is lost."""
    ada = await know_ada(rig, server)
    await sync_with(rig, server, {"to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]}})
    one, two, three = (ada.room_message(ROOM, word) for word in ("one", "two", "three"))
    server.messages[ROOM] = {"chunk": [two, one]}
    await sync_with(rig, server, timeline(three, limited=True, prev_batch="p"))
    assert bodies(rig.events) == ["one", "two", "three"]
    (request,) = [request for request in server.requests if request.path.endswith("/messages")]
    assert (request.query["from"], request.query["to"], request.query["dir"]) == ("p", "c1", "b")


async def test_members_levels_and_what_is_in_the_clear(rig: Rig, server: ScriptedHomeserver) -> None:
    """Memberships and levels are kept and told; a change of name is not; our own words are not; rooms of others neither."""
    await record_our_room(rig, people=())
    sol = ClientDevice("@sol:x")
    reaction = {
        "event_id": "$r",
        "sender": sol.mxid,
        "type": "m.reaction",
        "content": {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": "✋"}},
    }
    redaction = {"event_id": "$d", "sender": sol.mxid, "type": "m.room.redaction", "content": {"redacts": "$x"}}
    levels = {
        "event_id": "$l",
        "sender": sol.mxid,
        "type": "m.room.power_levels",
        "state_key": "",
        "content": {"users": {sol.mxid: 50, "@bad:x": "100", "@huge:x": 10**30}},
    }
    renamed = {**member_event(sol), "event_id": "$renamed"}
    mine = {"event_id": "$own", "sender": POLICY, "type": "m.reaction", "content": {}}
    server.queue_sync(timeline(member_event(sol), renamed, reaction, redaction, levels, mine))
    await sync_with(rig, server, timeline(member_event(sol, "leave"), room_id="!strange"))
    await rig.matrix.sync.run_once()
    assert [type(item) for item in rig.events] == [Membership, UnencryptedEvent, UnencryptedEvent, PowerLevels]
    assert await members_of(rig.database, ROOM) == {POLICY: "join", PUPPET: "join", sol.mxid: "join"}
    assert await levels_of(rig.database, ROOM) == {sol.mxid: 50}
    plain = [item for item in rig.events if isinstance(item, UnencryptedEvent)]
    assert [item.redacts for item in plain] == [None, "$x"]


async def test_a_room_that_was_closed_or_taken_from_us(rig: Rig, server: ScriptedHomeserver) -> None:
    """A tombstone and our removal are told once each; what we left ourselves, and rooms that are not ours, are not."""
    await record_our_room(rig)
    closed: dict[str, Any] = {
        "event_id": "$t",
        "sender": "@eve:x",
        "type": "m.room.tombstone",
        "state_key": "",
        "content": {},
    }
    leave = closed | {"event_id": "$k", "type": "m.room.member", "state_key": POLICY, "content": {"membership": "leave"}}
    own = leave | {"event_id": "$o", "sender": POLICY}
    odd = leave | {"event_id": "$x", "state_key": ["no", "id"]}
    for room_id, events in ((ROOM, [own, odd, leave]), ("!other", [leave])):
        await sync_with(rig, server, {"rooms": {"leave": {room_id: {"timeline": {"events": events}}}}})
    await sync_with(rig, server, timeline(closed, closed | {"state_key": "not this one"}))
    lost = [(item.room_id, item.how, item.event_id) for item in rig.events if isinstance(item, RoomLost)]
    assert lost == [(ROOM, "removed", "$k"), (ROOM, "closed", "$t")]


@pytest.mark.parametrize("membership", ["leave", "ban"])
async def test_the_texter_puppet_is_missed_when_somebody_removes_it(
    rig: Rig, server: ScriptedHomeserver, membership: str
) -> None:
    """A supervisor removes it from the desk: that is told once. What we do ourselves, and what changes nothing, is not."""
    await record_our_room(rig, kind="desk")
    sol = ClientDevice("@sol:x")
    kick = member_event(sol, membership) | {"event_id": "$k", "state_key": PUPPET}
    invite = kick | {"event_id": "$i", "content": {"membership": "invite"}}
    own = kick | {"event_id": "$o", "sender": POLICY}
    server.queue_sync(timeline(kick, kick | {"event_id": "$again"}))
    server.queue_sync(
        timeline(invite, own, invite | {"event_id": "$i2"}, member_event(sol) | {"event_id": "$j", "state_key": PUPPET})
    )
    for _ in range(2):
        await rig.matrix.sync.run_once()
    assert rig.events == [SelfRemoved(room_id=ROOM, user_id=PUPPET)]
    assert (await members_of(rig.database, ROOM))[PUPPET] == "join"


async def test_a_commit_that_fails_leaves_an_olm_session_where_it_was(rig: Rig, server: ScriptedHomeserver) -> None:
    """The same for a message in a session that was there before: it decrypts again in the next try."""
    await record_our_room(rig, people=())
    ada = ClientDevice("@ada:x")
    server.register(ada)
    server.queue_sync({"to_device": {"events": [ada.to_device(server.ours[POLICY], "m.dummy", {})]}})
    await rig.matrix.sync.run_once()
    response = {"to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]}, **timeline(member_event(ada))}
    rig.sink_fails = Unavailable("SQLITE_FULL")
    server.queue_sync(response)
    with pytest.raises(Unavailable):
        await rig.matrix.sync.run_once()
    rig.sink_fails = None
    server.queue_sync(response)
    await rig.matrix.sync.run_once()
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_inbound") == 1


OURS = "SELECT COUNT(*) FROM crypto_olm_session WHERE account_id <> 'filler'"


@pytest.mark.sqlite_only
async def test_a_full_disk_under_the_puppet_s_sessions_costs_no_message(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself has no page left for voice.db: the message is not acknowledged, comes again, and is read then."""
    ada = ClientDevice("@ada:x")
    server.register(ada)
    database = rig.puppet_database
    await database.commit(lambda transaction: transaction.fetchval("PRAGMA max_page_count = 1"))
    filler = """INSERT INTO crypto_olm_session VALUES
                ('filler', hex(randomblob(8)), 'key', zeroblob(100), 0, FALSE)"""

    async def fill() -> None:
        for _ in range(1000):
            await database.commit(lambda transaction: transaction.execute(filler))

    with pytest.raises(Unavailable, match="FULL"):
        await fill()
    response = {"to_device": {"events": [ada.to_device(server.ours[PUPPET], "m.dummy", {})]}}

    async def answered(_since: str) -> dict[str, Any]:
        return {"next_batch": "c9", **response}

    monkeypatch.setattr(rig.matrix.puppet_sync, "_poll", answered)
    with pytest.raises(Unavailable, match="FULL"):
        await rig.matrix.puppet_sync.run_once()
    assert await database.fetchval("SELECT cursor FROM matrix_identity") == ""
    assert await database.fetchval(OURS) == 0
    await database.commit(lambda transaction: transaction.fetchval("PRAGMA max_page_count = 100000"))
    await rig.matrix.puppet_sync.run_once()
    assert await database.fetchval(OURS) == 1
