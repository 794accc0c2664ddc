"""Room keys of others: taken from members, so many of each, never behind what has gone; handed on when they were read."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.matrix.api.events import UndecryptableEvent
from bridge.matrix.room_keys import inbound_sessions
from bridge.matrix.room_keys.inbound_sessions import InboundSessions, accepted_sessions
from bridge.matrix.room_keys.sealing import prune_ratchets
from bridge.matrix.rooms.room_state import delete_room
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, know_ada, member_event, record_our_room, sync_with, timeline


async def learned(rig: Rig) -> list[str]:
    """Return whose sessions are kept."""
    return [row["sender"] for row in await rig.database.fetch("SELECT sender FROM matrix_inbound ORDER BY sender")]


async def take(rig: Rig, server: ScriptedHomeserver, response: dict[str, Any]) -> None:
    await sync_with(rig, server, response)


def keys_of(server: ScriptedHomeserver, person: ClientDevice, count: int) -> list[dict[str, Any]]:
    """Return keys of so many sessions of that device; its newest session is the last of them."""
    messages = []
    for _ in range(count):
        person.groups.clear()
        messages.append(person.room_key_message(server.ours[POLICY], ROOM))
    return messages


async def test_a_stranger_gives_us_no_keys(rig: Rig, server: ScriptedHomeserver) -> None:
    """Of 300 keys of a person who is in no room of ours nothing is kept, and a colleague's key beside them is."""
    ada = await know_ada(rig, server)
    eve = ClientDevice("@eve:x", cross_signed=False)
    own = ada.room_key_message(server.ours[POLICY], ROOM)
    await take(rig, server, {"to_device": {"events": [*keys_of(server, eve, 300), own]}})
    assert await learned(rig) == [ada.mxid]


