"""A device of ours that a person deleted at the homeserver: another of the same identity, once, and no words are lost."""

from __future__ import annotations

import time

import pytest

from bot.model.actions import Speaker
from bridge.matrix.api.http_client import HomeserverError, IdentityTakenOver, Transient, UnknownDevice
from bridge.matrix.olm.identity import Identity, master_key
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, know_ada
from tests.bridge.matrix.test_crash_members import dies

FIRST_TEXT = {"msgtype": "m.text", "body": "help"}


async def with_room(rig: Rig, server: ScriptedHomeserver) -> ClientDevice:
    """Have Ada in a room of ours, and something said there by both of us."""
    server.knows_devices = True
    ada = await know_ada(rig, server)
    for speaker in (Speaker.POLICY, Speaker.TEXTER):
        await rig.room_client.send(ROOM, speaker, f"before {speaker.value}", "m.room.message", FIRST_TEXT)
    return ada


def identity_of(rig: Rig, mxid: str) -> Identity:
    return rig.matrix.policy if mxid == POLICY else rig.matrix.puppet


async def sync_once(rig: Rig, mxid: str) -> None:
    """Sync as the loop does, and let pass what it would try again."""
    loop = rig.matrix.sync if mxid == POLICY else rig.matrix.puppet_sync
    try:
        await loop._run_once_or_renew()
    except IdentityTakenOver:
        raise
    except HomeserverError:
        pass


async def said(rig: Rig, server: ScriptedHomeserver, mxid: str, txn: str) -> tuple[str, str]:
    """Say something as that identity; return the device and the session that it was said with."""
    speaker = Speaker.POLICY if mxid == POLICY else Speaker.TEXTER
    await rig.room_client.send(ROOM, speaker, txn, "m.room.message", FIRST_TEXT)
    [request] = [each for each in server.requests if each.path.endswith(f"/{txn}")]
    return request.query["device_id"], request.body["session_id"]


@pytest.mark.parametrize("mxid", [POLICY, PUPPET])
async def test_words_wait_and_are_said_by_a_new_device(rig: Rig, server: ScriptedHomeserver, mxid: str) -> None:
    """What is to be said is to be tried again; then the same identity says it, as a new device and in a new session."""
    ada = await with_room(rig, server)
    identity = identity_of(rig, mxid)
    old_device, old_session = await said(rig, server, mxid, "old")
    old_key, master = identity.curve25519, master_key(identity)
    server.device_table[mxid].clear()
    with pytest.raises(UnknownDevice) as refused:
        await said(rig, server, mxid, "lost")
    assert isinstance(refused.value, Transient)
    before = len(server.sent_to(ada))
    await sync_once(rig, mxid)
    device, session = await said(rig, server, mxid, "new")
    assert device == identity.device_id != old_device
    assert identity.curve25519 == server.ours[mxid].curve25519 != old_key
    assert session != old_session
    assert master_key(identity) == master
    assert set(server.device_table[mxid]) == {device}
    payloads = [ada.decrypt_to_device(event) for event in server.sent_to(ada)[before:]]
    assert session in {payload["content"].get("session_id") for payload in payloads if payload["sender"] == mxid}
    assert rig.device_losses == 1


async def sent_by_the_old_device(rig: Rig, server: ScriptedHomeserver, mxid: str) -> tuple[Speaker, float]:
    """Have something said whose answer got lost; return who said it, and when it was to be said.

    To another device the homeserver does not tell the transaction id.
    """
    speaker = Speaker.POLICY if mxid == POLICY else Speaker.TEXTER
    identity_of(rig, mxid).since_ms = 0
    created = int(rig.clock.now())
    assert rig.room_client.knows_transactions_since(speaker, created)
    await rig.room_client.send(ROOM, speaker, "unanswered", "m.room.message", FIRST_TEXT)
    [request] = [each for each in server.requests if each.path.endswith("/unanswered")]
    server.messages[ROOM] = {"chunk": [{"event_id": "$old", "sender": mxid, "content": request.body, "unsigned": {}}]}
    return speaker, created


@pytest.mark.parametrize("restart", [False, True], ids=["goes on", "after a restart"])
@pytest.mark.parametrize("mxid", [POLICY, PUPPET])
async def test_what_the_old_device_said_is_found(rig: Rig, server: ScriptedHomeserver, mxid: str, restart: bool) -> None:
    """A transaction id is a device's: what is sent again is looked up first, and found; later rows are not."""
    await with_room(rig, server)
    speaker, created = await sent_by_the_old_device(rig, server, mxid)
    server.device_table[mxid].clear()
    await sync_once(rig, mxid)
    if restart:
        await rig.stop()
        await rig.start(run=False)
    assert not rig.room_client.knows_transactions_since(speaker, created)
    assert await rig.room_client.find(ROOM, speaker, "unanswered") == "$old"
    assert rig.room_client.knows_transactions_since(speaker, identity_of(rig, mxid).since_ms / 1000 + 1)


