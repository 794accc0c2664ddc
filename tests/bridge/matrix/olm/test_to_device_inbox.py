"""To-device messages that cannot be read: whose Olm session is healed, and that nobody keeps others from it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import record_our_room


def garbage(own: str, sender: str, sender_key: str) -> dict[str, Any]:
    ciphertext = {own: {"type": 1, "body": "AwogAAAA"}}
    content = {"algorithm": "m.olm.v1.curve25519-aes-sha2", "sender_key": sender_key, "ciphertext": ciphertext}
    return {"sender": sender, "type": "m.room.encrypted", "content": content}


@pytest.mark.parametrize("mxid", [POLICY, PUPPET])
async def test_strangers_keep_no_session_from_healing(rig: Rig, server: ScriptedHomeserver, mxid: str) -> None:
    """A hundred messages of garbage under any key: a colleague's session is noted all the same, and begun again."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    server.register(ada)
    await rig.matrix.devices.refresh_stale([ada.mxid])
    own = server.ours[mxid].curve25519
    noise = [garbage(own, "@eve:x", f"garbage{n}") for n in range(100)]
    noise += [garbage(own, ada.mxid, f"garbage{n}") for n in range(100)]
    sync = rig.matrix.sync if mxid == POLICY else rig.matrix.puppet_sync
    for events in (noise, [garbage(own, ada.mxid, ada.curve25519)]):
        server.queue_sync({"to_device": {"events": events}}, puppet=mxid == PUPPET)
        await sync.run_once()
    await rig.matrix.key_uploads[mxid].run_once()
    assert [ada.decrypt_to_device(event)["type"] for event in server.sent_to(ada)] == ["m.dummy"]


async def test_who_has_left_is_not_healed(rig: Rig, server: ScriptedHomeserver) -> None:
    """A device that we know of a person who is in no room of ours takes no place."""
    await record_our_room(rig, people=())
    eve = ClientDevice("@eve:x")
    server.register(eve)
    await rig.matrix.devices.refresh_stale([eve.mxid])
    server.queue_sync({"to_device": {"events": [garbage(server.ours[POLICY].curve25519, eve.mxid, eve.curve25519)]}})
    await rig.matrix.sync.run_once()
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_wedged") == 0


@pytest.mark.parametrize("told", [{}, {"device_one_time_keys_count": {}}, {"device_one_time_keys_count": {"other": 9}}])
async def test_no_count_is_a_count_of_zero(rig: Rig, server: ScriptedHomeserver, told: dict[str, Any]) -> None:
    """A homeserver that has no one-time keys may say so by saying nothing: new ones are made."""
    server.queue_sync(told)
    await rig.matrix.sync.run_once()
    before = len(server.ours[POLICY].one_time_keys)
    await rig.matrix.key_uploads[POLICY].run_once()
    assert len(server.ours[POLICY].one_time_keys) == before + 50
