"""Our Megolm sessions: who gets their keys, when they end, and that no index is used twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.model.actions import Speaker
from bridge.matrix.olm.cross_signing import is_signed
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession
from bridge.matrix.room_client import Permanent, Transient
from bridge.matrix.room_keys import outbound_sessions
from bridge.matrix.rooms.room_state import destroy_keys, rotate
from tests.bridge.matrix.person import Person, reads
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.room import ROOM, joins, ours, texts, timeline
from tests.bridge.matrix.small_homeserver import SmallHomeserver

TEXT = {"msgtype": "m.text", "body": "words"}


async def encrypt(rig: Rig, content: dict[str, Any] = TEXT) -> dict[str, Any]:
    return await rig.matrix.keyring.encrypt(rig.matrix.policy, ROOM, "m.room.message", content)


async def with_ada(rig: Rig, server: SmallHomeserver) -> Person:
    """Make the room ours and have somebody with one trusted device in it."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    server.say(timeline(joins(ada)))
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    return ada


async def test_a_member_reads_from_the_first_word(rig: Rig, server: SmallHomeserver) -> None:
    """The key is with the member's device before the event exists, says who sends it, and lets nobody pass it on."""
    ada = await with_ada(rig, server)
    encrypted = await encrypt(rig)
    (event,) = server.sent_to(ada)
    inside = ada.opens(event)
    assert inside["type"] == "m.room_key"
    assert set(inside["content"]) == {"algorithm", "room_id", "session_id", "session_key"}
    assert reads(inside["content"]["session_key"], encrypted) == {
        "type": "m.room.message",
        "room_id": ROOM,
        "content": TEXT,
    }
    own = inside["sender_device_keys"]
    assert own["keys"][f"ed25519:{own['device_id']}"] == inside["keys"]["ed25519"]
    signers = [name for name in own["signatures"][POLICY] if not name.endswith(own["device_id"])]
    assert [is_signed(own, POLICY, name[8:], name[8:]) for name in signers] == [True]


async def test_a_key_is_sent_once(rig: Rig, server: SmallHomeserver) -> None:
    """Delivering again, also after a restart, sends nothing to a device that has it."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    await rig.matrix.delivery.deliver(ROOM, [ada.mxid])
    await rig.stop()
    await rig.start(run=False)
    await encrypt(rig)
    assert len(server.sent_to(ada)) == 1


async def test_whoever_is_invited_later_gets_every_first_key(rig: Rig, server: SmallHomeserver) -> None:
    """Also those of sessions that have ended: the newcomer reads all there is, and is invited after the keys went."""
    await with_ada(rig, server)
    old = await encrypt(rig)
    await rig.matrix.keyring.rotate(ROOM)
    new = await encrypt(rig)
    sol = Person("@sol:x")
    server.tell(sol)
    await rig.edge.invite(ROOM, sol.mxid)
    keys = [sol.opens(event)["content"] for event in server.sent_to(sol)]
    by_session = {key["session_id"]: key["session_key"] for key in keys}
    assert [reads(by_session[e["session_id"]], e)["content"] for e in (old, new)] == [TEXT, TEXT]
    paths = [asked.path for asked in server.asked]
    sent = [n for n, path in enumerate(paths) if "/sendToDevice/" in path]
    assert max(sent) < next(n for n, path in enumerate(paths) if path.endswith("/invite"))


async def test_a_late_device_gets_the_keys(rig: Rig, server: SmallHomeserver) -> None:
    """A device that appears after the words were sent is given them when the list changes, after a crash as well."""
    ada = await with_ada(rig, server)
    encrypted = await encrypt(rig)
    late = ada.another_device()
    server.tell(late)
    server.say({"device_lists": {"changed": ["@ada:x"]}})
    await rig.matrix.sync.turn()
    await rig.stop()
    await rig.start(run=False)
    await rig.matrix.watch.turn()
    (event,) = server.sent_to(late)
    assert reads(late.opens(event)["content"]["session_key"], encrypted)["content"] == TEXT
    await rig.matrix.watch.turn()
    assert len(server.sent_to(late)) == 1
    assert await rig.store.fetchval("SELECT COUNT(*) FROM matrix_dirty") == 0


async def test_a_late_device_is_owed_its_keys_until_they_arrived(rig: Rig, server: SmallHomeserver) -> None:
    """While the homeserver does not take them the mark stays; her words are heard meanwhile, for her list is fresh."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    late = ada.another_device()
    server.tell(late)
    server.say({"device_lists": {"changed": [ada.mxid]}})
    server.refuse = ("/sendToDevice/", 503)
    await rig.matrix.sync.turn()
    with pytest.raises(Transient):
        await rig.matrix.watch.turn()
    key = late.key_letter(server.ours[POLICY], ROOM)
    server.say({"to_device": {"events": [key]}, **timeline(late.says(ROOM, "hello"))})
    await rig.matrix.sync.turn()
    assert texts(rig.items) == ["hello"]
    server.refuse = None
    server.asked.clear()
    await rig.matrix.watch.turn()
    assert len(server.sent_to(late)) == 1


