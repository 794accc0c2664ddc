"""A homeserver whose stream goes back, and a flood to our device; `test_matrix_event_ingest` has events that come twice.

`test_to_device_inbox` has a flood of messages that can be read.
"""

from __future__ import annotations

from typing import Final

from bridge.runtime.crash_points import CrashPoint
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, hear_ada, record_our_room, timeline
from tests.bridge.matrix.test_crash_members import dies

FLOOD: Final = 100_000


async def test_after_a_kill_the_first_answer_is_a_new_one(rig: Rig, server: ScriptedHomeserver) -> None:
    """Killed between an answer and its commit: what came since is in the next one, before anything leaves for a phone.

    Synapse answers the same request for two minutes as before. Words that their author took back meanwhile would leave.
    """
    ada = await hear_ada(rig, server)
    one, two = ada.room_message(ROOM, "one"), ada.room_message(ROOM, "two")
    server.repeats_answers = True
    for heard in ((), (one,), (one, two)):
        server.queue_sync(timeline(*heard))
    await rig.matrix.sync.run_once()
    await dies(rig, CrashPoint.SYNC_RECEIVED, rig.matrix.sync.run_once)
    await rig.matrix.sync.run_once()
    assert bodies(rig.events) == ["one", "two"]


async def test_a_flood_to_our_device_hides_nothing(rig: Rig, server: ScriptedHomeserver) -> None:
    """A hundred thousand messages of strangers in one response: a key and words behind them come, and none of it stays."""
    ada = await hear_ada(rig, server)
    ours = server.ours[POLICY]
    bad = {
        "type": "m.room.encrypted",
        "sender": "@eve:x",
        "content": {
            "algorithm": "m.olm.v1.curve25519-aes-sha2",
            "sender_key": "k" * 43,
            "ciphertext": {ours.curve25519: {"type": 1, "body": "AwogAAAAAAAA"}},
        },
    }
    bob = ClientDevice("@bob:x")
    server.register(bob)
    await record_our_room(rig, "!other", people=("@bob:x",))
    await rig.matrix.devices.refresh_stale([bob.mxid])
    rows = "SELECT (SELECT COUNT(*) FROM crypto_olm_session) + (SELECT COUNT(*) FROM matrix_inbound)"
    before = await rig.database.fetchval(rows)
    key = bob.room_key_message(ours, "!other")
    server.queue_sync({"to_device": {"events": [bad] * FLOOD + [key]}, **timeline(ada.room_message(ROOM, "words"))})
    server.queue_sync(timeline(bob.room_message("!other", "others"), room_id="!other"))
    for _ in range(2):
        await rig.matrix.sync.run_once()
    assert bodies(rig.events) == ["words", "others"]
    assert await rig.database.fetchval(rows) == before + 2
