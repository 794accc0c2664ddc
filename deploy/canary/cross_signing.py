"""Signs the canary's own device, which matrix-nio cannot: it knows no cross-signing (facts-matrix.md, "Who may send").

Rules of this module: the identity derives from the canary's secret, so it is the same at every start, and the bridge knows
it without asking the homeserver; the private keys are written nowhere.

Source: https://spec.matrix.org/latest/client-server-api/#cross-signing
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp

from bridge.matrix.olm.cross_signing import CrossSigningSeeds, device_signing_body, self_sign
from deploy.canary.handsets import Unreachable

if TYPE_CHECKING:
    from bridge.runtime.canary_keys import CanaryKeys


async def sign_device(http: aiohttp.ClientSession, keys: CanaryKeys, *, user_id: str, device_id: str) -> None:
    """Upload the identity and sign a device with it. `http` has base URL and access token. Raises `Unreachable`."""
    seeds = CrossSigningSeeds(master=keys.master, self_signing=keys.self_signing, user_signing=keys.user_signing)
    path, body = "/_matrix/client/v3/keys/device_signing/upload", device_signing_body(user_id, seeds)
    status, content = await _post(http, path, body)
    if status == HTTPStatus.UNAUTHORIZED and isinstance(content.get("session"), str):
        identifier = {"type": "m.id.user", "user": user_id}
        auth = {
            "type": "m.login.password",
            "identifier": identifier,
            "password": keys.password,
            "session": content["session"],
        }
        status, _ = await _post(http, path, {**body, "auth": auth})
    if status != HTTPStatus.OK:
        raise Unreachable
    _, known = await _post(http, "/_matrix/client/v3/keys/query", {"device_keys": {user_id: [device_id]}})
    device = known.get("device_keys", {}).get(user_id, {}).get(device_id)
    if not isinstance(device, dict):
        raise Unreachable
    bare = {name: value for name, value in device.items() if name not in {"unsigned", "signatures"}}
    signed = {user_id: {device_id: self_sign(bare, user_id, seeds)}}
    status, content = await _post(http, "/_matrix/client/v3/keys/signatures/upload", signed)
    if status != HTTPStatus.OK or content.get("failures"):
        raise Unreachable


async def _post(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    try:
        async with http.post(path, json=body) as answer:
            content = await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Unreachable from error
    return answer.status, content if isinstance(content, dict) else {}
