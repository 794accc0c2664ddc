"""Our Megolm sessions: who gets their keys, when they end, and that no index is used twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.model.actions import Speaker
from bridge.matrix.api.http_client import Permanent, Transient
from bridge.matrix.olm.cross_signing import has_valid_signature
from bridge.matrix.olm.vodozemac_olm import InboundGroupSession
from bridge.matrix.room_client import TXN_MARK
from bridge.matrix.room_keys import outbound_sessions
from bridge.matrix.room_keys.outbound_table import rotate_sessions
from bridge.matrix.room_keys.sealing import destroy_keys
from bridge.matrix.rooms.room_state import RoomKind, set_membership
from tests.bridge.matrix.client_device import ClientDevice, decrypt_room_event
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, member_event, record_our_room, sync_with, timeline

TEXT = {"msgtype": "m.text", "body": "words"}


async def encrypt(rig: Rig, content: dict[str, Any] = TEXT) -> dict[str, Any]:
    return await rig.matrix.outbound_sessions.encrypt(rig.matrix.policy, ROOM, "m.room.message", content)


async def with_ada(rig: Rig, server: ScriptedHomeserver, *, kind: RoomKind = "thread") -> ClientDevice:
    """Make the room ours and have a person with one trusted device in it."""
    await record_our_room(rig, kind=kind)
    ada = ClientDevice("@ada:x")
    server.register(ada)
    await sync_with(rig, server, timeline(member_event(ada)))
    await rig.matrix.device_updates.run_once()
    return ada


async def test_a_member_reads_from_the_first_word(rig: Rig, server: ScriptedHomeserver) -> None:
    """The key is with the member's device before the event exists, says who sends it, and lets nobody pass it on."""
    ada = await with_ada(rig, server)
    encrypted = await encrypt(rig)
    (event,) = server.sent_to(ada)
    inside = ada.decrypt_to_device(event)
    assert inside["type"] == "m.room_key"
    assert set(inside["content"]) == {"algorithm", "room_id", "session_id", "session_key"}
    assert decrypt_room_event(inside["content"]["session_key"], encrypted) == {
        "type": "m.room.message",
        "room_id": ROOM,
        "content": TEXT,
    }
    own = inside["sender_device_keys"]
    assert own["keys"][f"ed25519:{own['device_id']}"] == inside["keys"]["ed25519"]
    signers = [name for name in own["signatures"][POLICY] if not name.endswith(own["device_id"])]
    assert [has_valid_signature(own, POLICY, name[8:], name[8:]) for name in signers] == [True]


async def test_who_has_left_since_the_members_were_read_gets_no_key(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync may report it while the key is being shared with the others."""
    ada = await with_ada(rig, server)
    await rig.database.commit(lambda transaction: set_membership(transaction, ROOM, ada.mxid, "leave"))

    async def members_before(_reader: object, _room_id: str) -> list[str]:
        return [ada.mxid]

    with monkeypatch.context() as patch:
        patch.setattr(outbound_sessions, "members_for_keys", members_before)
        await encrypt(rig)
    assert server.sent_to(ada) == []


async def test_whoever_is_invited_later_gets_every_first_key(rig: Rig, server: ScriptedHomeserver) -> None:
    """Also those of sessions that have ended: the newcomer reads all there is, and is invited after the keys went."""
    await with_ada(rig, server)
    old = await encrypt(rig)
    await rig.database.commit(lambda transaction: rotate_sessions(transaction, ROOM))
    new = await encrypt(rig)
    sol = ClientDevice("@sol:x")
    server.register(sol)
    await rig.room_client.invite(ROOM, sol.mxid)
    keys = [sol.decrypt_to_device(event)["content"] for event in server.sent_to(sol)]
    by_session = {key["session_id"]: key["session_key"] for key in keys}
    assert [decrypt_room_event(by_session[e["session_id"]], e)["content"] for e in (old, new)] == [TEXT, TEXT]
    paths = [request.path for request in server.requests]
    positions = [n for n, path in enumerate(paths) if "/sendToDevice/" in path]
    assert max(positions) < next(n for n, path in enumerate(paths) if path.endswith("/invite"))


async def test_a_late_device_is_owed_its_keys_until_they_arrived(rig: Rig, server: ScriptedHomeserver) -> None:
    """While the homeserver does not take them the mark stays; her words are heard meanwhile, for her list is fresh."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    late = ada.another_device()
    server.register(late)
    server.queue_sync({"device_lists": {"changed": [ada.mxid]}})
    server.refuse = ("/sendToDevice/", 503)
    await rig.matrix.sync.run_once()
    with pytest.raises(Transient):
        await rig.matrix.device_updates.run_once()
    key = late.room_key_message(server.ours[POLICY], ROOM)
    await sync_with(rig, server, {"to_device": {"events": [key]}, **timeline(late.room_message(ROOM, "hello"))})
    assert bodies(rig.events) == ["hello"]
    server.refuse = None
    server.requests.clear()
    await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(late)) == 1


