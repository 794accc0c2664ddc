"""A homeserver of a few lines that answers the doctor's questions well, until a test has it answer otherwise."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from aiohttp import web

HEALTH: dict[str, Any] = {
    "version": "1",
    "enforces": ["no-clear-text", "no-outsiders", "small-uploads", "key-backup-discarded"],
    "problems": [],
    "synapse": "1.163.2",
    "settings": [],
    "limits": [],
}
UNKNOWN = {"errcode": "M_UNRECOGNIZED"}


@dataclass(slots=True, kw_only=True)
class FakeSynapse:
    """`masters`: the identity keys of ours; `devices`: by Matrix id; `passwords` and `pushers`: of staff.

    `refusals`: by Matrix id, the error of the module's comparison of a password.

    `ahead`: seconds by which its clock is ahead of the machine's, as its answers say (`Date`).

    `frozen`: whether it takes requests and answers none, as a stopped process does; `unanswered` counts those.
    """

    token: str
    policy: str
    server: str = "Synapse/1.163.2"
    health: dict[str, Any] | None = field(default_factory=lambda: dict(HEALTH))
    masters: dict[str, str] = field(default_factory=dict)
    devices: dict[str, list[str]] = field(default_factory=dict)
    pushers: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    ahead: float = 0.0
    frozen: bool = False
    unanswered: int = 0
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_response_prepare.append(self._sign)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _sign(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = self.server
        response.headers["Date"] = formatdate(time.time() + self.ahead, usegmt=True)

    async def _answer(self, request: web.Request) -> web.Response:
        if self.frozen:
            self.unanswered += 1
            await asyncio.Event().wait()
        if request.path == "/_matrix/client/versions":
            return web.json_response({"versions": ["v1.1", "v1.11"]})
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"errcode": "M_UNKNOWN_TOKEN"}, status=401)
        user = request.query.get("user_id", "")
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["_matrix", "client", "v3", "account", "whoami"]:
                return web.json_response({"user_id": user})
            case "GET", ["_matrix", "client", "v3", "devices"]:
                return web.json_response({"devices": [{"device_id": name} for name in self.devices.get(user, ())]})
            case "POST", ["_matrix", "client", "v3", "keys", "query"]:
                return web.json_response(self._keys((await request.json())["device_keys"]))
            case method, ["_synapse", "client", "quietline", *path] if self.health is not None:
                return await self._module(method, path, request)
        return web.json_response(UNKNOWN, status=404)

    async def _module(self, method: str, path: list[str], request: web.Request) -> web.Response:
        match method, path:
            case "GET", ["health"]:
                return web.json_response(self.health)
            case "GET", ["users", user, "devices"]:
                reached = {"devices": len(self.devices.get(user, ())), "pushers": self.pushers.get(user, 0)}
                return web.json_response(reached)
            case "POST", ["users", user, "password"] if user in self.refusals:
                return web.json_response({"errcode": self.refusals[user]}, status=403)
            case "POST", ["users", user, "password"]:
                return web.json_response({"same": self.passwords.get(user) == (await request.json())["password"]})
        return web.json_response(UNKNOWN, status=404)

    def _keys(self, users: dict[str, Any]) -> dict[str, Any]:
        return {
            "device_keys": {user: {name: {} for name in self.devices.get(user, ())} for user in users},
            "master_keys": {
                user: {"user_id": user, "usage": ["master"], "keys": {f"ed25519:{key}": key}}
                for user, key in self.masters.items()
                if user in users
            },
        }
