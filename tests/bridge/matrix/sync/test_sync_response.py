"""What comes in from the homeserver: read, judged, kept waiting, or dropped alone."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from bridge.matrix.api.events import Membership, Ousted, Plain, PowerLevels, RoomLost, Said, Unreadable
from bridge.matrix.sync.sync_loop import BREATH, HURRIED
from tests.bridge.matrix.person import Person
from tests.bridge.matrix.rig import POLICY, VOICE, Rig
from tests.bridge.matrix.room import ROOM, joins, ours, texts, timeline
from tests.bridge.matrix.small_homeserver import SmallHomeserver


async def test_what_a_trusted_device_says_is_said(rig: Rig, server: SmallHomeserver) -> None:
    """The key in the same response, the device list asked for afterwards: it is said once, with its content."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    key = ada.key_letter(server.ours[POLICY], ROOM)
    server.say({"to_device": {"events": [key]}, **timeline(ada.says(ROOM, "hello"))})
    await rig.matrix.sync.turn()
    assert rig.items == []
    await rig.matrix.watch.turn()
    (said,) = rig.items
    assert isinstance(said, Said)
    assert (said.sender, said.device_id, said.content["body"]) == (ada.mxid, ada.device_id, "hello")


async def test_a_key_may_come_later(rig: Rig, server: SmallHomeserver) -> None:
    """Events without a key wait, in their order, also through a restart, and are said when it comes."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    key = ada.key_letter(server.ours[POLICY], ROOM)
    server.say(timeline(ada.says(ROOM, "first"), ada.says(ROOM, "second")))
    await rig.matrix.sync.turn()
    await rig.stop()
    await rig.start(run=False)
    server.say({"to_device": {"events": [key]}})
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    assert texts(rig.items) == ["first", "second"]
    assert await rig.store.fetchval("SELECT COUNT(*) FROM matrix_waiting") == 0


async def test_a_key_that_does_not_come(rig: Rig, server: SmallHomeserver) -> None:
    """After its time an event is unreadable, once; but not while the homeserver has not answered since the start."""
    await ours(rig)
    ada = Person("@ada:x")
    server.say(timeline(ada.says(ROOM, "lost")))
    await rig.matrix.sync.turn()
    await rig.store.commit(lambda conn: conn.execute("UPDATE matrix_waiting SET deadline_ms = 0"))
    await rig.matrix.watch.turn()
    assert rig.items == []
    rig.matrix.sync.caught_up.set()
    await rig.matrix.watch.turn()
    await rig.matrix.watch.turn()
    assert [type(item) for item in rig.items] == [Unreadable]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_rush_makes_nobody_too_late(
    rig: Rig, server: SmallHomeserver, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """In a rush the homeserver is asked less often; while words wait that may be taken back, at most a quarter second."""
    await ours(rig)

    async def hurried() -> bool:
        return waits

    monkeypatch.setattr(rig.matrix.sync, "_hurried", hurried)
    server.say(timeline(*[{"type": "m.x", "event_id": f"${n}", "sender": "@ada:x", "content": {}} for n in range(40)]))
    await rig.matrix.sync.turn()
    assert rig.matrix.sync._breath == (HURRIED if waits else 40 * BREATH)


async def test_a_response_given_twice(rig: Rig, server: SmallHomeserver) -> None:
    """Killed between receiving and committing: the same response again, to-device included, gives everything once."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    response = {"to_device": {"events": [ada.key_letter(server.ours[POLICY], ROOM)]}, **timeline(ada.says(ROOM, "once"))}
    server.say(response)

    class KilledError(Exception):
        pass

    def kill(_point: object) -> None:
        raise KilledError

    rig.crash = kill
    with pytest.raises(KilledError):
        await rig.matrix.sync.turn()
    await rig.stop()
    assert rig.items == []
    rig.crash = lambda _point: None
    await rig.start(run=False)
    server.say(response)
    await rig.matrix.sync.turn()
    assert texts(rig.items) == ["once"]


