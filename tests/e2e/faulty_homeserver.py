"""A proxy between the homeserver and the bridge, or a person's client, that simulates faults of the homeserver.

Rules of this module: it forwards unchanged, except that the homeserver's address is its own; each fault is one that
homeservers and proxies really have.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, unique
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from tests.fakes.served import answering, served

SLOW: Final = 1.5
"""Seconds that each request takes in the mode `SLOW`."""
LATE: Final = 6.0
"""Seconds that an answer takes in the mode `LATE`: more than a sync after the effects takes on a busy machine."""
FORWARDED_HEADERS: Final = ("Authorization", "Content-Type")


@unique
class FaultMode(Enum):
    """What the proxy does with a request."""

    WELL = "well"
    SLOW = "slow"
    BUSY = "busy"
    """429, with a time after which to retry."""
    BROKEN = "broken"
    """500, and the request is not forwarded."""
    LATE = "late"
    """The request is performed, and its answer arrives after its effects."""
    MUTE = "mute"
    """The request is performed, and its answer is lost."""


class FaultyHomeserver:
    """The proxy at `url` for the homeserver at `real`. `requests_by_mode`: the number of requests in each mode.

    `only`: a part of the path of the requests that the mode applies to; others are forwarded unchanged.
    """

    def __init__(self, real: str, *, only: str = "/") -> None:
        self._real, self._only = real, only
        self.mode = FaultMode.WELL
        self.requests_by_mode: Counter[FaultMode] = Counter()
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[FaultyHomeserver]:
        """Listen on a port that the system chooses, during the block."""
        async with aiohttp.ClientSession(auto_decompress=False) as self._http, served(answering(self._handle)) as self.url:
            yield self

    async def _handle(self, request: web.Request) -> web.Response:
        mode = self.mode if self._only in request.path else FaultMode.WELL
        self.requests_by_mode[mode] += 1
        if mode is FaultMode.BUSY:
            error = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too many requests", "retry_after_ms": 300}
            return web.json_response(error, status=429)
        if mode is FaultMode.BROKEN:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "Internal server error"}, status=500)
        if mode is FaultMode.SLOW:
            await asyncio.sleep(SLOW)
        headers = {name: request.headers[name] for name in FORWARDED_HEADERS if name in request.headers}
        url = URL(self._real + request.raw_path, encoded=True)
        body = await request.read()
        async with self._http.request(request.method, url, data=body or None, headers=headers) as answer:
            said = (await answer.read()).replace(self._real.encode(), self.url.encode())
        if mode is FaultMode.LATE:
            await asyncio.sleep(LATE)
        if mode is FaultMode.MUTE and request.transport is not None:
            request.transport.abort()
        return web.Response(status=answer.status, body=said, content_type="application/json")
