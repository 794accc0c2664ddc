"""A response on which the program fails is written event by event: what fails alone is put aside, and the cursor moves."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.matrix.api.events import MatrixEvent
from bridge.matrix.api.json_fields import Json
from bridge.matrix.olm.to_device import ToDeviceInbox
from bridge.matrix.rooms.room_state import members_of
from bridge.matrix.sync.sync_response import SyncResponseParser
from bridge.storage.database import Transaction
from bridge.storage.errors import Unavailable
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, know_ada, member_event, record_our_room, sync_with, timeline


def fails_on(monkeypatch: pytest.MonkeyPatch, event_id: str, error: Exception) -> None:
    """Have the parser fail on one event."""
    original = SyncResponseParser._event

    async def fails(self: SyncResponseParser, transaction: Transaction, room_id: str, event: Json) -> MatrixEvent | None:
        item = await original(self, transaction, room_id, event)
        if event.get("event_id") == event_id:
            raise error
        return item

    monkeypatch.setattr(SyncResponseParser, "_event", fails)


async def test_one_event_fails_and_the_others_arrive(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key, a gap, words before and after a bad event: all but that one arrive in their order, and nothing comes again."""
    ada = await know_ada(rig, server)
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    missed, first, bad, last = (ada.room_message(ROOM, body) for body in ("missed", "first", "bad", "last"))
    server.messages[ROOM] = {"chunk": [missed]}
    await sync_with(rig, server, {})
    fails_on(monkeypatch, bad["event_id"], RuntimeError("a bug"))
    cursor = server.queue_sync(
        {"to_device": {"events": [key]}, **timeline(first, bad, last, member_event(ada), limited=True, prev_batch="p")}
    )
    await rig.matrix.sync.run_once()
    assert bodies(rig.events) == ["missed", "first", "last"]
    assert [(letter.room_id, letter.event_id, letter.sender, letter.encrypted) for letter in rig.unhandled] == [
        (ROOM, bad["event_id"], ada.mxid, True)
    ]
    # what the failed part had written is not kept: its index can still be read
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_read") == 3
    assert await rig.database.fetchval("SELECT cursor FROM matrix_identity") == cursor
    assert (await members_of(rig.database, ROOM))[ada.mxid] == "join"


@pytest.mark.parametrize("of_puppet", [False, True])
async def test_one_to_device_message_fails(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch, of_puppet: bool
) -> None:
    """A message of either identity on which opening it fails: the key beside it is taken, and the cursor moves."""
    ada = await know_ada(rig, server)
    original = ToDeviceInbox._open_event

    async def fails(self: ToDeviceInbox, transaction: Transaction, account: Any, event: Json, batch: Any) -> None:
        if event.get("type") == "bad":
            raise RuntimeError("a bug")
        await original(self, transaction, account, event, batch)

    monkeypatch.setattr(ToDeviceInbox, "_open_event", fails)
    bad = {"type": "bad", "sender": "@eve:x", "content": {"\ud800": 1}}
    if of_puppet:
        server.queue_sync({"to_device": {"events": [bad, ada.to_device(server.ours[PUPPET], "m.dummy", {})]}}, puppet=True)
        await rig.matrix.puppet_sync.run_once()
        assert rig.unhandled == []
        assert await rig.puppet_database.fetchval("SELECT COUNT(*) FROM matrix_unwedging") == 1
        return
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    await sync_with(rig, server, {"to_device": {"events": [bad, key]}, **timeline(ada.room_message(ROOM, "good"))})
    assert bodies(rig.events) == ["good"]
    assert [(letter.room_id, letter.sender, letter.encrypted, letter.raw) for letter in rig.unhandled] == [
        ("", "@eve:x", False, "")
    ]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Unavailable("SQLITE_FULL")], ids=["a bug", "a full disk"])
async def test_a_key_that_came_before_its_sender_outlives_a_failure(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The response with their join fails at first, after the key was used: the homeserver does not send the key again."""
    await record_our_room(rig, people=())
    ada = ClientDevice("@ada:x")
    server.register(ada)
    await rig.matrix.devices.refresh_stale([ada.mxid])
    server.queue_sync({"to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]}})
    await rig.matrix.sync.run_once()
    first, bad = ada.room_message(ROOM, "first"), ada.room_message(ROOM, "bad")
    response = timeline(member_event(ada), first, bad)
    server.queue_sync(response)
    with monkeypatch.context() as patch:
        fails_on(patch, bad["event_id"], error)
        if not isinstance(error, Unavailable):
            await rig.matrix.sync.run_once()
            await rig.matrix.device_updates.run_once()
            assert bodies(rig.events) == ["first"]
            return
        with pytest.raises(Unavailable):
            await rig.matrix.sync.run_once()
    server.queue_sync(response)
    await rig.matrix.sync.run_once()
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == ["first", "bad"]