async def test_a_commit_that_fails_leaves_the_ratchets_where_they_were(rig: Rig, server: SmallHomeserver) -> None:
    """When the sink fails, cursor, Olm session and event are as before, and the next try reads all of it."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    response = {"to_device": {"events": [ada.key_letter(server.ours[POLICY], ROOM)]}, **timeline(ada.says(ROOM, "safe"))}
    rig.sink_fails = sqlite3.OperationalError
    server.say(response)
    with pytest.raises(sqlite3.OperationalError):
        await rig.matrix.sync.turn()
    rig.sink_fails = None
    assert await rig.store.fetchval("SELECT cursor FROM matrix_identity") == ""
    server.say(response)
    await rig.matrix.sync.turn()
    assert texts(rig.items) == ["safe"]


async def test_a_commit_that_fails_leaves_an_olm_session_where_it_was(rig: Rig, server: SmallHomeserver) -> None:
    """The same for a message in a session that was there before: it decrypts again in the next try."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    server.say({"to_device": {"events": [ada.letter(server.ours[POLICY], "m.dummy", {})]}})
    await rig.matrix.sync.turn()
    response = {"to_device": {"events": [ada.key_letter(server.ours[POLICY], ROOM)]}, **timeline(joins(ada))}
    rig.sink_fails = sqlite3.OperationalError
    server.say(response)
    with pytest.raises(sqlite3.OperationalError):
        await rig.matrix.sync.turn()
    rig.sink_fails = None
    server.say(response)
    await rig.matrix.sync.turn()
    assert await rig.store.fetchval("SELECT COUNT(*) FROM matrix_inbound") == 1


OURS = "SELECT COUNT(*) FROM crypto_olm_session WHERE account_id <> 'filler'"


