"""What people typed before, read once more: only what was taken when it came, and without a trace."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.matrix.room_client import Permanent
from bridge.matrix.room_keys.history import MOST_PAGES, Typed
from bridge.matrix.rooms.room_state import NotOurs
from tests.bridge.matrix.person import Person
from tests.bridge.matrix.rig import POLICY, VOICE, Rig
from tests.bridge.matrix.room import ROOM, ours, texts, timeline
from tests.bridge.matrix.small_homeserver import SmallHomeserver

TABLES = ("matrix_inbound", "matrix_read", "matrix_waiting", "matrix_device", "matrix_dirty")


async def comes(rig: Rig, server: SmallHomeserver, person: Person, *events: dict[str, Any], key: bool = True) -> None:
    """Let a person's words come in by the sync, with their key; the homeserver keeps them."""
    server.tell(person)
    letters = [person.key_letter(server.ours[POLICY], ROOM)] if key else []
    server.say({"to_device": {"events": letters}, **timeline(*events)})
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    server.messages.setdefault(ROOM, {"chunk": []})["chunk"][:0] = reversed(events)


async def seen(rig: Rig) -> list[list[tuple[Any, ...]]]:
    return [[tuple(row) for row in await rig.store.fetch(f"SELECT * FROM {table}")] for table in TABLES]  # noqa: S608


async def test_it_reads_what_was_taken_and_leaves_no_trace(rig: Rig, server: SmallHomeserver) -> None:
    """Words come out as they came in, oldest first, as often as asked; no session moves, nothing is remembered."""
    await ours(rig)
    ada, bea = Person("@ada:x"), Person("@bea:x")
    for person in (ada, bea):
        await comes(rig, server, person)
    await comes(rig, server, ada, ada.says(ROOM, "one"), ada.says(ROOM, "two"), key=False)
    await comes(rig, server, bea, bea.says(ROOM, "three"), key=False)
    before = await seen(rig)
    for _ in range(2):
        typed = await rig.edge.typed(ROOM)
        assert texts(list(typed.said)) == ["one", "two", "three"]
        assert [said.sender for said in typed.said] == [ada.mxid, ada.mxid, bea.mxid]
        assert (typed.unread, typed.more) == (0, False)
    assert await seen(rig) == before
    assert texts(rig.items) == ["one", "two", "three"]


async def test_what_was_redacted_is_passed_over(rig: Rig, server: SmallHomeserver) -> None:
    """Nothing is left in it, so there is nothing to read, nor to count."""
    await ours(rig)
    ada = Person("@ada:x")
    await comes(rig, server, ada)
    await comes(rig, server, ada, ada.says(ROOM, "one"), ada.says(ROOM, "two"), key=False)
    server.messages[ROOM]["chunk"][0] |= {"content": {}}
    typed = await rig.edge.typed(ROOM)
    assert (texts(list(typed.said)), typed.unread) == (["one"], 0)


async def test_an_untrusted_device_is_counted_and_not_told(rig: Rig, server: SmallHomeserver) -> None:
    """What was not believed when it came is not said again, also when its device is signed afterwards."""
    await ours(rig)
    eve = Person("@eve:x", cross_signed=False)
    await comes(rig, server, eve)
    await comes(rig, server, eve, eve.says(ROOM, "believe me"), key=False)
    eve.cross_signed = True
    server.say({"device_lists": {"changed": [eve.mxid]}})
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    assert await rig.edge.typed(ROOM) == Typed(said=(), unread=1)


async def test_what_a_signed_out_device_said_can_be_said_again(rig: Rig, server: SmallHomeserver) -> None:
    """Whoever lost their telephone asks from a new one: what the old one said, and was believed, is told."""
    await ours(rig)
    ada = Person("@ada:x")
    await comes(rig, server, ada)
    await comes(rig, server, ada, ada.says(ROOM, "from the old one"), key=False)
    server.tell(ada.another_device())
    server.say({"device_lists": {"changed": [ada.mxid]}})
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    assert texts(list((await rig.edge.typed(ROOM)).said)) == ["from the old one"]


async def test_what_cannot_be_read_is_counted(rig: Rig, server: SmallHomeserver) -> None:
    """Without its key, broken, replayed under another id, or of another room: each costs itself and no more."""
    await ours(rig)
    ada, bea = Person("@ada:x"), Person("@bea:x")
    await comes(rig, server, ada)
    good, moved = ada.says(ROOM, "good"), ada.says(ROOM, "moved", inside="!other")
    await comes(rig, server, ada, good, moved, key=False)
    keyless = bea.says(ROOM, "no key")
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
    typed = await rig.edge.typed(ROOM)
    assert (texts(list(typed.said)), typed.unread) == (["good"], len(broken) + 1)


async def test_ours_and_reactions_are_none_of_it(rig: Rig, server: SmallHomeserver) -> None:
    """Our own words are read with our own keys; what is not encrypted is nobody's words."""
    await ours(rig)
    chunk = [
        {"type": "m.room.encrypted", "sender": who, "event_id": f"${who}", "content": {"a": 1}} for who in (POLICY, VOICE)
    ]
    chunk += [{"type": "m.reaction", "sender": "@ada:x", "event_id": "$r", "content": {"a": 1}}]
    server.messages[ROOM] = {"chunk": chunk}
    assert await rig.edge.typed(ROOM) == Typed(said=())


async def test_a_long_room_is_not_read_to_its_beginning(
    rig: Rig, server: SmallHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some pages it ends, and says that there is more; a homeserver that pages in circles is not followed."""
    await ours(rig)
    server.messages[ROOM] = {"chunk": [], "end": "t"}
    assert await rig.edge.typed(ROOM) == Typed(said=())
    asked = [asked for asked in server.asked if asked.path.endswith("/messages")]
    assert [one.query.get("from") for one in asked] == [None, "t"]
    assert len(asked) < MOST_PAGES


async def test_a_destroyed_key_reads_nothing(rig: Rig, server: SmallHomeserver) -> None:
    """Once the room's key is gone nobody can read what was typed there, neither can we; another's room is not asked for."""
    await ours(rig)
    ada = Person("@ada:x")
    await comes(rig, server, ada)
    await comes(rig, server, ada, ada.says(ROOM, "one"), key=False)
    await rig.vault.destroy(f"room:{ROOM}")
    assert await rig.edge.typed(ROOM) == Typed(said=(), unread=1)
    with pytest.raises(NotOurs):
        await rig.edge.typed("!other")
    server.refuse = ("/messages", 403)
    with pytest.raises(Permanent):
        await rig.edge.typed(ROOM)
