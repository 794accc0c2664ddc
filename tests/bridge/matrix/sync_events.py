"""A room of ours, and what a sync response says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.matrix.api.events import DecryptedMessage, MatrixEvent
from bridge.matrix.rooms.room_state import Room, RoomKind, record_room
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver

ROOM = "!room"


async def record_our_room(
    rig: Rig, room_id: str = ROOM, *, kind: RoomKind = "thread", people: Sequence[str] = ("@ada:x",)
) -> None:
    """Make a room ours, with a key; `people` are in it beside us."""
    await rig.vault.create(f"room:{room_id}")
    room = Room(room_id=room_id, kind=kind, owner="t", key_owner=f"room:{room_id}")
    members = dict.fromkeys((POLICY, PUPPET, *people), "join")
    await rig.database.commit(lambda transaction: record_room(transaction, room, members=members, levels={}))


def timeline(*events: dict[str, Any], room_id: str = ROOM, **more: Any) -> dict[str, Any]:
    return {"rooms": {"join": {room_id: {"timeline": {"events": list(events), **more}}}}}


async def sync_with(rig: Rig, server: ScriptedHomeserver, response: dict[str, Any]) -> str:
    """Have the policy bot sync once, with this response; return the cursor behind it."""
    cursor = server.queue_sync(response)
    await rig.matrix.sync.run_once()
    return cursor


def member_event(person: ClientDevice, membership: str = "join") -> dict[str, Any]:
    return {
        "event_id": f"$member-{membership}-{person.mxid}",
        "sender": person.mxid,
        "type": "m.room.member",
        "state_key": person.mxid,
        "content": {"membership": membership},
        "origin_server_ts": 1,
    }


def bodies(items: list[MatrixEvent]) -> list[str]:
    return [item.content["body"] for item in items if isinstance(item, DecryptedMessage)]


async def know_ada(rig: Rig, server: ScriptedHomeserver) -> ClientDevice:
    """Have Ada in a room of ours, and her device known."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    server.register(ada)
    await rig.matrix.devices.refresh_stale([ada.mxid])
    return ada


async def hear_ada(rig: Rig, server: ScriptedHomeserver) -> ClientDevice:
    """Have Ada in a room of ours, her device and her session known, and the cursor stand somewhere."""
    ada = await know_ada(rig, server)
    await sync_with(rig, server, {"to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]}})
    return ada
