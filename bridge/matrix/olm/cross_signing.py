"""Reads answers to `/keys/query`, and verifies a device: master key -> self-signing key -> device.

Rules of this module: each step is a signature that we check ourselves; nothing that the homeserver claims counts here
without one. Pure: no store, no network.

Sources: https://spec.matrix.org/latest/client-server-api/#cross-signing,
https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysquery
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bridge.matrix.api.json_fields import BAD_DATA, Json, MalformedJson, canonical_json, object_at, string_field, strings_in
from bridge.matrix.olm.vodozemac_olm import OlmVerifyError, PkSigning, ed25519_verify
from bridge.storage.vault import Vault

OLM: Final = "m.olm.v1.curve25519-aes-sha2"
MEGOLM: Final = "m.megolm.v1.aes-sha2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device of a person: its ids and its two public identity keys."""

    user_id: str
    device_id: str
    curve25519: str
    ed25519: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossSigningSeeds:
    """The private halves of our own cross-signing keys, 32 bytes each."""

    master: bytes
    self_signing: bytes
    user_signing: bytes

    def __repr__(self) -> str:
        return "Seeds(…)"


def derive_seeds(vault: Vault, user_id: str) -> CrossSigningSeeds:
    """Return the seeds of an identity of this installation."""
    master, self_signing, user_signing = (
        vault.derive(f"matrix {user_id} {usage}") for usage in ("master", "self_signing", "user_signing")
    )
    return CrossSigningSeeds(master=master, self_signing=self_signing, user_signing=user_signing)


def derive_master_key(vault: Vault, user_id: str) -> str:
    """Return the public master key that an identity of this installation has, without opening the identity."""
    keys = object_at(device_signing_body(user_id, derive_seeds(vault, user_id)), "master_key", "keys")
    return str(next(iter(keys.values())))


def with_signature(value: Json, user_id: str, key_id: str, sign: Callable[[str], str]) -> dict[str, Any]:
    """Return `value` with one more signature, `ed25519:key_id` of `user_id`."""
    signatures = {user: dict(keys) for user, keys in value.get("signatures", {}).items()}
    signatures.setdefault(user_id, {})[f"ed25519:{key_id}"] = sign(canonical_json(value))
    return {**value, "signatures": signatures}


def has_valid_signature(value: Json, user_id: str, key_id: str, key: str) -> bool:
    """Whether `value` carries a good signature of `ed25519:key_id` of `user_id`, made with `key`."""
    try:
        ed25519_verify(
            key,
            canonical_json(value),
            string_field(object_at(value, "signatures", user_id), f"ed25519:{key_id}", longest=128),
        )
    except (MalformedJson, OlmVerifyError):
        return False
    return True


def device_signing_body(user_id: str, seeds: CrossSigningSeeds) -> dict[str, Any]:
    """Make the body of `POST /keys/device_signing/upload`: three public keys, two of them signed by the first."""
    master = PkSigning(seeds.master)

    def key(usage: str, public: str) -> dict[str, Any]:
        return {"user_id": user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}

    def below(usage: str, seed: bytes) -> dict[str, Any]:
        return with_signature(key(usage, PkSigning(seed).public_key), user_id, master.public_key, master.sign)

    return {
        "master_key": key("master", master.public_key),
        "self_signing_key": below("self_signing", seeds.self_signing),
        "user_signing_key": below("user_signing", seeds.user_signing),
    }


def self_sign(device_keys: Json, user_id: str, seeds: CrossSigningSeeds) -> dict[str, Any]:
    """Return our own device keys with the self-signing key's signature beside their own."""
    signer = PkSigning(seeds.self_signing)
    return with_signature(device_keys, user_id, signer.public_key, signer.sign)


def master_key_of(answer: Json, user_id: str) -> str:
    """Return the user's master key in an answer to `/keys/query`, or an empty string."""
    return _public(object_at(answer, "master_keys", user_id), user_id, "master")


def devices_of(answer: Json, user_id: str) -> list[tuple[Device, bool]]:
    """Return the user's valid devices in an answer to `/keys/query`, and whether its master key vouches for each.

    A device that does not sign itself, or has another id in its keys than at the homeserver, is left out.
    """
    signing = _self_signing_key(answer, user_id)
    devices = []
    for device_id, keys in object_at(answer, "device_keys", user_id).items():
        try:
            device = _device(keys, user_id, device_id)
        except BAD_DATA:
            continue
        devices.append((device, bool(signing) and has_valid_signature(keys, user_id, signing, signing)))
    return devices


def _device(keys: Any, user_id: str, device_id: str) -> Device:
    if string_field(keys, "user_id", longest=255) != user_id or string_field(keys, "device_id", longest=255) != device_id:
        raise MalformedJson("device")
    if MEGOLM not in keys.get("algorithms", ()):
        raise MalformedJson("algorithms")
    publics = object_at(keys, "keys")
    device = Device(
        user_id=user_id,
        device_id=device_id,
        curve25519=string_field(publics, f"curve25519:{device_id}", longest=64),
        ed25519=string_field(publics, f"ed25519:{device_id}", longest=64),
    )
    if not has_valid_signature(keys, user_id, device_id, device.ed25519):
        raise MalformedJson("signature")
    return device


def _self_signing_key(answer: Json, user_id: str) -> str:
    master = master_key_of(answer, user_id)
    key = object_at(answer, "self_signing_keys", user_id)
    public = _public(key, user_id, "self_signing")
    return public if master and public and has_valid_signature(key, user_id, master, master) else ""


def _public(key: Json, user_id: str, usage: str) -> str:
    publics = object_at(key, "keys")
    usages = key.get("usage")
    if key.get("user_id") != user_id or not isinstance(usages, list) or usage not in usages or len(publics) != 1:
        return ""
    ((name, public),) = publics.items()
    return public if strings_in([public]) and len(public) <= 64 and name == f"ed25519:{public}" else ""


def is_answered(answer: Json, user_id: str) -> bool:
    """Whether an answer to `/keys/query` covers a user: their homeserver may not have been reached.

    Source: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysquery (`failures`)
    """
    is_failed = user_id.partition(":")[2] in object_at(answer, "failures")
    return not is_failed and user_id in object_at(answer, "device_keys")
