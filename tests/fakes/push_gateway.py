"""A push gateway that records what a homeserver sends (Matrix specification, Push Gateway API)."""

from __future__ import annotations

from typing import Any, Final

import aiohttp
from aiohttp import web

PATH: Final = "/_matrix/push/v1/notify"
IDS_ALONE: Final = "event_id_only"
"""The pusher format of apps that ask only for ids."""


class FakePushGateway:
    """The received notifications, by the device's push key."""

    def __init__(self) -> None:
        self.notified: dict[str, list[dict[str, Any]]] = {}
        self._runner: web.AppRunner | None = None
        self._url = ""

    async def start(self) -> None:
        """Listen on this machine only."""
        app = web.Application()
        app.add_routes([web.post(PATH, self._notify)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._url = f"{site.name}{PATH}"

    async def stop(self) -> None:
        """End it."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def watch(self, http: aiohttp.ClientSession, pushkey: str, *, ids_alone: bool) -> None:
        """Set a pusher for the user who is signed in with `http`, as an app does."""
        pusher: dict[str, Any] = {
            "kind": "http",
            "app_id": "org.agency.app",
            "app_display_name": "App",
            "device_display_name": "a phone",
            "lang": "en",
            "pushkey": pushkey,
            "append": True,
            "data": {"url": self._url, **({"format": IDS_ALONE} if ids_alone else {})},
        }
        async with http.post("/_matrix/client/v3/pushers/set", json=pusher) as answer:
            assert answer.status == 200, await answer.text()

    async def _notify(self, request: web.Request) -> web.Response:
        notification: dict[str, Any] = (await request.json())["notification"]
        for device in notification["devices"]:
            self.notified.setdefault(device["pushkey"], []).append(notification)
        return web.json_response({"rejected": []})