async def test_a_full_disk_under_the_voice_s_sessions_costs_no_letter(
    rig: Rig, server: SmallHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself has no page left for voice.db: the letter is not acknowledged, comes again, and is read then."""
    ada = Person("@ada:x")
    server.tell(ada)
    store = rig.voice_store
    await store.commit(lambda conn: conn.fetchval("PRAGMA max_page_count = 1"))
    filler = """INSERT INTO crypto_olm_session VALUES
                ('filler', hex(randomblob(8)), 'key', zeroblob(100), '2026-01-01', '2026-01-01', '2026-01-01')"""

    async def fill() -> None:
        for _ in range(1000):
            await store.commit(lambda conn: conn.execute(filler))

    with pytest.raises(sqlite3.OperationalError, match="full"):
        await fill()
    response = {"to_device": {"events": [ada.letter(server.ours[VOICE], "m.dummy", {})]}}

    async def answered(_since: str) -> dict[str, Any]:
        return {"next_batch": "c9", **response}

    monkeypatch.setattr(rig.matrix.voice_sync, "_poll", answered)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await rig.matrix.voice_sync.turn()
    assert await store.fetchval("SELECT cursor FROM matrix_identity") == ""
    assert await store.fetchval(OURS) == 0
    await store.commit(lambda conn: conn.fetchval("PRAGMA max_page_count = 100000"))
    await rig.matrix.voice_sync.turn()
    assert await store.fetchval(OURS) == 1


async def test_a_replayed_index_is_not_said_again(rig: Rig, server: SmallHomeserver) -> None:
    """The same ciphertext under another event id is dropped: the homeserver cannot repeat somebody's words."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    key = ada.key_letter(server.ours[POLICY], ROOM)
    said = ada.says(ROOM, "yes")
    server.say({"to_device": {"events": [key]}, **timeline(said, {**said, "event_id": "$replay"})})
    await rig.matrix.sync.turn()
    assert [item.event_id for item in rig.items if isinstance(item, Said)] == [said["event_id"]]


async def test_a_key_is_replaced_only_by_one_that_reaches_further_back(rig: Rig, server: SmallHomeserver) -> None:
    """A later key does not push out the earlier one; an earlier one of the same device does replace the later."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    early = ada.key_letter(server.ours[POLICY], ROOM)
    first = ada.says(ROOM, "first")
    late = ada.key_letter(server.ours[POLICY], ROOM)
    server.say({"to_device": {"events": [early, late]}})
    await rig.matrix.sync.turn()
    assert await rig.store.fetchval("SELECT first_index FROM matrix_inbound") == 0
    server.say(timeline(first))
    await rig.matrix.sync.turn()
    assert texts(rig.items) == ["first"]


async def test_a_gap_is_filled_before_the_cursor_moves(rig: Rig, server: SmallHomeserver) -> None:
    """What a limited timeline left out comes first, in order, and nothing of it is lost."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    server.say({"to_device": {"events": [ada.key_letter(server.ours[POLICY], ROOM)]}})
    await rig.matrix.sync.turn()
    one, two, three = (ada.says(ROOM, word) for word in ("one", "two", "three"))
    server.messages[ROOM] = {"chunk": [two, one]}
    server.say(timeline(three, limited=True, prev_batch="p"))
    await rig.matrix.sync.turn()
    assert texts(rig.items) == ["one", "two", "three"]
    (asked,) = [asked for asked in server.asked if asked.path.endswith("/messages")]
    assert (asked.query["from"], asked.query["to"], asked.query["dir"]) == ("p", "c1", "b")


async def test_members_levels_and_what_is_in_the_clear(rig: Rig, server: SmallHomeserver) -> None:
    """Memberships and levels are kept and told; a change of name is not; our own words are not; rooms of others neither."""
    await ours(rig)
    sol = Person("@sol:x")
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
    renamed = {**joins(sol), "event_id": "$renamed"}
    mine = {"event_id": "$own", "sender": POLICY, "type": "m.reaction", "content": {}}
    server.say(timeline(joins(sol), renamed, reaction, redaction, levels, mine))
    server.say(timeline(joins(sol, "leave"), room_id="!strange"))
    await rig.matrix.sync.turn()
    await rig.matrix.sync.turn()
    assert [type(item) for item in rig.items] == [Membership, Plain, Plain, PowerLevels]
    assert await rig.matrix.members.members(ROOM) == {POLICY: "join", VOICE: "join", sol.mxid: "join"}
    assert await rig.matrix.members.levels(ROOM) == {sol.mxid: 50}
    plain = [item for item in rig.items if isinstance(item, Plain)]
    assert [item.redacts for item in plain] == [None, "$x"]


async def test_a_room_that_was_closed_or_taken_from_us(rig: Rig, server: SmallHomeserver) -> None:
    """A tombstone and our removal are told once each; what we left ourselves, and rooms that are not ours, are not."""
    await ours(rig)
    closed: dict[str, Any] = {
        "event_id": "$t",
        "sender": "@eve:x",
        "type": "m.room.tombstone",
        "state_key": "",
        "content": {},
    }
    gone = closed | {"event_id": "$k", "type": "m.room.member", "state_key": POLICY, "content": {"membership": "leave"}}
    own = gone | {"event_id": "$o", "sender": POLICY}
    odd = gone | {"event_id": "$x", "state_key": ["no", "id"]}
    for room_id, events in ((ROOM, [own, odd, gone]), ("!other", [gone])):
        server.say({"rooms": {"leave": {room_id: {"timeline": {"events": events}}}}})
        await rig.matrix.sync.turn()
    server.say(timeline(closed, closed | {"state_key": "not this one"}))
    await rig.matrix.sync.turn()
    lost = [(item.room_id, item.how, item.event_id) for item in rig.items if isinstance(item, RoomLost)]
    assert lost == [(ROOM, "removed", "$k"), (ROOM, "closed", "$t")]


@pytest.mark.parametrize("membership", ["leave", "ban"])
async def test_the_line_voice_is_missed_when_somebody_removes_it(
    rig: Rig, server: SmallHomeserver, membership: str
) -> None:
    """A supervisor removes it from the desk: that is told once. What we do ourselves, and what changes nothing, is not."""
    await ours(rig, kind="desk")
    sol = Person("@sol:x")
    kick = joins(sol, membership) | {"event_id": "$k", "state_key": VOICE}
    asked = kick | {"event_id": "$i", "content": {"membership": "invite"}}
    own = kick | {"event_id": "$o", "sender": POLICY}
    server.say(timeline(kick, kick | {"event_id": "$again"}))
    server.say(timeline(asked, own, asked | {"event_id": "$i2"}, joins(sol) | {"event_id": "$j", "state_key": VOICE}))
    for _ in range(2):
        await rig.matrix.sync.turn()
    assert rig.items == [Ousted(room_id=ROOM, user_id=VOICE)]
    assert (await rig.matrix.members.members(ROOM))[VOICE] == "join"