async def test_who_joins_is_asked_for_again(rig: Rig, server: SmallHomeserver) -> None:
    """A device made while the person was in no room with us, of which nobody told us, has the keys after the join."""
    await with_ada(rig, server)
    await encrypt(rig)
    sol = Person("@sol:x")
    server.tell(sol)
    await rig.edge.invite(ROOM, sol.mxid)
    new = sol.another_device()
    server.tell(new)
    server.say(timeline(joins(sol)))
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    assert len(server.sent_to(new)) == 1


async def test_a_one_time_key_that_the_device_did_not_sign(rig: Rig, server: SmallHomeserver) -> None:
    """Nothing is encrypted with it; the device is tried again later and then has its key."""
    ada = await with_ada(rig, server)
    ada.signs_one_time_keys = False
    await encrypt(rig)
    assert server.sent_to(ada) == []
    ada.signs_one_time_keys = True
    await rig.store.commit(lambda conn: conn.execute("UPDATE matrix_dirty SET due_ms = 0"))
    await rig.matrix.watch.turn()
    assert len(server.sent_to(ada)) == 1


async def test_no_key_for_a_device_that_nobody_vouches_for(rig: Rig, server: SmallHomeserver) -> None:
    """Neither when a session begins nor at an invite."""
    await ours(rig)
    eve = Person("@eve:x", cross_signed=False)
    server.tell(eve)
    server.say(timeline(joins(eve)))
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    await encrypt(rig)
    await rig.edge.invite(ROOM, eve.mxid)
    assert server.sent_to(eve) == []


async def test_when_somebody_leaves_the_session_ends(rig: Rig, server: SmallHomeserver) -> None:
    """What follows is in a fresh session whose key does not go to who left; so it is when we remove them."""
    ada = await with_ada(rig, server)
    before = await encrypt(rig)
    server.say(timeline(joins(ada, "leave")))
    await rig.matrix.sync.turn()
    after = await encrypt(rig)
    assert before["session_id"] != after["session_id"]
    assert len(server.sent_to(ada)) == 1
    await rig.edge.remove(ROOM, ada.mxid)
    assert (await encrypt(rig))["session_id"] != after["session_id"]


async def test_a_device_that_is_gone_ends_the_sessions_it_had(rig: Rig, server: SmallHomeserver) -> None:
    """A signed-out device cannot read what is said next, whatever it kept."""
    ada = await with_ada(rig, server)
    before = await encrypt(rig)
    server.tell(ada.another_device())
    server.say({"device_lists": {"changed": ["@ada:x"]}})
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    assert (await encrypt(rig))["session_id"] != before["session_id"]


async def test_a_retired_session_never_encrypts_again(rig: Rig, server: SmallHomeserver) -> None:
    """Once the commit that retires it has returned, also not while it is still at hand in memory with indices to use."""
    await with_ada(rig, server)
    before = await encrypt(rig)
    await rig.store.commit(lambda conn: rotate(conn, ROOM))
    assert rig.matrix.keyring._ready
    after = await encrypt(rig)
    assert before["session_id"] != after["session_id"]


async def test_what_is_stored_is_ahead_of_what_was_said(rig: Rig, server: SmallHomeserver) -> None:
    """No key that is kept makes anew what was said before; and most messages cost no commit."""
    await with_ada(rig, server)
    await encrypt(rig)
    rows = "SELECT next_index FROM matrix_session"
    for number in range(1, 3 * outbound_sessions.AHEAD):
        before = await rig.store.fetchval(rows)
        await encrypt(rig)
        after = await rig.store.fetchval(rows)
        assert after > number, "an index is used that nothing has taken"
        assert after - before == (outbound_sessions.AHEAD if number % outbound_sessions.AHEAD == 0 else 0)
    session = await rig.matrix.keyring._load(POLICY, ROOM)
    assert session is not None
    assert session.ratchet.message_index == await rig.store.fetchval(rows)


