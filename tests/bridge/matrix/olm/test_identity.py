"""A speaker of ours: made once, whatever interrupts the making, and kept supplied with keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from bridge.matrix.api.http_client import Permanent
from bridge.matrix.olm.cross_signing import is_signed
from bridge.matrix.olm.identity import master_key
from tests.bridge.matrix.person import Person
from tests.bridge.matrix.rig import POLICY, VOICE, Rig
from tests.bridge.matrix.room import ROOM
from tests.bridge.matrix.small_homeserver import Asked, SmallHomeserver


def uploads(server: SmallHomeserver, name: str) -> list[Any]:
    return [a.body[name] for a in server.asked if a.path.endswith("/keys/upload") and name in a.body]


def steps(server: SmallHomeserver, user: str) -> list[Asked]:
    return [a for a in server.asked if a.query["user_id"] == user]


async def test_a_new_identity_vouches_for_its_device(rig: Rig, server: SmallHomeserver) -> None:
    """Registered, one device, device keys, one-time keys and a fallback key, cross-signed by keys of its own."""
    device_id = rig.matrix.policy.device_id
    assert device_id.startswith("QLPOLICY")
    asked = steps(server, POLICY)
    assert asked[0].body == {"type": "m.login.application_service", "username": "policy", "inhibit_login": True}
    assert [(a.method, a.path) for a in asked if "/devices/" in a.path] == [
        ("PUT", f"/_matrix/client/v3/devices/{device_id}")
    ]
    identity = next(a.body for a in asked if a.path.endswith("/device_signing/upload"))
    signed = next(a.body for a in asked if a.path.endswith("/signatures/upload"))[POLICY][device_id]
    master = master_key(rig.matrix.policy)
    assert identity["master_key"]["keys"] == {f"ed25519:{master}": master}
    (signing,) = identity["self_signing_key"]["keys"].values()
    assert is_signed(identity["self_signing_key"], POLICY, master, master)
    assert is_signed(signed, POLICY, signing, signing)
    own = signed["keys"][f"ed25519:{device_id}"]
    one_time = [key for keys in uploads(server, "one_time_keys") for key in keys.values()]
    fallback = [key for keys in uploads(server, "fallback_keys") for key in keys.values()]
    assert len([key for key in one_time if is_signed(key, POLICY, device_id, own)]) == 50
    assert [key["fallback"] for key in fallback if is_signed(key, POLICY, device_id, own)] == [True]


async def test_the_two_are_two(rig: Rig) -> None:
    """Each has keys of its own."""
    policy, voice = rig.matrix.policy, rig.matrix.voice
    assert master_key(policy) != master_key(voice)
    assert policy.curve25519 != voice.curve25519
    assert (policy.user_id, voice.user_id) == (POLICY, VOICE)


async def test_a_start_asks_nothing_of_the_homeserver(rig: Rig, server: SmallHomeserver) -> None:
    """Once made, an identity is loaded as it was, also while the homeserver is down."""
    before = (rig.matrix.policy.device_id, rig.matrix.policy.curve25519, rig.matrix.policy.olm.device_keys)
    await rig.stop()
    server.asked.clear()
    await rig.start(run=False)
    assert server.asked == []
    assert (rig.matrix.policy.device_id, rig.matrix.policy.curve25519, rig.matrix.policy.olm.device_keys) == before


@pytest.mark.parametrize("step", range(8))
async def test_making_it_may_be_interrupted_anywhere(
    server: SmallHomeserver, new_rig: Callable[[str], Rig], step: int
) -> None:
    """After a failure at any request the next start ends with the same device, the same keys and one identity."""
    rig = new_rig("interrupted")
    server.fail_at = step
    with pytest.raises(Permanent):
        await rig.start(run=False)
    await rig.stop()
    await rig.start(run=False)
    asked = steps(server, POLICY)
    assert len({a.path for a in asked if a.method == "PUT" and "/devices/" in a.path}) == 1
    keys = [a.body for a in asked if a.path.endswith("/keys/upload")]
    for name in ("device_keys", "fallback_keys"):
        assert all(body[name] == keys[0][name] for body in keys if name in body)
    by_id: dict[str, Any] = {}
    for body in keys:
        for key_id, key in body.get("one_time_keys", {}).items():
            assert by_id.setdefault(key_id, key) == key
    assert len(by_id) == 50
    identities = [a.body for a in asked if a.path.endswith("/device_signing/upload")]
    assert all(identity == identities[0] for identity in identities)


async def test_a_lost_database_makes_a_new_device_of_the_same_identity(
    rig: Rig, server: SmallHomeserver, new_rig: Callable[[str], Rig]
) -> None:
    """After a restore the old device is signed out, the new one has another id, and staff see the same master key."""
    old, master = rig.matrix.policy.device_id, master_key(rig.matrix.policy)
    server.devices = [old]
    restored = new_rig("restored")
    await restored.start(run=False)
    assert restored.matrix.policy.device_id != old
    assert master_key(restored.matrix.policy) == master
    assert ("DELETE", f"/_matrix/client/v3/devices/{old}") in [(a.method, a.path) for a in server.asked]


async def test_keys_are_replaced_before_they_run_out(rig: Rig, server: SmallHomeserver) -> None:
    """With few one-time keys left there are new ones, and a used fallback key is replaced; otherwise nothing is sent."""
    await rig.matrix.upkeeps[POLICY].turn()
    server.asked.clear()
    enough = {"device_one_time_keys_count": {"signed_curve25519": 40}}
    unused = {"device_unused_fallback_key_types": ["signed_curve25519"]}
    server.say({**enough, **unused})
    await rig.matrix.sync.turn()
    await rig.matrix.upkeeps[POLICY].turn()
    assert not uploads(server, "one_time_keys")
    server.say({"device_one_time_keys_count": {"signed_curve25519": 3}, "device_unused_fallback_key_types": []})
    await rig.matrix.sync.turn()
    await rig.matrix.upkeeps[POLICY].turn()
    (one_time,) = uploads(server, "one_time_keys")
    (fallback,) = uploads(server, "fallback_keys")
    assert (len(one_time), len(fallback)) == (47, 1)


async def test_a_failed_upload_is_repeated(rig: Rig, server: SmallHomeserver) -> None:
    """The next try uploads the same keys, so that no key is lost and none is made for nothing."""
    server.asked.clear()
    server.say({"device_one_time_keys_count": {"signed_curve25519": 0}})
    await rig.matrix.sync.turn()
    server.faults.append(web.json_response({"errcode": "M_FORBIDDEN"}, status=403))
    with pytest.raises(Permanent):
        await rig.matrix.upkeeps[POLICY].turn()
    await rig.matrix.upkeeps[POLICY].turn()
    first, second = uploads(server, "one_time_keys")
    assert first == second


async def test_a_request_to_verify_is_refused_politely(rig: Rig, server: SmallHomeserver) -> None:
    """It is answered with a cancel that says what we are, in the clear as it came or encrypted."""
    ada = Person("@ada:x")
    content = {"from_device": ada.device_id, "transaction_id": "t1", "methods": []}
    plain = {"sender": ada.mxid, "type": "m.key.verification.request", "content": content}
    sealed = ada.letter(server.ours[POLICY], "m.key.verification.request", {**content, "transaction_id": "t2"})
    server.say({"to_device": {"events": [plain, sealed]}})
    await rig.matrix.sync.turn()
    await rig.matrix.upkeeps[POLICY].turn()
    answers = server.sent_to(ada)
    assert [a["type"] for a in answers] == ["m.key.verification.cancel"] * 2
    assert [a["content"]["transaction_id"] for a in answers] == ["t1", "t2"]
    assert "program" in answers[0]["content"]["reason"]


async def test_a_broken_olm_session_is_renewed_once(rig: Rig, server: SmallHomeserver) -> None:
    """A known device whose message does not decrypt gets one new session, not one per message; a stranger gets none."""
    ada, eve = Person("@ada:x"), Person("@eve:x")
    server.tell(ada, eve)
    await rig.matrix.devices.ensure([ada.mxid])
    letters = []
    for person in (ada, ada, eve):
        letter = person.key_letter(server.ours[POLICY], ROOM)
        letter["content"]["ciphertext"][server.ours[POLICY].curve25519] = {"type": 1, "body": "AwAA"}
        letters.append(letter)
    for _ in range(2):
        server.say({"to_device": {"events": letters}})
        await rig.matrix.sync.turn()
        await rig.matrix.upkeeps[POLICY].turn()
    (event,) = server.sent_to(ada)
    assert ada.opens(event)["type"] == "m.dummy"
    assert server.sent_to(eve) == []
