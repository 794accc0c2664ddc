"""Whom we believe: devices of confirmed identities, for their own words in their own rooms, and nobody else."""

from __future__ import annotations

import time

from bridge.matrix.api.events import IdentityChanged, Membership, Said, Unreadable, Untrusted
from bridge.matrix.room_keys.inbound_sessions import DAY_MS
from tests.bridge.matrix.person import Person
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.room import ROOM, joins, ours, texts, timeline
from tests.bridge.matrix.small_homeserver import SmallHomeserver


async def test_a_device_that_nobody_vouches_for(rig: Rig, server: SmallHomeserver) -> None:
    """It is called untrusted after a fresh query, and what it said does not come out."""
    await ours(rig)
    eve = Person("@eve:x", cross_signed=False)
    server.tell(eve)
    key = eve.key_letter(server.ours[POLICY], ROOM)
    server.say({"to_device": {"events": [key]}, **timeline(eve.says(ROOM, "let me in"))})
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    assert rig.items == [
        Untrusted(event_id=rig.items[0].event_id, room_id=ROOM, sender=eve.mxid, at=rig.items[0].at)  # type: ignore[union-attr]
    ]


async def test_another_identity_is_not_trusted_until_it_is_confirmed(rig: Rig, server: SmallHomeserver) -> None:
    """A changed master key is told once, speaks for nobody, gets no key, and does both after `confirm`."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    assert [d.device_id for d in await rig.matrix.devices.trusted(ada.mxid)] == [ada.device_id]
    ada.new_identity()
    key = ada.key_letter(server.ours[POLICY], ROOM)
    changed = {"device_lists": {"changed": [ada.mxid]}}
    server.say({"to_device": {"events": [key]}, **changed, **timeline(ada.says(ROOM, "it is me"))})
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    server.say({**changed, **timeline(joins(ada))})
    await rig.matrix.sync.turn()
    await rig.matrix.watch.turn()
    told = [item for item in rig.items if not isinstance(item, Membership)]
    assert [type(item) for item in told] == [IdentityChanged, Untrusted]
    assert await rig.matrix.devices.trusted(ada.mxid) == []
    await rig.matrix.keyring.prepare(rig.matrix.policy, ROOM)
    assert server.sent_to(ada) == []
    await rig.store.commit(lambda conn: rig.matrix.devices.confirm(conn, ada.mxid, ada.master_key))
    await rig.matrix.watch.turn()
    assert len(server.sent_to(ada)) == 1
    server.say(timeline(ada.says(ROOM, "and now")))
    await rig.matrix.sync.turn()
    assert texts(rig.items) == ["and now"]


async def test_without_trust_on_first_use_the_first_identity_waits_too(rig: Rig, server: SmallHomeserver) -> None:
    """On a line that is not a rehearsal, somebody new is told of and trusted only when confirmed."""
    rig.matrix.devices._trust_on_first_use = False
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    assert rig.items == [IdentityChanged(user_id=ada.mxid, master_key=ada.master_key, first=True)]
    assert await rig.matrix.devices.trusted(ada.mxid) == []
    assert await rig.matrix.devices.unconfirmed() == rig.items


async def test_a_key_under_a_false_name(rig: Rig, server: SmallHomeserver) -> None:
    """A key for another session than it says is not taken; one that claims another signing key is not trusted."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])
    group = ada.group(ROOM)
    content = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": ROOM, "session_key": group.session_key}
    named = ada.letter(server.ours[POLICY], "m.room_key", {**content, "session_id": ada.group("!other").id})
    server.say({"to_device": {"events": [named]}})
    await rig.matrix.sync.turn()
    assert await rig.store.fetchval("SELECT COUNT(*) FROM matrix_inbound") == 0
    claimed = {"keys": {"ed25519": Person("@eve:x").account.identity_keys["ed25519"]}}
    letter = ada.letter(server.ours[POLICY], "m.room_key", {**content, "session_id": group.id}, **claimed)
    server.say({"to_device": {"events": [letter]}, **timeline(ada.says(ROOM, "hm"))})
    await rig.matrix.sync.turn()
    assert [type(item) for item in rig.items] == [Untrusted]


async def test_a_mark_set_during_a_query_survives_it(rig: Rig) -> None:
    """What changed while the answer was under way is asked for again."""
    devices = rig.matrix.devices
    await rig.store.commit(lambda conn: devices.mark(conn, ["@ada:x"]))
    asked = await rig.store.fetchval("SELECT mark FROM matrix_dirty")
    await rig.store.commit(lambda conn: devices.mark(conn, ["@ada:x"]))
    await rig.store.commit(lambda conn: devices.asked(conn, [("@ada:x", asked)]))
    await rig.store.commit(lambda conn: devices.clean(conn, [("@ada:x", asked)]))
    assert await rig.store.commit(lambda conn: devices.is_stale(conn, "@ada:x"))


