"""An answer to `/keys/query`: the users that it covers, and the devices in it.

Source: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysquery
"""

from __future__ import annotations

from typing import NamedTuple

from bridge.matrix.api.json_fields import Json, object_at


class DeviceAnswer(NamedTuple):
    """An answer to `/keys/query`, and the devices (user id, signing key) that were known before the request.

    Another answer may be written before this one: a device that is new in it has not gone because this one lacks it.
    """

    body: Json
    known_devices: frozenset[tuple[str, str]]


def is_answered(answer: Json, user_id: str) -> bool:
    """Whether an answer to `/keys/query` covers a user: their homeserver may not have been reached.

    Source: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysquery (`failures`)
    """
    is_failed = user_id.partition(":")[2] in object_at(answer, "failures")
    return not is_failed and user_id in object_at(answer, "device_keys")


def keys_there(answer: Json, user_id: str) -> set[str]:
    """Return all keys of a user's devices in an answer, also of malformed devices: they still exist."""
    devices = object_at(answer, "device_keys", user_id)
    keys = [object_at(devices, device_id, "keys").values() for device_id in devices]
    return {key for values in keys for key in values if isinstance(key, str)}