async def test_a_one_time_key_that_the_device_did_not_sign(rig: Rig, server: ScriptedHomeserver) -> None:
    """Nothing is encrypted with it; the device is tried again later and then has its key."""
    ada = await with_ada(rig, server)
    ada.signs_one_time_keys = False
    await encrypt(rig)
    assert server.sent_to(ada) == []
    ada.signs_one_time_keys = True
    await rig.database.commit(lambda transaction: transaction.execute("UPDATE matrix_dirty SET due_ms = 0"))
    await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(ada)) == 1


async def test_no_key_for_a_device_that_nobody_vouches_for(rig: Rig, server: ScriptedHomeserver) -> None:
    """Neither when a session begins nor at an invite."""
    await record_our_room(rig)
    eve = ClientDevice("@eve:x", cross_signed=False)
    server.register(eve)
    await sync_with(rig, server, timeline(member_event(eve)))
    await rig.matrix.device_updates.run_once()
    await encrypt(rig)
    await rig.room_client.invite(ROOM, eve.mxid)
    assert server.sent_to(eve) == []


async def test_when_somebody_leaves_the_session_ends(rig: Rig, server: ScriptedHomeserver) -> None:
    """What follows is in a fresh session whose key does not go to who left; so it is when we remove them."""
    ada = await with_ada(rig, server)
    before = await encrypt(rig)
    await sync_with(rig, server, timeline(member_event(ada, "leave")))
    after = await encrypt(rig)
    assert before["session_id"] != after["session_id"]
    assert len(server.sent_to(ada)) == 1
    await rig.room_client.remove(ROOM, ada.mxid)
    assert (await encrypt(rig))["session_id"] != after["session_id"]


async def test_a_device_that_is_gone_ends_the_sessions_it_had(rig: Rig, server: ScriptedHomeserver) -> None:
    """A signed-out device cannot read what is said next, whatever it kept."""
    ada = await with_ada(rig, server)
    before = await encrypt(rig)
    server.register(ada.another_device())
    await sync_with(rig, server, {"device_lists": {"changed": ["@ada:x"]}})
    await rig.matrix.device_updates.run_once()
    assert (await encrypt(rig))["session_id"] != before["session_id"]


async def test_a_retired_session_never_encrypts_again(rig: Rig, server: ScriptedHomeserver) -> None:
    """Once the commit that retires it has returned, also not while it is still at hand in memory with indices to use."""
    await with_ada(rig, server)
    before = await encrypt(rig)
    await rig.database.commit(lambda transaction: rotate_sessions(transaction, ROOM))
    assert rig.matrix.outbound_sessions._cache
    after = await encrypt(rig)
    assert before["session_id"] != after["session_id"]


async def test_what_is_stored_is_ahead_of_what_was_said(rig: Rig, server: ScriptedHomeserver) -> None:
    """No key that is kept makes again what was said before; and most messages cost no commit."""
    await with_ada(rig, server)
    await encrypt(rig)
    rows = "SELECT next_index FROM matrix_session"
    for number in range(1, 3 * outbound_sessions.RESERVED_INDICES):
        before = await rig.database.fetchval(rows)
        await encrypt(rig)
        after = await rig.database.fetchval(rows)
        assert after > number, "an index is used that nothing has taken"
        assert after - before == (
            outbound_sessions.RESERVED_INDICES if number % outbound_sessions.RESERVED_INDICES == 0 else 0
        )
    session = await rig.matrix.outbound_sessions._load(POLICY, ROOM)
    assert session is not None
    assert session.ratchet.message_index == await rig.database.fetchval(rows)


