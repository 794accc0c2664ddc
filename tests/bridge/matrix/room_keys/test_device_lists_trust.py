"""Whom we believe: devices of confirmed identities, for their own words in their own rooms, and nobody else."""

from __future__ import annotations

import time

from bridge.matrix.api.events import DecryptedMessage, IdentityChanged, Membership, UndecryptableEvent, UntrustedMessage
from bridge.matrix.room_keys.inbound_sessions import DEVICE_GRACE_MS
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, know_ada, member_event, record_our_room, sync_with, timeline


async def test_a_device_that_nobody_vouches_for(rig: Rig, server: ScriptedHomeserver) -> None:
    """It is called untrusted after a fresh query, and what it said does not come out."""
    await record_our_room(rig, people=["@eve:x"])
    eve = ClientDevice("@eve:x", cross_signed=False)
    server.register(eve)
    key = eve.room_key_message(server.ours[POLICY], ROOM)
    await sync_with(rig, server, {"to_device": {"events": [key]}, **timeline(eve.room_message(ROOM, "let me in"))})
    await rig.matrix.device_updates.run_once()
    assert rig.events == [
        UntrustedMessage(event_id=rig.events[0].event_id, room_id=ROOM, sender=eve.mxid, at=rig.events[0].at)  # type: ignore[union-attr]
    ]


async def test_what_looks_like_a_command_of_such_a_device_is_handed_on(rig: Rig, server: ScriptedHomeserver) -> None:
    """Forty characters of it at most: it may be the one that stops a phone; whether it is, the decision says."""
    await record_our_room(rig, people=["@eve:x"])
    eve = ClientDevice("@eve:x", cross_signed=False)
    server.register(eve)
    key = eve.room_key_message(server.ours[POLICY], ROOM)
    said = eve.room_message(ROOM, " !unsafe " + "he is here " * 20)
    await sync_with(rig, server, {"to_device": {"events": [key]}, **timeline(said)})
    await rig.matrix.device_updates.run_once()
    (message,) = [item for item in rig.events if isinstance(item, UntrustedMessage)]
    assert message.command.startswith("!unsafe he")
    assert len(message.command) == 40
    assert "unsafe" not in repr(message)


async def test_a_tap_of_such_a_device_is_handed_on(rig: Rig, server: ScriptedHomeserver) -> None:
    """Encrypted or not: it may be the one that stops a phone. Of one that nobody can read, nothing is."""
    await record_our_room(rig, people=["@eve:x"])
    eve = ClientDevice("@eve:x", cross_signed=False)
    server.register(eve)
    key = eve.room_key_message(server.ours[POLICY], ROOM)
    malformed = eve.encrypted(ROOM, {"type": "m.reaction", "room_id": ROOM, "content": {"m.relates_to": {"key": 7}}})
    said = (eve.encrypted_tap(ROOM, "$words", "🛑"), malformed)
    await sync_with(rig, server, {"to_device": {"events": [key]}, **timeline(*said)})
    await rig.matrix.device_updates.run_once()
    assert [item.command for item in rig.events if isinstance(item, UntrustedMessage)] == ["🛑", ""]


async def test_the_uploads_of_such_a_device_are_handed_on(rig: Rig, server: ScriptedHomeserver) -> None:
    """They must be deleted with the room. Of the rest nothing comes out, and malformed addresses are none."""
    await record_our_room(rig, people=["@eve:x"])
    eve = ClientDevice("@eve:x", cross_signed=False)
    server.register(eve)
    key = eve.room_key_message(server.ours[POLICY], ROOM)
    file, info = {"url": "mxc://x/thePicture"}, {"thumbnail_file": {"url": "mxc://x/itsThumbnail"}, "thumbnail_url": ["x"]}
    content = {"msgtype": "m.image", "body": "a secret", "file": file, "info": info, "url": {"mxc": "://"}}
    said = eve.encrypted(ROOM, {"type": "m.room.message", "room_id": ROOM, "content": content})
    await sync_with(rig, server, {"to_device": {"events": [key]}, **timeline(said)})
    await rig.matrix.device_updates.run_once()
    (message,) = [item for item in rig.events if isinstance(item, UntrustedMessage)]
    assert message.uploads == ("mxc://x/thePicture", "mxc://x/itsThumbnail")
    assert "mxc" not in repr(message)


async def test_another_identity_is_not_trusted_until_it_is_confirmed(rig: Rig, server: ScriptedHomeserver) -> None:
    """A changed master key is told once, speaks for nobody, gets no key, and does both after `confirm`."""
    ada = await know_ada(rig, server)
    assert [d.device_id for d in await rig.matrix.devices.trusted_devices(ada.mxid)] == [ada.device_id]
    ada.new_identity()
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    changed = {"device_lists": {"changed": [ada.mxid]}}
    await sync_with(
        rig, server, {"to_device": {"events": [key]}, **changed, **timeline(ada.room_message(ROOM, "it is me"))}
    )
    await rig.matrix.device_updates.run_once()
    await sync_with(rig, server, {**changed, **timeline(member_event(ada))})
    await rig.matrix.device_updates.run_once()
    items = [item for item in rig.events if not isinstance(item, Membership)]
    assert [type(item) for item in items] == [IdentityChanged, UntrustedMessage]
    assert await rig.matrix.devices.trusted_devices(ada.mxid) == []
    await rig.matrix.outbound_sessions.prepare(rig.matrix.policy, ROOM)
    assert server.sent_to(ada) == []
    await rig.database.commit(lambda transaction: rig.matrix.devices.confirm(transaction, ada.mxid, ada.master_key))
    await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(ada)) == 1
    await sync_with(rig, server, timeline(ada.room_message(ROOM, "and now")))
    assert bodies(rig.events) == ["and now"]


