"""A key that is on its way: a new Olm session, a loss of trust and a killed bridge meanwhile count all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.matrix.api.json_fields import Json
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_keys.outbound_table import rotate_sessions
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import Rig
from tests.bridge.matrix.room_keys.test_outbound_sessions import TEXT, encrypt, with_ada
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM
from tests.bridge.matrix.test_crash_members import dies


def when_delivered(rig: Rig, who: Identity, work: Callable[[], Awaitable[None]]) -> None:
    """Do that once, when the homeserver has the next to-device message of this identity and we do not know it yet."""
    to_device = rig.matrix.key_sharing.to_device(who)
    put = to_device._put

    async def put_and_work(kind: str, messages: Json) -> None:
        to_device._put = put  # type: ignore[method-assign]
        await put(kind, messages)
        await work()

    to_device._put = put_and_work  # type: ignore[method-assign]


async def loses_trust(rig: Rig, server: ScriptedHomeserver, ada: ClientDevice) -> None:
    """Have the device signed out, and the list without it read."""
    server.register(ada.another_device())
    await rig.database.commit(lambda transaction: rig.matrix.devices.mark(transaction, [ada.mxid]))
    await rig.matrix.devices.refresh_stale([ada.mxid])


@pytest.mark.parametrize("of_puppet", [False, True], ids=["policy", "puppet"])
@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
async def test_a_key_by_a_session_that_its_device_lost_meanwhile(
    rig: Rig, server: ScriptedHomeserver, again: bool, of_puppet: bool
) -> None:
    """The device began another Olm session before we know that the key was delivered: it goes once more, by that one."""
    ada = await with_ada(rig, server)
    who = rig.matrix.puppet if of_puppet else rig.matrix.policy
    if again:
        await rig.matrix.outbound_sessions.encrypt(who, ROOM, "m.room.message", TEXT)
    before = len(server.sent_to(ada))

    async def begins_again() -> None:
        letter = ada.to_device(server.ours[who.user_id], "m.dummy", {})
        server.queue_sync({"to_device": {"events": [letter]}}, puppet=of_puppet)
        await (rig.matrix.puppet_sync if of_puppet else rig.matrix.sync).run_once()
        await rig.matrix.device_updates._unwedging.queue_key_resends()

    when_delivered(rig, who, begins_again)
    if again:
        await rig.room_client.share_room_keys(ROOM, ada.mxid, again=True)
    said = await rig.matrix.outbound_sessions.encrypt(who, ROOM, "m.room.message", TEXT)
    assert len(server.sent_to(ada)) == before + 1
    for _ in range(2):
        await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(ada)) == before + 2
    assert ada.decrypt_to_device(server.sent_to(ada)[-1])["content"]["session_id"] == said["session_id"]


async def test_a_device_that_lost_its_trust_while_its_key_was_on_its_way(rig: Rig, server: ScriptedHomeserver) -> None:
    """It has the key of a session in which nothing more is said."""
    ada = await with_ada(rig, server)
    when_delivered(rig, rig.matrix.policy, lambda: loses_trust(rig, server, ada))
    said = await encrypt(rig)
    (key,) = server.sent_to(ada)
    assert ada.decrypt_to_device(key)["content"]["session_id"] != said["session_id"]


@pytest.mark.parametrize("point", [CrashPoint.KEYS_NOTED, CrashPoint.KEYS_DELIVERED], ids=lambda point: point.name)
async def test_killed_while_a_key_is_on_its_way(rig: Rig, server: ScriptedHomeserver, point: CrashPoint) -> None:
    """The next start sends it, a second time if it cannot know of the first; both are the same key, and no third goes."""
    ada = await with_ada(rig, server)
    await dies(rig, point, lambda: rig.matrix.outbound_sessions.prepare(rig.matrix.policy, ROOM))
    delivered_before = 1 if point is CrashPoint.KEYS_DELIVERED else 0
    assert len(server.sent_to(ada)) == delivered_before
    for _ in range(2):
        await rig.database.commit(rig.matrix.devices.mark_all_dirty)  # as at each start
        await rig.matrix.device_updates.run_once()
    keys = [ada.decrypt_to_device(event)["content"] for event in server.sent_to(ada)]
    assert len(keys) == delivered_before + 1
    assert all(key == keys[0] for key in keys)
    assert (await encrypt(rig))["session_id"] == keys[0]["session_id"]


async def test_a_device_that_lost_its_trust_since_its_keys_were_read(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets none, also by an Olm session that it has."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    await rig.database.commit(lambda transaction: rotate_sessions(transaction, ROOM))
    payloads_of = rig.matrix.key_sharing._payloads

    async def read_before(owed: Any) -> Any:
        patch.undo()
        payloads = await payloads_of(owed)
        await loses_trust(rig, server, ada)
        return payloads

    with monkeypatch.context() as patch:
        patch.setattr(rig.matrix.key_sharing, "_payloads", read_before)
        await encrypt(rig)
    assert len(server.sent_to(ada)) == 1


@pytest.mark.parametrize("point", [CrashPoint.KEYS_NOTED, CrashPoint.KEYS_DELIVERED], ids=lambda point: point.name)
async def test_a_device_that_lost_its_trust_while_we_were_dead(
    rig: Rig, server: ScriptedHomeserver, point: CrashPoint
) -> None:
    """What was on its way to it when the bridge died is the key of a session in which nothing more is said."""
    ada = await with_ada(rig, server)
    await dies(rig, point, lambda: rig.matrix.outbound_sessions.prepare(rig.matrix.policy, ROOM))
    session_id = await rig.database.fetchval("SELECT session_id FROM matrix_session WHERE active")
    await loses_trust(rig, server, ada)
    assert (await encrypt(rig))["session_id"] != session_id