async def test_no_index_twice(rig: Rig, server: ScriptedHomeserver) -> None:
    """Restarts, sessions loaded twice, indices taken and not used: each ciphertext has an index of its own."""
    ada = await with_ada(rig, server)
    done = [await encrypt(rig)]
    key = ada.decrypt_to_device(server.sent_to(ada)[0])["content"]["session_key"]
    (name,) = rig.matrix.outbound_sessions._cache
    stale = rig.matrix.outbound_sessions._cache.pop(name)
    done += [await encrypt(rig) for _ in range(3)]
    rig.matrix.outbound_sessions._cache[name] = stale
    done += await asyncio.gather(*(encrypt(rig) for _ in range(2 * outbound_sessions.RESERVED_INDICES)))
    await rig.stop()
    await rig.start(run=False)
    done.append(await encrypt(rig))
    indices = [
        InboundGroupSession.from_key(key).decrypt(e["ciphertext"])[1]
        for e in done
        if e["session_id"] == done[0]["session_id"]
    ]
    assert len(set(indices)) == len(indices) == len(done)


async def test_sessions_end_by_themselves(rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many messages a fresh one begins, and its key is delivered too."""
    monkeypatch.setattr(outbound_sessions, "MAX_MESSAGES", 2)
    ada = await with_ada(rig, server)
    sessions = [(await encrypt(rig))["session_id"] for _ in range(4)]
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]
    assert len(server.sent_to(ada)) == 2


async def test_keys_are_sealed_and_die_with_their_owner(rig: Rig, server: ScriptedHomeserver) -> None:
    """Nothing in the database opens a room without the room's key, and without it nothing is sent."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    key = ada.decrypt_to_device(server.sent_to(ada)[0])["content"]["session_key"]
    files = [path.read_bytes() for path in rig.directory.iterdir() if path.is_file()]
    assert not any(key.encode() in data for data in files)
    await rig.vault.destroy(f"room:{ROOM}")
    rig.matrix.outbound_sessions.forget(ROOM)
    with pytest.raises(Permanent, match="QUIETLINE_NO_KEY"):
        await rig.room_client.send(ROOM, Speaker.POLICY, "t1", "m.room.message", TEXT)
    sol = ClientDevice("@sol:x")
    server.register(sol)
    assert await rig.matrix.key_sharing.share(ROOM, [sol.mxid]) == []
    assert server.sent_to(sol) == []
    await rig.database.commit(lambda transaction: destroy_keys(transaction, ROOM))
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_session") == 0


async def test_nothing_is_sent_where_we_are_not(rig: Rig, server: ScriptedHomeserver) -> None:
    """A room that is not ours is refused without a request; what has no UTF-8 form likewise."""
    request_count = len(server.requests)
    with pytest.raises(Permanent, match="QUIETLINE_NOT_OUR_ROOM"):
        await rig.room_client.send("!strange", Speaker.TEXTER, "t1", "m.room.message", TEXT)
    with pytest.raises(Permanent, match="M_BAD_JSON"):
        await rig.room_client.send("!strange", Speaker.TEXTER, "t1", "m.room.message", {"body": "\ud800"})
    assert len(server.requests) == request_count


async def test_the_relation_is_in_the_clear_and_the_transaction_is_the_callers(
    rig: Rig, server: ScriptedHomeserver
) -> None:
    """`m.relates_to` is copied out as the specification asks; nothing else is; the request names device and txn.

    Beside it stands the mark of the transaction alone.
    """
    await record_our_room(rig)
    relation = {"rel_type": "m.replace", "event_id": "$x"}
    await rig.room_client.send(ROOM, Speaker.POLICY, "q1.0", "m.room.message", {**TEXT, "m.relates_to": relation})
    request = server.requests[-1]
    assert request.path.endswith(f"/rooms/{ROOM}/send/m.room.encrypted/q1.0")
    assert request.query["device_id"] == rig.matrix.policy.device_id
    assert request.body["m.relates_to"] == relation
    encrypted = {"algorithm", "ciphertext", "device_id", "m.relates_to", "sender_key", "session_id"}
    assert set(request.body) == {*encrypted, TXN_MARK}


async def test_a_session_whose_key_could_not_go_out_sends_nothing(rig: Rig, server: ScriptedHomeserver) -> None:
    """While the homeserver refuses the key, the event is not sent; then both go, in this order, in the same session."""
    await with_ada(rig, server)
    server.refuse = ("/sendToDevice/", 500)
    for _ in range(2):
        with pytest.raises(Transient):
            await rig.room_client.send(ROOM, Speaker.POLICY, "t1", "m.room.message", TEXT)
    assert not [request for request in server.requests if "/send/" in request.path]
    server.refuse = None
    await rig.room_client.send(ROOM, Speaker.POLICY, "t1", "m.room.message", TEXT)
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_session") == 1
