"""The common part of vendors' fakes: they listen, fail as told, and repeat webhooks until they are acknowledged.

Rule of this module: both directions use real sockets, on ports that the system chose; of our code only the names of the
faults are imported.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from tests.bridge.carriers.harness import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCall:
    """One webhook request. `first`: what is sent in its place until it is answered by a challenge."""

    url: str
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    first: WebhookCall | None = None


class WebhookTasks:
    """Webhooks that run beside the requests of a served application, and end with it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    async def _session(self, _app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as self._http:
            yield
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class FakeVendor(ABC):
    """One fake. `webhook`: the URL before `/inbound` and `/status`. `pause`: between two attempts, in seconds.

    `validities`: the validity period of each text of ours in seconds, from the request.
    """

    attempts = 5

    def __init__(self, *, webhook: str, path_secret: str = "", pause: float = 0.02) -> None:
        self.inbound_url, self.status_url = (
            "/".join(filter(None, (webhook, way, path_secret))) for way in ("inbound", "status")
        )
        self.pause = pause
        self.faults: deque[Fault | None] = deque()
        self.texts_at_handset: defaultdict[str, list[str]] = defaultdict(list)
        self.validities: list[float] = []
        self.requests = 0
        self.acknowledged_count = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def routes(self) -> list[web.RouteDef]: ...

    @abstractmethod
    def inbound(self, sender: str, text: str, media: Sequence[tuple[str, str]]) -> Callable[[], WebhookCall]:
        """Record a text from a handset and return the function that makes the webhook of each attempt."""

    def acknowledged(self, status: int, body: bytes) -> bool:
        return 200 <= status < 300

    def gives_up(self, status: int) -> bool:
        return False

    async def start(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site.port
        self._http = aiohttp.ClientSession()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._http is not None:
            await self._http.close()

    def text_from_handset(self, sender: str, text: str, media: Sequence[tuple[str, str]] = ()) -> None:
        self.call(self.inbound(sender, text, media))

    def call(self, *makers: Callable[[], WebhookCall]) -> None:
        """Send webhooks one after the other, each repeated until it is acknowledged."""
        task = asyncio.create_task(self._call(makers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, makers: Sequence[Callable[[], WebhookCall]]) -> None:
        for maker in makers:
            for _ in range(self.attempts):
                call = maker()
                with suppress(aiohttp.ClientError, TimeoutError):
                    status, challenge, said = await self._request(call.first or call)
                    if call.first is not None and status == 401 and challenge.startswith("Basic "):
                        status, _, said = await self._request(call)
                    if self.acknowledged(status, said):
                        self.acknowledged_count += 1
                        break
                    if self.gives_up(status):
                        break
                await asyncio.sleep(self.pause)

    async def _request(self, call: WebhookCall) -> tuple[int, str, bytes]:
        assert self._http is not None
        # yarl must not encode the query again.
        url = URL(call.url, encoded=True)
        async with self._http.request(
            call.method, url, headers=call.headers, data=call.body or None, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers.get("WWW-Authenticate", ""), await answer.read()

    def next_fault(self) -> Fault | None:
        self.requests += 1
        return self.faults.popleft() if self.faults else None


def break_off(request: web.Request) -> web.Response:
    """End a request without an answer: for an adapter the same as a silent vendor, but without the time-out."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)
