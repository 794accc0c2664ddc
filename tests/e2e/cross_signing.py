"""Cross-signing for a client that has none: makes an identity over HTTP and signs one device with it.

Rule of this module: it is written only from the specification (client-server API, "Cross-signing"), so that it can disagree
with the bridge and with the strict SDK; only `cryptography` and the homeserver's HTTP API are used.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


async def cross_sign(http: aiohttp.ClientSession, *, mxid: str, password: str, device_id: str) -> None:
    """Upload a new identity of this account and sign the device with it. `http` has address and access token."""
    master, self_signing, user_signing = (Ed25519PrivateKey.generate() for _ in range(3))
    keys = {
        "master_key": _key(mxid, "master", master),
        "self_signing_key": _signed(_key(mxid, "self_signing", self_signing), mxid, master),
        "user_signing_key": _signed(_key(mxid, "user_signing", user_signing), mxid, master),
    }
    await _upload_identity(http, mxid, password, keys)
    async with http.post("/_matrix/client/v3/keys/query", json={"device_keys": {mxid: [device_id]}}) as answer:
        device = (await answer.json())["device_keys"][mxid][device_id]
    device.pop("unsigned", None)
    device.pop("signatures")
    signatures = {mxid: {device_id: _signed(device, mxid, self_signing)}}
    async with http.post("/_matrix/client/v3/keys/signatures/upload", json=signatures) as answer:
        content = await answer.json()
    assert answer.status == 200, f"signature upload answered {answer.status}"
    assert not content.get("failures"), "the homeserver refused the device's signature"


async def signed_devices(http: aiohttp.ClientSession, mxid: str) -> set[str]:
    """Return the Curve25519 keys of a person's devices that their own identity has signed; signatures are checked here."""
    async with http.post("/_matrix/client/v3/keys/query", json={"device_keys": {mxid: []}}) as answer:
        content = await answer.json()
    master = content.get("master_keys", {}).get(mxid)
    self_signing = content.get("self_signing_keys", {}).get(mxid)
    if not master or not self_signing or not _verify(self_signing, mxid, _only_key(master)):
        return set()
    devices = content["device_keys"].get(mxid, {})
    signer = _only_key(self_signing)
    return {d["keys"][f"curve25519:{name}"] for name, d in devices.items() if _verify(d, mxid, signer)}


async def _upload_identity(http: aiohttp.ClientSession, mxid: str, password: str, keys: dict[str, Any]) -> None:
    path = "/_matrix/client/v3/keys/device_signing/upload"
    async with http.post(path, json=keys) as answer:
        content = await answer.json()
    if answer.status == 401:
        identifier = {"type": "m.id.user", "user": mxid}
        auth = {"type": "m.login.password", "identifier": identifier, "password": password, "session": content["session"]}
        async with http.post(path, json={**keys, "auth": auth}) as answer:
            await answer.read()
    assert answer.status == 200, f"identity upload answered {answer.status}"


def _key(mxid: str, usage: str, private: Ed25519PrivateKey) -> dict[str, Any]:
    public = _base64(private.public_key().public_bytes_raw())
    return {"user_id": mxid, "usage": [usage], "keys": {f"ed25519:{public}": public}}


def _signed(thing: dict[str, Any], mxid: str, private: Ed25519PrivateKey) -> dict[str, Any]:
    name = f"ed25519:{_base64(private.public_key().public_bytes_raw())}"
    return {**thing, "signatures": {mxid: {name: _base64(private.sign(_canonical(thing)))}}}


def _verify(thing: Mapping[str, Any], mxid: str, signer: str) -> bool:
    signature = thing.get("signatures", {}).get(mxid, {}).get(f"ed25519:{signer}")
    if signature is None:
        return False
    bare = {key: value for key, value in thing.items() if key not in {"signatures", "unsigned"}}
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(signer)).verify(_bytes(signature), _canonical(bare))
    except InvalidSignature:
        return False
    return True


def _only_key(thing: Mapping[str, Any]) -> str:
    (public,) = thing["keys"].values()
    return str(public)


def _canonical(thing: Mapping[str, Any]) -> bytes:
    return json.dumps(thing, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
