"""Two ends of a wire for tests: a receiver of webhooks, and a server that answers whatever it is told.

Rule of this module: both speak over real sockets on a port that the system chose.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from aiohttp import web

from bridge.carriers.adapter import WebhookRequest
from tests.e2e.polling import MOST_BUSY
from tests.fakes.served import answering, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


async def until(true: Callable[[], bool], *, within: float = 30.0) -> None:
    """Wait for something that other tasks bring about; an AssertionError when it does not come."""
    end = asyncio.get_running_loop().time() + within * MOST_BUSY
    while not true():
        assert asyncio.get_running_loop().time() < end, "it did not come about in time"
        await asyncio.sleep(0.005)


class WebhookReceiver:
    """Where webhooks arrive. `answers` are the statuses of the next requests, then `otherwise`.

    `challenge`: what a request without credentials is answered with, which is not recorded. `times`: when each request was
    read, by the loop's clock, before it was answered.
    """

    def __init__(self, port: int = 0) -> None:
        """`port`: one that nobody else gets while this receiver is stopped; 0: any."""
        self.requests: list[WebhookRequest] = []
        self.times: list[float] = []
        self.answers: list[int] = []
        self.otherwise = 204
        self.challenge = ""
        self.port = port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; after a `stop`, on the same port again."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{tail:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site.port

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def come(self, count: int, *, tail: str = "") -> list[WebhookRequest]:
        """Wait for that many requests whose path ends so, and return them."""
        await until(lambda: len(self.to(tail)) >= count)
        return self.to(tail)

    def to(self, tail: str) -> list[WebhookRequest]:
        return [request for request in self.requests if request.raw_path.endswith(tail)]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.challenge and "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": self.challenge})
        self.times.append(asyncio.get_running_loop().time())
        self.requests.append(WebhookRequest(raw_path=request.raw_path, headers=request.headers.copy(), body=body))
        status = self.answers.pop(0) if self.answers else self.otherwise
        return web.Response(status=status, headers={"Location": "/elsewhere"} if 300 <= status < 400 else None)


@asynccontextmanager
async def webhook_receiver(port: int = 0) -> AsyncIterator[WebhookReceiver]:
    receiver = WebhookReceiver(port)
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()


class ScriptedServer:
    """A server that reads one request per connection and writes these bytes: any answer, half an answer, or none."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests = 0
        self.targets: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if length:
                await reader.readexactly(int(length[0].partition(b":")[2]))
            self.requests += 1
            self.targets.append(head.split(b" ")[1].decode())
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def scripted_server(answer: bytes) -> AsyncIterator[ScriptedServer]:
    endpoint = ScriptedServer(answer)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield endpoint
    finally:
        server.close()


@asynccontextmanager
async def deleting_vendor(status: int) -> AsyncIterator[str]:
    """Serve a vendor that says yes to every DELETE, and from then on answers every look with this status."""
    deleted = False

    async def say(request: web.Request) -> web.Response:
        nonlocal deleted
        if request.method == "DELETE":
            deleted = True
            return web.Response(status=204)
        return web.json_response({}, status=status if deleted else 200)

    async with served(answering(say)) as url:
        yield url


def http_response(status: int, body: bytes = b"", *, headers: str = "", promised: int | None = None) -> bytes:
    """Write an HTTP/1.1 answer; `promised` is its Content-Length when that is to be a lie."""
    length = len(body) if promised is None else promised
    return f"HTTP/1.1 {status} Words\r\nContent-Length: {length}\r\n{headers}\r\n".encode() + body
