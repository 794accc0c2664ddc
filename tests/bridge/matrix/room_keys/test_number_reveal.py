"""A number that was shown in an office can be read by nobody with our files, once it is taken back."""

from __future__ import annotations

from bridge.matrix.room_keys.ratchet_pruning import retire_since
from bridge.matrix.rooms.room_state import Room, note_room, rotate
from tests.bridge.matrix.person import Person
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.small_homeserver import SmallHomeserver
from tests.fakes.nerves import SetClock

OFFICE = "!office"


async def test_the_key_of_what_was_revealed_is_gone(rig: Rig, server: SmallHomeserver) -> None:
    """The session that a reveal began is destroyed with it: no device gets it any more, and the next has another."""
    ada = Person("@ada:x")
    server.tell(ada)
    clock = SetClock()
    rig.matrix.keyring._clock = clock
    await rig.vault.create(f"room:{OFFICE}")
    room = Room(room_id=OFFICE, kind="office", owner=ada.mxid, key_owner=f"room:{OFFICE}")
    await rig.store.commit(lambda conn: note_room(conn, room, members={POLICY: "join"}, levels={}))

    async def said(body: str) -> str:
        content = {"msgtype": "m.notice", "body": body}
        encrypted = await rig.matrix.keyring.encrypt(rig.matrix.policy, OFFICE, "m.room.message", content)
        return str(encrypted["session_id"])

    before = await said("a notice")
    clock.at += 1
    granted = clock.wall()
    await rig.store.commit(lambda conn: rotate(conn, OFFICE))
    shown = await said("amber heron: +12065550199")
    await rig.store.commit(lambda conn: retire_since(conn, OFFICE, granted))
    after = await said("another notice")
    assert len({before, shown, after}) == 3
    kept = {row["session_id"] for row in await rig.store.fetch("SELECT session_id FROM matrix_session")}
    assert kept == {before, after}
    await rig.matrix.delivery.deliver(OFFICE, [ada.mxid])
    given = {ada.opens(event)["content"]["session_id"] for event in server.sent_to(ada)}
    assert given == {before, after}