async def test_without_trust_on_first_use_the_first_identity_waits_too(rig: Rig, server: ScriptedHomeserver) -> None:
    """On a line that is not a rehearsal, a person new is told of and trusted only when confirmed."""
    rig.matrix.devices._trust_on_first_use = False
    ada = ClientDevice("@ada:x")
    server.register(ada)
    await rig.matrix.devices.refresh_stale([ada.mxid])
    assert rig.events == [IdentityChanged(user_id=ada.mxid, master_key=ada.master_key, first=True)]
    assert await rig.matrix.devices.trusted_devices(ada.mxid) == []
    assert await rig.matrix.devices.unconfirmed_identities() == rig.events


async def test_a_person_without_an_identity_is_told_of_once(rig: Rig, server: ScriptedHomeserver) -> None:
    """A member whose clients made no identity yet can read nothing; the identity is told of when it is made."""
    rig.matrix.devices._trust_on_first_use = False
    ada = ClientDevice("@ada:x")
    server.register(ada)
    ada.has_identity = False
    for _ in range(2):
        await rig.matrix.devices.refresh_stale([ada.mxid])
    missing = IdentityChanged(user_id=ada.mxid, master_key="", first=True)
    assert rig.events == [missing]
    assert await rig.matrix.devices.unconfirmed_identities() == []
    ada.has_identity = True
    await rig.matrix.devices.refresh_stale([ada.mxid])
    assert rig.events == [missing, IdentityChanged(user_id=ada.mxid, master_key=ada.master_key, first=True)]


async def test_a_key_under_a_false_name(rig: Rig, server: ScriptedHomeserver) -> None:
    """A key for another session than it says is not taken; one that claims another signing key is not trusted."""
    ada = await know_ada(rig, server)
    group = ada.group(ROOM)
    content = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": ROOM, "session_key": group.session_key}
    named = ada.to_device(server.ours[POLICY], "m.room_key", {**content, "session_id": ada.group("!other").id})
    await sync_with(rig, server, {"to_device": {"events": [named]}})
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_inbound") == 0
    claimed = {"keys": {"ed25519": ClientDevice("@eve:x").account.signing_key}}
    letter = ada.to_device(server.ours[POLICY], "m.room_key", {**content, "session_id": group.id}, **claimed)
    await sync_with(rig, server, {"to_device": {"events": [letter]}, **timeline(ada.room_message(ROOM, "hm"))})
    assert [type(item) for item in rig.events] == [UntrustedMessage]


async def test_words_of_another_room_or_another_person(rig: Rig, server: ScriptedHomeserver) -> None:
    """Ciphertext moved to another room, or posted by another person, is not said."""
    await record_our_room(rig)
    await record_our_room(rig, "!other")
    ada, eve = ClientDevice("@ada:x"), ClientDevice("@eve:x")
    server.register(ada, eve)
    await rig.matrix.devices.refresh_stale([ada.mxid, eve.mxid])
    keys = [
        ada.room_key_message(server.ours[POLICY], ROOM),
        eve.to_device(server.ours[POLICY], "m.room_key", {"algorithm": "m.megolm.v1.aes-sha2"}),
    ]
    stolen = {**ada.room_message(ROOM, "mine"), "sender": eve.mxid, "event_id": "$stolen"}
    moved = ada.room_message(ROOM, "for the other room", payload_room="!other")
    await sync_with(rig, server, {"to_device": {"events": keys}, **timeline(stolen, moved)})
    rig.matrix.sync.caught_up.set()
    await rig.database.commit(lambda transaction: transaction.execute("UPDATE matrix_waiting SET deadline_ms = 0"))
    await rig.matrix.device_updates.run_once()
    assert {item.event_id for item in rig.events if isinstance(item, UndecryptableEvent)} == {"$stolen", moved["event_id"]}
    assert bodies(rig.events) == []


async def test_nothing_waits_for_a_device_list_for_ever(rig: Rig, server: ScriptedHomeserver) -> None:
    """Words whose sender's devices nobody tells are not heard after a day, and so come to be deleted; not before."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    server.queue_sync(
        {
            "to_device": {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]},
            **timeline(ada.room_message(ROOM, "hello")),
        }
    )
    await rig.matrix.sync.run_once()
    assert await rig.database.fetchval("SELECT needs FROM matrix_waiting") == "device"
    for deadline, expected in ((int(time.time() * 1000) - DEVICE_GRACE_MS + 60_000, 0), (0, 1)):
        await rig.database.commit(
            lambda transaction, at=deadline: transaction.execute("UPDATE matrix_waiting SET deadline_ms = $1", at)  # type: ignore[misc]
        )
        await rig.matrix.device_updates._expire_waiting()
        assert len([item for item in rig.events if isinstance(item, UntrustedMessage)]) == expected
    assert bodies(rig.events) == []


async def test_somebody_elses_session_cannot_be_taken_over(rig: Rig, server: ScriptedHomeserver) -> None:
    """A member who re-sends another's key first neither speaks for the other nor keeps the other from being read."""
    await record_our_room(rig)
    ada, eve = ClientDevice("@ada:x"), ClientDevice("@eve:x")
    server.register(ada, eve)
    await rig.matrix.devices.refresh_stale([ada.mxid, eve.mxid])
    eve.groups[ROOM] = ada.group(ROOM)
    keys = [eve.room_key_message(server.ours[POLICY], ROOM), ada.room_key_message(server.ours[POLICY], ROOM)]
    await sync_with(rig, server, {"to_device": {"events": keys}, **timeline(ada.room_message(ROOM, "still me"))})
    assert [(item.sender, item.content["body"]) for item in rig.events if isinstance(item, DecryptedMessage)] == [
        (ada.mxid, "still me")
    ]
