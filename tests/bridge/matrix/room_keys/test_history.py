"""What people typed before, read once more: only what was taken when it came, and without a trace."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.matrix.api.http_client import Permanent
from bridge.matrix.room_keys.history import MAX_PAGES, RecentMessages
from bridge.matrix.rooms.room_state import UnknownRoom
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, record_our_room, sync_with, timeline

TABLES = ("matrix_inbound", "matrix_read", "matrix_waiting", "matrix_device", "matrix_dirty")


async def comes(
    rig: Rig, server: ScriptedHomeserver, person: ClientDevice, *events: dict[str, Any], key: bool = True
) -> None:
    """Let a person's words come in by the sync, with their key; the homeserver keeps them."""
    server.register(person)
    letters = [person.room_key_message(server.ours[POLICY], ROOM)] if key else []
    await sync_with(rig, server, {"to_device": {"events": letters}, **timeline(*events)})
    await rig.matrix.device_updates.run_once()
    server.messages.setdefault(ROOM, {"chunk": []})["chunk"][:0] = reversed(events)


async def seen(rig: Rig) -> list[list[tuple[Any, ...]]]:
    return [[tuple(row) for row in await rig.database.fetch(f"SELECT * FROM {table}")] for table in TABLES]  # noqa: S608


async def test_it_reads_what_was_taken_and_leaves_no_trace(rig: Rig, server: ScriptedHomeserver) -> None:
    """Words come out as they came in, oldest first, as often as asked; no session moves, nothing is remembered."""
    await record_our_room(rig, people=["@ada:x", "@bea:x"])
    ada, bea = ClientDevice("@ada:x"), ClientDevice("@bea:x")
    for person in (ada, bea):
        await comes(rig, server, person)
    await comes(rig, server, ada, ada.room_message(ROOM, "one"), ada.room_message(ROOM, "two"), key=False)
    await comes(rig, server, bea, bea.room_message(ROOM, "three"), key=False)
    before = await seen(rig)
    for _ in range(2):
        typed = await rig.room_client.recent_messages(ROOM)
        assert bodies(list(typed.messages)) == ["one", "two", "three"]
        assert [said.sender for said in typed.messages] == [ada.mxid, ada.mxid, bea.mxid]
        assert (typed.unread, typed.more) == (0, False)
    assert await seen(rig) == before
    assert bodies(rig.events) == ["one", "two", "three"]


async def test_an_untrusted_device_is_counted_and_not_told(rig: Rig, server: ScriptedHomeserver) -> None:
    """What was not believed when it came is not said again, also when its device is signed afterwards."""
    await record_our_room(rig)
    eve = ClientDevice("@eve:x", cross_signed=False)
    await comes(rig, server, eve)
    await comes(rig, server, eve, eve.room_message(ROOM, "believe me"), key=False)
    eve.cross_signed = True
    await sync_with(rig, server, {"device_lists": {"changed": [eve.mxid]}})
    await rig.matrix.device_updates.run_once()
    assert await rig.room_client.recent_messages(ROOM) == RecentMessages(messages=(), unread=1)


async def test_what_a_signed_out_device_said_can_be_said_again(rig: Rig, server: ScriptedHomeserver) -> None:
    """Whoever lost their telephone asks from a new one: what the old one said, and was believed, is told."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    await comes(rig, server, ada)
    await comes(rig, server, ada, ada.room_message(ROOM, "from the old one"), key=False)
    server.register(ada.another_device())
    await sync_with(rig, server, {"device_lists": {"changed": [ada.mxid]}})
    await rig.matrix.device_updates.run_once()
    assert bodies(list((await rig.room_client.recent_messages(ROOM)).messages)) == ["from the old one"]


async def test_what_cannot_be_read_is_counted(rig: Rig, server: ScriptedHomeserver) -> None:
    """Without its key, broken, replayed under another id, or of another room: each costs itself and no more."""
    await record_our_room(rig)
    ada, bea = ClientDevice("@ada:x"), ClientDevice("@bea:x")
    await comes(rig, server, ada)
    good, moved = ada.room_message(ROOM, "good"), ada.room_message(ROOM, "moved", payload_room="!other")
    await comes(rig, server, ada, good, moved, key=False)
    keyless = bea.room_message(ROOM, "no key")
    broken: list[Any] = [
        keyless,
        good | {"event_id": "$again"},
        good | {"sender": bea.mxid},
        good | {"event_id": 1},
        good | {"content": {"algorithm": "m.megolm.v1.aes-sha2"}},
        good | {"content": good["content"] | {"ciphertext": "AAAA"}},
        good | {"content": good["content"] | {"session_id": 7}},
        {"type": "m.room.encrypted"},
    ]
    server.messages[ROOM]["chunk"] += broken
    typed = await rig.room_client.recent_messages(ROOM)
    assert (bodies(list(typed.messages)), typed.unread) == (["good"], len(broken) + 1)


async def test_a_long_room_is_not_read_to_its_beginning(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some pages it ends, and says that there is more; a homeserver that pages in circles is not followed."""
    await record_our_room(rig)
    server.messages[ROOM] = {"chunk": [], "end": "t"}
    assert await rig.room_client.recent_messages(ROOM) == RecentMessages(messages=())
    requests = [request for request in server.requests if request.path.endswith("/messages")]
    assert [one.query.get("from") for one in requests] == [None, "t"]
    assert len(requests) < MAX_PAGES


async def test_a_destroyed_key_reads_nothing(rig: Rig, server: ScriptedHomeserver) -> None:
    """Once the room's key is gone nobody can read what was typed there, neither can we; another's room is not asked for."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    await comes(rig, server, ada)
    await comes(rig, server, ada, ada.room_message(ROOM, "one"), key=False)
    await rig.vault.destroy(f"room:{ROOM}")
    assert await rig.room_client.recent_messages(ROOM) == RecentMessages(messages=(), unread=1)
    with pytest.raises(UnknownRoom):
        await rig.room_client.recent_messages("!other")
    server.refuse = ("/messages", 403)
    with pytest.raises(Permanent):
        await rig.room_client.recent_messages(ROOM)
