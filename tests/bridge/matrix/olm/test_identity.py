"""A speaker of ours: made once, whatever interrupts the making, and kept supplied with keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.matrix.api.http_client import IdentityInUse, Permanent
from bridge.matrix.olm.cross_signing import has_valid_signature
from bridge.matrix.olm.identity import Identity, master_key
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import RecordedRequest, ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, record_our_room, sync_with


def uploads(server: ScriptedHomeserver, name: str) -> list[Any]:
    return [a.body[name] for a in server.requests if a.path.endswith("/keys/upload") and name in a.body]


def steps(server: ScriptedHomeserver, user: str) -> list[RecordedRequest]:
    return [a for a in server.requests if a.query["user_id"] == user]


async def test_a_new_identity_vouches_for_its_device(rig: Rig, server: ScriptedHomeserver) -> None:
    """Registered, one device, device keys, one-time keys and a fallback key, cross-signed by keys of its own."""
    device_id = rig.matrix.policy.device_id
    assert device_id.startswith("QLPOLICY")
    requests = steps(server, POLICY)
    assert requests[0].body == {"type": "m.login.application_service", "username": "policy", "inhibit_login": True}
    assert [(a.method, a.path) for a in requests if "/devices/" in a.path] == [
        ("PUT", f"/_matrix/client/v3/devices/{device_id}")
    ]
    identity = next(a.body for a in requests if a.path.endswith("/device_signing/upload"))
    signed = next(a.body for a in requests if a.path.endswith("/signatures/upload"))[POLICY][device_id]
    master = master_key(rig.matrix.policy)
    assert identity["master_key"]["keys"] == {f"ed25519:{master}": master}
    (signing,) = identity["self_signing_key"]["keys"].values()
    assert has_valid_signature(identity["self_signing_key"], POLICY, master, master)
    assert has_valid_signature(signed, POLICY, signing, signing)
    own = signed["keys"][f"ed25519:{device_id}"]
    one_time = [key for keys in uploads(server, "one_time_keys") for key in keys.values()]
    fallback = [key for keys in uploads(server, "fallback_keys") for key in keys.values()]
    assert len([key for key in one_time if has_valid_signature(key, POLICY, device_id, own)]) == 50
    assert [key["fallback"] for key in fallback if has_valid_signature(key, POLICY, device_id, own)] == [True]


@pytest.mark.parametrize("step", range(9))
async def test_making_it_may_be_interrupted_anywhere(
    server: ScriptedHomeserver, new_rig: Callable[[str], Rig], step: int
) -> None:
    """After a failure at any request the next start ends with the same device, the same keys and one identity."""
    rig = new_rig("interrupted")
    server.fail_at = step
    with pytest.raises(Permanent):
        await rig.start(run=False)
    await rig.stop()
    await rig.start(run=False)
    requests = steps(server, POLICY)
    assert len({a.path for a in requests if a.method == "PUT" and "/devices/" in a.path}) == 1
    keys = [a.body for a in requests if a.path.endswith("/keys/upload")]
    for name in ("device_keys", "fallback_keys"):
        assert all(body[name] == keys[0][name] for body in keys if name in body)
    by_id: dict[str, Any] = {}
    for body in keys:
        for key_id, key in body.get("one_time_keys", {}).items():
            assert by_id.setdefault(key_id, key) == key
    assert len(by_id) == 50
    identities = [a.body for a in requests if a.path.endswith("/device_signing/upload")]
    assert all(identity == identities[0] for identity in identities)


async def test_a_device_is_ready_once_its_signature_is_there(
    server: ScriptedHomeserver, new_rig: Callable[[str], Rig]
) -> None:
    """Synapse answers 200 also for a signature that it did not take: it is uploaded again, or nobody could read us."""
    server.unsigned = 1
    rig = new_rig("unsigned")
    await rig.start(run=False)
    assert server.unsigned == 0
    uploaded = [a for a in steps(server, POLICY) if a.path.endswith("/signatures/upload")]
    assert len(uploaded) == 2


async def test_a_lost_database_makes_a_new_device_of_the_same_identity(
    rig: Rig, server: ScriptedHomeserver, new_rig: Callable[[str], Rig]
) -> None:
    """A person says so: the old device is signed out, the new one has another id, staff see the same master key."""
    old, master = rig.matrix.policy.device_id, master_key(rig.matrix.policy)
    server.devices = [old]
    restored = new_rig("restored")
    await restored.start(run=False, take_over=True)
    assert restored.matrix.policy.device_id != old
    assert master_key(restored.matrix.policy) == master
    assert ("DELETE", f"/_matrix/client/v3/devices/{old}") in [(a.method, a.path) for a in server.requests]


async def test_a_lost_account_replaces_no_other_bridge(rig: Rig, server: ScriptedHomeserver) -> None:
    """A copy of the line with another `keys.db`: beside a device that is not its own it ends, until a person says so."""
    before = rig.matrix.policy.device_id
    for owner in await rig.vault.passing_owners():
        await rig.vault.destroy(owner)
    await rig.stop()
    server.knows_devices = True
    server.device_table[POLICY] = {"QLOTHER": None}
    server.requests.clear()
    for _ in range(2):
        with pytest.raises(IdentityInUse):
            await rig.start(run=False)
        await rig.stop()
    assert [a for a in server.requests if a.method in CHANGES or a.path.endswith("/upload")] == []
    await rig.start(run=False, take_over=True)
    assert set(server.device_table[POLICY]) == {rig.matrix.policy.device_id} != {before}


def identity_of(rig: Rig, mxid: str) -> Identity:
    return rig.matrix.policy if mxid == POLICY else rig.matrix.puppet


CHANGES = ("PUT", "DELETE")


async def test_keys_are_replaced_before_they_run_out(rig: Rig, server: ScriptedHomeserver) -> None:
    """With few one-time keys left there are new ones, and a used fallback key is replaced; otherwise nothing is sent."""
    await rig.matrix.key_uploads[POLICY].run_once()
    server.requests.clear()
    enough = {"device_one_time_keys_count": {"signed_curve25519": 40}}
    unused = {"device_unused_fallback_key_types": ["signed_curve25519"]}
    await sync_with(rig, server, {**enough, **unused})
    await rig.matrix.key_uploads[POLICY].run_once()
    assert not uploads(server, "one_time_keys")
    await sync_with(
        rig, server, {"device_one_time_keys_count": {"signed_curve25519": 3}, "device_unused_fallback_key_types": []}
    )
    await rig.matrix.key_uploads[POLICY].run_once()
    (one_time,) = uploads(server, "one_time_keys")
    (fallback,) = uploads(server, "fallback_keys")
    assert (len(one_time), len(fallback)) == (47, 1)


async def test_a_request_to_verify_is_refused_politely(rig: Rig, server: ScriptedHomeserver) -> None:
    """It is answered with a cancel that says what we are, in the clear as it came or encrypted."""
    ada = ClientDevice("@ada:x")
    content = {"from_device": ada.device_id, "transaction_id": "t1", "methods": []}
    plain = {"sender": ada.mxid, "type": "m.key.verification.request", "content": content}
    sealed = ada.to_device(server.ours[POLICY], "m.key.verification.request", {**content, "transaction_id": "t2"})
    await sync_with(rig, server, {"to_device": {"events": [plain, sealed]}})
    await rig.matrix.key_uploads[POLICY].run_once()
    answers = server.sent_to(ada)
    assert [a["type"] for a in answers] == ["m.key.verification.cancel"] * 2
    assert [a["content"]["transaction_id"] for a in answers] == ["t1", "t2"]
    assert "program" in answers[0]["content"]["reason"]


async def test_a_broken_olm_session_is_renewed_once(rig: Rig, server: ScriptedHomeserver) -> None:
    """A known device whose message does not decrypt gets one new session, not one per message; a stranger gets none."""
    await record_our_room(rig)
    ada, eve = ClientDevice("@ada:x"), ClientDevice("@eve:x")
    server.register(ada, eve)
    await rig.matrix.devices.refresh_stale([ada.mxid])
    letters = []
    for person in (ada, ada, eve):
        letter = person.room_key_message(server.ours[POLICY], ROOM)
        letter["content"]["ciphertext"][server.ours[POLICY].curve25519] = {"type": 1, "body": "AwAA"}
        letters.append(letter)
    for _ in range(2):
        await sync_with(rig, server, {"to_device": {"events": letters}})
        await rig.matrix.key_uploads[POLICY].run_once()
    (event,) = server.sent_to(ada)
    assert ada.decrypt_to_device(event)["type"] == "m.dummy"
    assert server.sent_to(eve) == []
