"""A number that was shown in an office can be read by nobody with our files, once it is taken back."""

from __future__ import annotations

from bridge.matrix.room_keys.outbound_table import delete_sessions_since, rotate_sessions
from bridge.matrix.rooms.room_state import Room, record_room
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.fakes.bridge_harness import ManualClock

OFFICE = "!office"


async def test_the_key_of_what_was_revealed_is_gone(rig: Rig, server: ScriptedHomeserver) -> None:
    """The session that a reveal began is destroyed with it: no device gets it any more, and the next has another."""
    ada = ClientDevice("@ada:x")
    server.register(ada)
    clock = ManualClock()
    rig.matrix.outbound_sessions._clock = clock
    await rig.vault.create(f"room:{OFFICE}")
    room = Room(room_id=OFFICE, kind="office", owner=ada.mxid, key_owner=f"room:{OFFICE}")
    await rig.database.commit(lambda transaction: record_room(transaction, room, members={POLICY: "join"}, levels={}))

    async def said(body: str) -> str:
        content = {"msgtype": "m.notice", "body": body}
        encrypted = await rig.matrix.outbound_sessions.encrypt(rig.matrix.policy, OFFICE, "m.room.message", content)
        return str(encrypted["session_id"])

    before = await said("a notice")
    clock.at += 1
    granted = clock.now()
    await rig.database.commit(lambda transaction: rotate_sessions(transaction, OFFICE))
    shown = await said("amber heron: +12065550199")
    await rig.database.commit(lambda transaction: delete_sessions_since(transaction, OFFICE, granted))
    after = await said("another notice")
    assert len({before, shown, after}) == 3
    session_ids = {row["session_id"] for row in await rig.database.fetch("SELECT session_id FROM matrix_session")}
    assert session_ids == {before, after}
    await rig.matrix.key_sharing.share(OFFICE, [ada.mxid])
    shared_ids = {ada.decrypt_to_device(event)["content"]["session_id"] for event in server.sent_to(ada)}
    assert shared_ids == {before, after}