async def test_at_most_once_an_hour(rig: Rig, server: ScriptedHomeserver) -> None:
    """Whoever deletes it again at once has us wait: no flood of devices; after an hour there is another."""
    await with_room(rig, server)
    server.device_table[POLICY].clear()
    await sync_once(rig, POLICY)
    second = rig.matrix.policy.device_id
    server.device_table[POLICY].clear()
    for _ in range(2):
        await sync_once(rig, POLICY)
    assert rig.matrix.policy.device_id == second
    assert server.device_table[POLICY] == {}
    await rig.database.commit(
        lambda transaction: transaction.execute("UPDATE matrix_earlier_device SET at_ms = at_ms - 3600000")
    )
    await sync_once(rig, POLICY)
    assert set(server.device_table[POLICY]) == {rig.matrix.policy.device_id} != {second}


@pytest.mark.parametrize("used", ["just now", "not told"])
async def test_another_bridge_is_not_fought(rig: Rig, server: ScriptedHomeserver, used: str) -> None:
    """A device that we did not make is in use, or may be: this bridge ends, and deletes nothing."""
    await with_room(rig, server)
    last = int(time.time() * 1000) if used == "just now" else None
    server.device_table[POLICY] = {"QLPOLICYOTHER": last}
    for _ in range(2):
        with pytest.raises(IdentityTakenOver):
            await sync_once(rig, POLICY)
    assert set(server.device_table[POLICY]) == {"QLPOLICYOTHER"}


async def test_a_device_that_nobody_uses_is_replaced(rig: Rig, server: ScriptedHomeserver) -> None:
    """Used more than fifteen minutes ago: ours takes its place."""
    await with_room(rig, server)
    server.device_table[POLICY] = {"QLPOLICYOTHER": int(time.time() * 1000) - 960_000}
    await sync_once(rig, POLICY)
    assert set(server.device_table[POLICY]) == {rig.matrix.policy.device_id}


async def test_a_person_takes_the_identity_back(rig: Rig, server: ScriptedHomeserver) -> None:
    """The other's device goes, whenever it was used, and words are said by ours."""
    await with_room(rig, server)
    server.device_table[POLICY] = {"QLPOLICYOTHER": None}
    with pytest.raises(IdentityTakenOver):
        await sync_once(rig, POLICY)
    await rig.stop()
    await rig.start(run=False, take_over=True)
    await sync_once(rig, POLICY)
    device, _ = await said(rig, server, POLICY, "back")
    assert set(server.device_table[POLICY]) == {device}


@pytest.mark.parametrize("restart", [False, True], ids=["tried again", "after a restart"])
@pytest.mark.parametrize("step", range(9))
async def test_it_may_be_interrupted_anywhere(rig: Rig, server: ScriptedHomeserver, step: int, restart: bool) -> None:
    """A failure at any request: the next try, or start, ends with one device, one set of keys, and words are said."""
    await with_room(rig, server)
    server.device_table[POLICY].clear()
    server.requests.clear()
    server.fail_at = 1 + step
    await sync_once(rig, POLICY)
    server.fail_at = None
    if restart:
        await rig.stop()
        await rig.start(run=False)
    await sync_once(rig, POLICY)
    await sync_once(rig, POLICY)
    device, _ = await said(rig, server, POLICY, "new")
    assert set(server.device_table[POLICY]) == {device} == {rig.matrix.policy.device_id}
    uploaded = [a.body["device_keys"] for a in server.requests if "device_keys" in (a.body or {}) and "upload" in a.path]
    assert {keys["device_id"] for keys in uploaded} == {device}
    assert len({str(keys["keys"]) for keys in uploaded}) == 1


async def test_nothing_is_sent_before_the_new_device_is_known(rig: Rig, server: ScriptedHomeserver) -> None:
    """While it is being made nobody speaks: nobody could verify what the new device says."""
    await with_room(rig, server)
    server.device_table[POLICY].clear()
    server.refuse = ("/keys/device_signing/upload", 500)
    await sync_once(rig, POLICY)
    with pytest.raises(UnknownDevice):
        await said(rig, server, POLICY, "early")
    server.refuse = None
    await sync_once(rig, POLICY)
    await said(rig, server, POLICY, "in time")


@pytest.mark.parametrize("point", [CrashPoint.SESSIONS_RETIRED, CrashPoint.DEVICE_REPLACED], ids=lambda point: point.name)
@pytest.mark.parametrize("mxid", [POLICY, PUPPET])
async def test_killed_between_two_commits(rig: Rig, server: ScriptedHomeserver, mxid: str, point: CrashPoint) -> None:
    """Before and behind the one with the new device: the next start ends with one device, and words in a new session."""
    await with_room(rig, server)
    old_device, old_session = await said(rig, server, mxid, "old")
    server.device_table[mxid].clear()
    await dies(rig, point, rig.matrix.renewals[mxid].renew)
    await sync_once(rig, mxid)
    await sync_once(rig, mxid)
    device, session = await said(rig, server, mxid, "new")
    assert set(server.device_table[mxid]) == {device} == {identity_of(rig, mxid).device_id} != {old_device}
    assert session != old_session