async def test_words_of_another_room_or_another_person(rig: Rig, server: SmallHomeserver) -> None:
    """Ciphertext moved to another room, or posted by somebody else, is not said."""
    await ours(rig)
    await ours(rig, "!other")
    ada, eve = Person("@ada:x"), Person("@eve:x")
    server.tell(ada, eve)
    await rig.matrix.devices.ensure([ada.mxid, eve.mxid])
    keys = [
        ada.key_letter(server.ours[POLICY], ROOM),
        eve.letter(server.ours[POLICY], "m.room_key", {"algorithm": "m.megolm.v1.aes-sha2"}),
    ]
    stolen = {**ada.says(ROOM, "mine"), "sender": eve.mxid, "event_id": "$stolen"}
    moved = ada.says(ROOM, "for the other room", inside="!other")
    server.say({"to_device": {"events": keys}, **timeline(stolen, moved)})
    await rig.matrix.sync.turn()
    rig.matrix.sync.caught_up.set()
    await rig.store.commit(lambda conn: conn.execute("UPDATE matrix_waiting SET deadline_ms = 0"))
    await rig.matrix.watch.turn()
    assert {item.event_id for item in rig.items if isinstance(item, Unreadable)} == {"$stolen", moved["event_id"]}
    assert texts(rig.items) == []


async def test_nothing_waits_for_a_device_list_for_ever(rig: Rig, server: SmallHomeserver) -> None:
    """Words whose sender's devices nobody tells are not heard after a day, and so come to be deleted; not before."""
    await ours(rig)
    ada = Person("@ada:x")
    server.say({"to_device": {"events": [ada.key_letter(server.ours[POLICY], ROOM)]}, **timeline(ada.says(ROOM, "hello"))})
    await rig.matrix.sync.turn()
    assert await rig.store.fetchval("SELECT needs FROM matrix_waiting") == "device"
    for deadline, told in ((int(time.time() * 1000) - DAY_MS + 60_000, 0), (0, 1)):
        await rig.store.commit(lambda conn, at=deadline: conn.execute("UPDATE matrix_waiting SET deadline_ms = $1", at))  # type: ignore[misc]
        await rig.matrix.watch._give_up()
        assert len([item for item in rig.items if isinstance(item, Untrusted)]) == told
    assert texts(rig.items) == []


async def test_somebody_elses_session_cannot_be_taken_over(rig: Rig, server: SmallHomeserver) -> None:
    """A member who re-sends another's key first neither speaks for the other nor keeps the other from being read."""
    await ours(rig)
    ada, eve = Person("@ada:x"), Person("@eve:x")
    server.tell(ada, eve)
    await rig.matrix.devices.ensure([ada.mxid, eve.mxid])
    eve.groups[ROOM] = ada.group(ROOM)
    keys = [eve.key_letter(server.ours[POLICY], ROOM), ada.key_letter(server.ours[POLICY], ROOM)]
    server.say({"to_device": {"events": keys}, **timeline(ada.says(ROOM, "still me"))})
    await rig.matrix.sync.turn()
    assert [(item.sender, item.content["body"]) for item in rig.items if isinstance(item, Said)] == [(ada.mxid, "still me")]


async def test_when_a_device_was_last_heard(rig: Rig, server: SmallHomeserver) -> None:
    """A device is dated, to the day, when it is first known and when it speaks; with it goes its date."""
    await ours(rig)
    ada = Person("@ada:x")
    server.tell(ada)
    await rig.matrix.devices.ensure([ada.mxid])

    async def heard() -> int | None:
        value: int | None = await rig.store.fetchval("SELECT at_ms FROM matrix_heard WHERE user_id = $1", ada.mxid)
        return value

    today = await heard()
    assert today is not None
    assert today % 86_400_000 == 0
    await rig.store.commit(lambda conn: conn.execute("UPDATE matrix_heard SET at_ms = 0"))
    key = ada.key_letter(server.ours[POLICY], ROOM)
    server.say({"to_device": {"events": [key]}, **timeline(ada.says(ROOM, "hello"))})
    await rig.matrix.sync.turn()
    assert await heard() == today
    server.people.clear()
    await rig.store.commit(lambda conn: rig.matrix.devices.absorb(conn, [ada.mxid], {"device_keys": {}}))
    assert await heard() is None
