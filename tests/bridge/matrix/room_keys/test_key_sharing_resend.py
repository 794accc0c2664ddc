"""Keys that go once more, to a device that lost them: each once, and what it had stays noted all the while."""

from __future__ import annotations

from bridge.runtime.crash_points import CrashPoint
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.room_keys.test_outbound_sessions import TEXT, encrypt, with_ada
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, member_event, sync_with, timeline
from tests.bridge.matrix.test_crash_members import dies


async def test_a_device_that_could_not_read_is_sent_the_keys_again(rig: Rig, server: ScriptedHomeserver) -> None:
    """`m.dummy` says that a device began again: it gets every live key again, at most once an hour."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    for _ in range(2):
        await sync_with(rig, server, {"to_device": {"events": [ada.to_device(server.ours[POLICY], "m.dummy", {})]}})
        await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(ada)) == 2


async def test_whoever_asks_gets_the_keys_again(rig: Rig, server: ScriptedHomeserver) -> None:
    """Asked again (`!recap`), every live key goes once more to each trusted device of who asks, and to nobody else.

    What they had stays noted, so that a device signed out afterwards still ends the session.
    """
    ada = await with_ada(rig, server)
    before = await encrypt(rig)
    eve = ClientDevice("@eve:x")
    server.register(eve)
    await rig.room_client.share_room_keys(ROOM, ada.mxid)
    assert len(server.sent_to(ada)) == 1
    await rig.room_client.share_room_keys(ROOM, ada.mxid, again=True)
    first, second = (ada.decrypt_to_device(event)["content"] for event in server.sent_to(ada))
    assert first == second
    assert server.sent_to(eve) == []
    server.register(ada.another_device())
    await sync_with(rig, server, {"device_lists": {"changed": ["@ada:x"]}})
    await rig.matrix.device_updates.run_once()
    assert (await encrypt(rig))["session_id"] != before["session_id"]


async def heard(rig: Rig, server: ScriptedHomeserver, *people: ClientDevice) -> None:
    """Have the texter puppet hear that these devices began again, in one response."""
    letters = [each.to_device(server.ours[PUPPET], "m.dummy", {}) for each in people]
    server.queue_sync({"to_device": {"events": letters}}, puppet=True)
    await rig.matrix.puppet_sync.run_once()


async def both_speak(rig: Rig, server: ScriptedHomeserver) -> ClientDevice:
    """Have a person in the room who has the keys of both identities."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    await rig.matrix.outbound_sessions.encrypt(rig.matrix.puppet, ROOM, "m.room.message", TEXT)
    assert senders(server, ada) == [POLICY, PUPPET]
    return ada


def senders(server: ScriptedHomeserver, person: ClientDevice) -> list[str]:
    """Return who has sent keys to a person, in order."""
    return [event["sender"] for event in server.sent_to(person)]


async def test_the_texter_puppet_sends_its_keys_again(rig: Rig, server: ScriptedHomeserver) -> None:
    """Whose device began again with the texter puppet gets its keys again, once an hour, whatever the bot was asked."""
    ada = await both_speak(rig, server)
    await sync_with(rig, server, {"to_device": {"events": [ada.to_device(server.ours[POLICY], "m.dummy", {})]}})
    await rig.matrix.device_updates.run_once()
    assert senders(server, ada) == [POLICY, PUPPET, POLICY]
    for _ in range(3):
        await heard(rig, server, *[ada] * 20)
        await rig.matrix.device_updates.run_once()
    assert senders(server, ada) == [POLICY, PUPPET, POLICY, PUPPET]
    first, second = (event for event in server.sent_to(ada) if event["sender"] == PUPPET)
    again = ada.decrypt_to_device(second)["content"]
    assert again == ada.decrypt_to_device(first)["content"]
    await rig.database.commit(
        lambda transaction: transaction.execute("UPDATE matrix_sent SET again_ms = again_ms - 3600000")
    )
    await heard(rig, server, ada)
    await rig.matrix.device_updates.run_once()
    assert senders(server, ada)[4:] == [PUPPET], "after an hour it may ask again"
    assert await rig.puppet_database.fetch("SELECT 1 FROM matrix_unwedging") == []


async def test_what_the_texter_puppet_heard_outlives_a_crash(rig: Rig, server: ScriptedHomeserver) -> None:
    """Killed before the keys are owed, or before it is noted that they are: they go, and they go once."""
    ada = await both_speak(rig, server)
    await heard(rig, server, ada)
    await rig.stop()
    await rig.start(run=False)
    await dies(rig, CrashPoint.KEYS_OWED, rig.matrix.device_updates.run_once)
    assert senders(server, ada) == [POLICY, PUPPET]
    for _ in range(2):
        await rig.matrix.device_updates.run_once()
    assert senders(server, ada) == [POLICY, PUPPET, PUPPET]
    assert await rig.puppet_database.fetch("SELECT 1 FROM matrix_unwedging") == []


async def test_a_device_gets_the_keys_again_with_its_first_message(rig: Rig, server: ScriptedHomeserver) -> None:
    """When the first message of a trusted device was read it gets every live key once more; with its next ones none."""
    ada = await with_ada(rig, server)
    await encrypt(rig)
    assert len(server.sent_to(ada)) == 1
    key = {"to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]}}
    for response in ({**key, **timeline(ada.room_message(ROOM, "one"))}, timeline(ada.room_message(ROOM, "two"))):
        await sync_with(rig, server, response)
        await rig.matrix.device_updates.run_once()
        assert len(server.sent_to(ada)) == 2
    assert bodies(rig.events) == ["one", "two"]


async def test_what_a_device_had_stays_noted_until_it_has_it_again(rig: Rig, server: ScriptedHomeserver) -> None:
    """A device that asked for its keys again and loses its trust before they went still ends the sessions it can read."""
    ada = await with_ada(rig, server)
    before = await encrypt(rig)
    server.queue_sync({"to_device": {"events": [ada.to_device(server.ours[POLICY], "m.dummy", {})]}})
    await rig.matrix.sync.run_once()
    server.register(ada.another_device())
    server.queue_sync({"device_lists": {"changed": ["@ada:x"]}})
    await rig.matrix.sync.run_once()
    await rig.matrix.device_updates.run_once()
    assert (await encrypt(rig))["session_id"] != before["session_id"]


async def test_strangers_make_the_texter_puppet_do_nothing(rig: Rig, server: ScriptedHomeserver) -> None:
    """A device that nobody knows or vouches for, or that lost its trust meanwhile, is sent nothing and leaves no row."""
    ada = await both_speak(rig, server)
    eve, unsigned = ClientDevice("@eve:x"), ClientDevice("@ula:x", cross_signed=False)
    server.register(eve, unsigned)
    server.queue_sync(timeline(member_event(unsigned)))
    await rig.matrix.sync.run_once()
    await rig.matrix.device_updates.run_once()
    request_count = len(server.requests)
    await heard(rig, server, *[eve, unsigned] * 40)
    assert await rig.puppet_database.fetch("SELECT 1 FROM matrix_unwedging") == []
    await rig.matrix.device_updates.run_once()
    assert [a.path for a in server.requests[request_count:] if "/sync" not in a.path] == []
    await heard(rig, server, ada)
    server.register(ada.another_device())
    server.queue_sync({"device_lists": {"changed": ["@ada:x"]}})
    await rig.matrix.sync.run_once()
    await rig.matrix.device_updates.run_once()
    await rig.matrix.device_updates.run_once()
    assert senders(server, ada) == [POLICY, PUPPET]