@pytest.mark.parametrize("later", [False, True], ids=["in the same response", "in the next response"])
async def test_a_key_may_come_before_the_join(rig: Rig, server: ScriptedHomeserver, later: bool) -> None:
    """A newcomer's key that comes with, or just before, the news that they joined is taken, and their words are read."""
    await record_our_room(rig, people=())
    ada = ClientDevice("@ada:x")
    server.register(ada)
    key = {"to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]}}
    joins = timeline(member_event(ada), ada.room_message(ROOM, "hello"))
    for response in [key, joins] if later else [{**key, **joins}]:
        await take(rig, server, response)
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == ["hello"]


async def test_what_has_gone_is_not_replayed(rig: Rig, server: ScriptedHomeserver) -> None:
    """The device sends its key once more and the homeserver the same words under another id: they are not said again."""
    ada = await know_ada(rig, server)
    key, again = (ada.room_key_message(server.ours[POLICY], ROOM) for _ in range(2))
    said = ada.room_message(ROOM, "text for the phone")
    await take(rig, server, {"to_device": {"events": [key]}, **timeline(said)})
    assert await prune_ratchets(rig.database, rig.vault) == 1
    replayed = {**said, "event_id": "$replayed"}
    await take(rig, server, {"to_device": {"events": [again]}, **timeline(replayed)})
    assert bodies(rig.events) == ["text for the phone"]
    assert await rig.database.fetchval("SELECT first_index FROM matrix_inbound") == 1
    await take(rig, server, timeline(ada.room_message(ROOM, "and the next")))
    assert bodies(rig.events) == ["text for the phone", "and the next"]


async def test_below_the_floor_nothing_is_read(rig: Rig, server: ScriptedHomeserver) -> None:
    """Whatever the ratchet could still open: an index below the floor is unreadable, and its author is told."""
    ada = await know_ada(rig, server)
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    await take(rig, server, {"to_device": {"events": [key]}})
    await rig.database.commit(lambda transaction: transaction.execute("UPDATE matrix_inbound SET floor = 1"))
    await take(rig, server, timeline(ada.room_message(ROOM, "gone"), ada.room_message(ROOM, "new")))
    assert bodies(rig.events) == ["new"]
    assert [type(item) for item in rig.events] == [UndecryptableEvent, type(rig.events[1])]


async def test_only_what_was_read_is_handed_on(rig: Rig, server: ScriptedHomeserver) -> None:
    """Neither a session that nobody spoke with, nor one of an unsigned device in the room, is in a bundle or a recap."""
    await record_our_room(rig, people=["@ada:x", "@eve:x"])
    ada, eve = ClientDevice("@ada:x"), ClientDevice("@eve:x", cross_signed=False)
    server.register(ada, eve)
    await rig.matrix.devices.refresh_stale([ada.mxid, eve.mxid])
    events = [person.room_key_message(server.ours[POLICY], ROOM) for person in (ada, eve)]
    forged = ada.group(ROOM)
    # eve gives out ada's session as her own as well
    content = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": ROOM, "session_id": forged.id}
    events.append(eve.to_device(server.ours[POLICY], "m.room_key", {**content, "session_key": forged.session_key}))
    await take(rig, server, {"to_device": {"events": events}})
    assert await learned(rig) == [ada.mxid, eve.mxid, eve.mxid]
    assert await accepted_sessions(rig.database, rig.vault, ROOM) == []
    await take(rig, server, timeline(eve.room_message(ROOM, "let me in"), ada.room_message(ROOM, "typed")))
    accepted = await accepted_sessions(rig.database, rig.vault, ROOM)
    assert [(each.sender, each.sender_key, each.session_id) for each in accepted] == [(ada.mxid, ada.curve25519, forged.id)]


@pytest.mark.parametrize("by", ["its author", "another person"])
async def test_a_message_whose_edit_is_read_first_is_given_up(rig: Rig, server: ScriptedHomeserver, by: str) -> None:
    """The key comes after the edit: the earlier words are not said, and count as not read. Only an author edits."""
    ada = await know_ada(rig, server)
    bea = ClientDevice("@bea:x")
    server.register(bea)
    await take(rig, server, timeline(member_event(bea)))
    late = ada.room_key_message(server.ours[POLICY], ROOM)
    said = ada.room_message(ROOM, "the old address")
    ada.groups.clear()
    editor = ada if by == "its author" else bea
    key = editor.room_key_message(server.ours[POLICY], ROOM)
    relation = {"rel_type": "m.replace", "event_id": said["event_id"]}
    content = {"msgtype": "m.text", "body": "the new address", "m.relates_to": relation}
    edit = editor.encrypted(ROOM, {"type": "m.room.message", "room_id": ROOM, "content": content})
    rig.events.clear()
    await take(rig, server, {"to_device": {"events": [key]}, **timeline(said, edit)})
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == ["the new address"]
    await take(rig, server, {"to_device": {"events": [late]}})
    rig.matrix.sync.caught_up.set()
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == ["the new address"] + (["the old address"] if editor is bea else [])
    unread = [item.event_id for item in rig.events if isinstance(item, UndecryptableEvent)]
    assert unread == ([said["event_id"]] if editor is ada else [])


async def test_a_message_that_is_redacted_before_its_key_comes_is_not_said(rig: Rig, server: ScriptedHomeserver) -> None:
    """Its author has taken it out of the room: nothing of it is read when its key comes."""
    ada = await know_ada(rig, server)
    key, said = ada.room_key_message(server.ours[POLICY], ROOM), ada.room_message(ROOM, "the old address")
    redaction = {
        "type": "m.room.redaction",
        "event_id": "$redaction",
        "sender": ada.mxid,
        "redacts": said["event_id"],
        "origin_server_ts": 1_700_000_000_000,
        "content": {"redacts": said["event_id"]},
    }
    await take(rig, server, timeline(said))
    await take(rig, server, timeline(redaction))
    await take(rig, server, {"to_device": {"events": [key]}})
    assert bodies(rig.events) == []


async def test_strangers_push_no_key_out_of_a_response(rig: Rig, server: ScriptedHomeserver) -> None:
    """A flood of strangers' keys in the same response as a join costs the newcomer nothing."""
    await record_our_room(rig, people=())
    ada, eve = ClientDevice("@ada:x"), ClientDevice("@eve:x")
    server.register(ada)
    own = ada.room_key_message(server.ours[POLICY], ROOM)
    events = [own, *keys_of(server, eve, 50)]
    await take(rig, server, {"to_device": {"events": events}, **timeline(member_event(ada))})
    assert await learned(rig) == [ada.mxid]


async def test_so_many_sessions_of_one_sender(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member can fill our database no more than anybody; what was read is kept before what was not, the newest first."""
    monkeypatch.setattr(inbound_sessions, "MAX_SESSIONS", 3)
    ada = await know_ada(rig, server)
    first = ada.room_key_message(server.ours[POLICY], ROOM)
    said = ada.room_message(ROOM, "read")
    await take(rig, server, {"to_device": {"events": [first]}, **timeline(said)})
    await take(rig, server, {"to_device": {"events": keys_of(server, ada, 5)}, **timeline(ada.room_message(ROOM, "new"))})
    assert bodies(rig.events) == ["read", "new"]
    assert len(await learned(rig)) == 3
    session_ids = {row["session_id"] for row in await rig.database.fetch("SELECT session_id FROM matrix_inbound")}
    assert {said["content"]["session_id"], ada.group(ROOM).id} <= session_ids


async def test_what_has_gone_is_not_replayed_once_its_session_made_space(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor of a session that is kept no longer stays until its room is forgotten: nothing below is said again."""
    monkeypatch.setattr(inbound_sessions, "MAX_SESSIONS", 3)
    ada = await know_ada(rig, server)
    key, again, once_more = (ada.room_key_message(server.ours[POLICY], ROOM) for _ in range(3))
    group, said = ada.group(ROOM), ada.room_message(ROOM, "text for the phone")
    await take(rig, server, {"to_device": {"events": [key]}, **timeline(said)})
    assert await prune_ratchets(rig.database, rig.vault) == 1
    for number in range(3):
        own = keys_of(server, ada, 1)
        await take(rig, server, {"to_device": {"events": own}, **timeline(ada.room_message(ROOM, f"later {number}"))})
    session_ids = [row["session_id"] for row in await rig.database.fetch("SELECT session_id FROM matrix_inbound")]
    assert len(session_ids) == 3
    assert group.id not in session_ids
    replayed, heard = {**said, "event_id": "$replayed"}, len(bodies(rig.events))
    await take(rig, server, {"to_device": {"events": [again]}, **timeline(replayed)})
    assert len(bodies(rig.events)) == heard
    ada.groups[ROOM] = group
    await take(rig, server, {"to_device": {"events": [once_more]}, **timeline(ada.room_message(ROOM, "and the next"))})
    assert bodies(rig.events)[heard:] == ["and the next"]
    await rig.database.commit(lambda transaction: delete_room(transaction, ROOM))
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_read") == 0


async def test_a_waiting_event_that_a_bug_fails_costs_itself(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two wait for one key, which comes: one fails on a bug, and its author is told; the other, and the key, stay."""
    ada = await know_ada(rig, server)
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    lost, said = (ada.room_message(ROOM, words) for words in ("lost", "said"))
    await take(rig, server, timeline(lost, said))
    decrypt = InboundSessions.decrypt

    async def fails(self: InboundSessions, transaction: Any, event: Any, **options: Any) -> Any:
        if event.event_id == lost["event_id"]:
            await transaction.execute("DELETE FROM matrix_inbound")
            raise RuntimeError
        return await decrypt(self, transaction, event, **options)

    monkeypatch.setattr(InboundSessions, "decrypt", fails)
    await take(rig, server, {"to_device": {"events": [key]}})
    assert bodies(rig.events) == ["said"]
    assert [item.event_id for item in rig.events if isinstance(item, UndecryptableEvent)] == [lost["event_id"]]
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_waiting") == 0