async def test_no_index_twice(rig: Rig, server: SmallHomeserver) -> None:
    """Restarts, sessions loaded twice, indices taken and not used: each ciphertext has an index of its own."""
    ada = await with_ada(rig, server)
    done = [await encrypt(rig)]
    key = ada.opens(server.sent_to(ada)[0])["content"]["session_key"]
    (name,) = rig.matrix.keyring._ready
    stale = rig.matrix.keyring._ready.pop(name)
    done += [await encrypt(rig) for _ in range(3)]
    rig.matrix.keyring._ready[name] = stale
    done += await asyncio.gather(*(encrypt(rig) for _ in range(2 * outbound_sessions.AHEAD)))
    await rig.stop()
    await rig.start(run=False)
    done.append(await encrypt(rig))
    indices = [
        InboundGroupSession(key).decrypt(e["ciphertext"])[1] for e in done if e["session_id"] == done[0]["session_id"]
    ]
    assert len(set(indices)) == len(indices) == len(done)


async def test_sessions_end_by_themselves(rig: Rig, server: SmallHomeserver, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many messages a fresh one begins, and its key is delivered too."""
    monkeypatch.setattr(outbound_sessions, "MOST_MESSAGES", 2)
    ada = await with_ada(rig, server)
    sessions = [(await encrypt(rig))["session_id"] for _ in range(4)]
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]
    assert len(server.sent_to(ada)) == 2


async def test_keys_are_sealed_and_die_with_their_owner(rig: Rig, server: SmallHomeserver) -> None:
    """Nothing in the database opens a room without the room's key, and without it nothing is sent."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    key = ada.opens(server.sent_to(ada)[0])["content"]["session_key"]
    files = [path.read_bytes() for path in rig.directory.iterdir() if path.is_file()]
    assert not any(key.encode() in data for data in files)
    await rig.vault.destroy(f"room:{ROOM}")
    rig.matrix.keyring.forget(ROOM)
    with pytest.raises(Permanent, match="QUIETLINE_NO_KEY"):
        await rig.edge.send(ROOM, Speaker.POLICY, "t1", "m.room.message", TEXT)
    sol = Person("@sol:x")
    server.tell(sol)
    assert await rig.matrix.delivery.deliver(ROOM, [sol.mxid]) == []
    assert server.sent_to(sol) == []
    await rig.store.commit(lambda conn: destroy_keys(conn, ROOM))
    assert await rig.store.fetchval("SELECT COUNT(*) FROM matrix_session") == 0


async def test_nothing_is_sent_where_we_are_not(rig: Rig, server: SmallHomeserver) -> None:
    """A room that is not ours is refused without a request; what has no UTF-8 form likewise."""
    asked = len(server.asked)
    with pytest.raises(Permanent, match="QUIETLINE_NOT_OUR_ROOM"):
        await rig.edge.send("!strange", Speaker.VOICE, "t1", "m.room.message", TEXT)
    with pytest.raises(Permanent, match="M_BAD_JSON"):
        await rig.edge.send("!strange", Speaker.VOICE, "t1", "m.room.message", {"body": "\ud800"})
    assert len(server.asked) == asked


async def test_the_relation_is_in_the_clear_and_the_transaction_is_the_callers(rig: Rig, server: SmallHomeserver) -> None:
    """`m.relates_to` is copied out as the specification asks; nothing else is; the request names device and txn."""
    await ours(rig)
    relation = {"rel_type": "m.replace", "event_id": "$x"}
    await rig.edge.send(ROOM, Speaker.POLICY, "q1.0", "m.room.message", {**TEXT, "m.relates_to": relation})
    sent = server.asked[-1]
    assert sent.path.endswith(f"/rooms/{ROOM}/send/m.room.encrypted/q1.0")
    assert sent.query["device_id"] == rig.matrix.policy.device_id
    assert sent.body["m.relates_to"] == relation
    assert set(sent.body) == {"algorithm", "ciphertext", "device_id", "m.relates_to", "sender_key", "session_id"}


async def test_a_session_whose_key_could_not_go_out_sends_nothing(rig: Rig, server: SmallHomeserver) -> None:
    """While the homeserver refuses the key, the event is not sent; then both go, in this order, in the same session."""
    await with_ada(rig, server)
    server.refuse = ("/sendToDevice/", 500)
    for _ in range(2):
        with pytest.raises(Transient):
            await rig.edge.send(ROOM, Speaker.POLICY, "t1", "m.room.message", TEXT)
    assert not [asked for asked in server.asked if "/send/" in asked.path]
    server.refuse = None
    await rig.edge.send(ROOM, Speaker.POLICY, "t1", "m.room.message", TEXT)
    assert await rig.store.fetchval("SELECT COUNT(*) FROM matrix_session") == 1
