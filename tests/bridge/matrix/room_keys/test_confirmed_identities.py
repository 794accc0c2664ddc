"""Confirming beside the bridge: only what was last seen, and the bridge acts on it and tells the desk once."""

from __future__ import annotations

import pytest

from bridge.matrix.api.events import IdentityConfirmed
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.room_keys.confirmed_identities import NotThatFingerprint, confirm_fingerprint, seen_identities
from bridge.matrix.room_keys.outbound_table import rotate_sessions
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, member_event, record_our_room, sync_with, timeline
from tests.fakes.database_engine import beside as read_beside


@pytest.fixture
async def ada(rig: Rig, server: ScriptedHomeserver) -> ClientDevice:
    """Be a person new on a line that does not trust on first use."""
    rig.matrix.devices._trust_on_first_use = False
    await record_our_room(rig, people=())
    ada = ClientDevice("@ada:x")
    server.register(ada)
    await sync_with(rig, server, timeline(member_event(ada)))
    await rig.matrix.device_updates.run_once()
    rig.events.clear()
    return ada


async def confirm(rig: Rig, user: str, fingerprint: str) -> None:
    await rig.database.commit(lambda transaction: confirm_fingerprint(transaction, user, fingerprint))


def seen(rig: Rig) -> list[tuple[str, str, tuple[tuple[str, str], ...], bool]]:
    with read_beside(rig.directory / "main.db") as connection:
        identities = seen_identities(connection)
    return [(each.user_id, each.master_key, each.devices, each.confirmed) for each in identities]


async def signing_key(rig: Rig, device: ClientDevice) -> str:
    return str(await rig.database.fetchval("SELECT ed25519 FROM matrix_device WHERE device_id = $1", device.device_id))


@pytest.mark.parametrize("which", ["identity", "device"])
async def test_a_fingerprint_confirms_and_the_bridge_acts_on_it(
    rig: Rig, server: ScriptedHomeserver, ada: ClientDevice, which: str
) -> None:
    """The identity's own or a signed device's: the keys of the room go to that device, and the desk is told once."""
    await rig.matrix.outbound_sessions.prepare(rig.matrix.policy, ROOM)
    assert server.sent_to(ada) == []
    key = await signing_key(rig, ada)
    assert seen(rig) == [(ada.mxid, ada.master_key, ((ada.device_id, key),), False)]
    await confirm(rig, ada.mxid, ada.master_key if which == "identity" else key)
    await rig.matrix.device_updates.run_once()
    assert len(server.sent_to(ada)) == 1
    assert rig.events == [IdentityConfirmed(user_id=ada.mxid)]
    assert seen(rig) == [(ada.mxid, ada.master_key, ((ada.device_id, key),), True)]
    await rig.database.commit(lambda transaction: rig.matrix.devices.mark(transaction, [ada.mxid]))
    await rig.matrix.device_updates.run_once()
    assert rig.events == [IdentityConfirmed(user_id=ada.mxid)]


async def test_a_device_is_told_why_it_cannot_read(rig: Rig, server: ScriptedHomeserver, ada: ClientDevice) -> None:
    """In the clear and once for each session of each identity; what a confirmed one reads is not withheld from it."""
    for identity in (rig.matrix.policy, rig.matrix.puppet):
        for _ in range(2):
            await rig.matrix.outbound_sessions.prepare(identity, ROOM)
            await rig.matrix.key_sharing.share(ROOM, [ada.mxid])
    notices = server.withheld_from(ada)
    assert {each["sender"] for each in notices} == {rig.matrix.policy.user_id, rig.matrix.puppet.user_id}
    rows = await rig.database.fetch("SELECT session_id FROM matrix_session WHERE active")
    assert sorted(each["content"]["session_id"] for each in notices) == sorted(row["session_id"] for row in rows)
    for each in notices:
        content = each["content"]
        assert (content["code"], content["room_id"], content["algorithm"]) == ("m.unverified", ROOM, MEGOLM)
        assert content["sender_key"] in {rig.matrix.policy.curve25519, rig.matrix.puppet.curve25519}
        assert "not verified" in content["reason"]
    await confirm(rig, ada.mxid, ada.master_key)
    await rig.matrix.device_updates.run_once()
    await rig.database.commit(lambda transaction: rotate_sessions(transaction, ROOM))
    for identity in (rig.matrix.policy, rig.matrix.puppet):
        await rig.matrix.outbound_sessions.prepare(identity, ROOM)
    assert server.withheld_from(ada) == notices


async def test_what_is_not_the_fingerprint_changes_nothing(rig: Rig, server: ScriptedHomeserver, ada: ClientDevice) -> None:
    """Another key, another person's, an unsigned device's, or one of before a change: refused, and nothing is written."""
    before = ada.master_key
    unsigned = ClientDevice("@eve:x", cross_signed=False)
    other = ClientDevice("@bea:x")
    server.register(unsigned, other)
    await rig.matrix.devices.refresh_stale([unsigned.mxid, other.mxid])
    ada.new_identity()
    await rig.database.commit(lambda transaction: rig.matrix.devices.mark(transaction, [ada.mxid]))
    await rig.matrix.device_updates.run_once()
    wrong = [
        (ada.mxid, before),
        (ada.mxid, other.master_key),
        (ada.mxid, ""),
        (ada.mxid, ada.master_key[:-1]),
        (unsigned.mxid, await signing_key(rig, unsigned)),
        ("@nobody:x", ada.master_key),
    ]
    for user, fingerprint in wrong:
        with pytest.raises(NotThatFingerprint):
            await confirm(rig, user, fingerprint)
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_confirmed") == 0
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_dirty") == 0


async def test_a_changed_identity_is_unconfirmed_again(rig: Rig, server: ScriptedHomeserver, ada: ClientDevice) -> None:
    """After `confirm` of the first, another one of the same person is listed and not confirmed, and gets nothing."""
    await confirm(rig, ada.mxid, ada.master_key)
    await rig.matrix.device_updates.run_once()
    ada.new_identity()
    await rig.database.commit(lambda transaction: rig.matrix.devices.mark(transaction, [ada.mxid]))
    await rig.matrix.device_updates.run_once()
    assert [(user, key, confirmed) for user, key, _, confirmed in seen(rig)] == [(ada.mxid, ada.master_key, False)]
    assert await rig.matrix.devices.trusted_devices(ada.mxid) == []
