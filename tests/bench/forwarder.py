"""A forwarder of bytes to the homeserver and back that records when each request was answered.

Rule of this module: it changes nothing and delays nothing on purpose. Everything that is compared goes through the same
forwarder, so that both contain its delay.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

METHODS = (b"GET ", b"PUT ", b"POST ", b"DELETE ")


class Forwarder:
    """Forwards to one port. `answered` returns when a request was answered."""

    def __init__(self, *, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._waiting: list[tuple[Callable[[str], bool], asyncio.Future[float]]] = []
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Forwarder]:
        """Listen on a port that the system chooses, during the block."""
        server = await asyncio.get_running_loop().create_server(lambda: _Near(self), self._host, 0)
        self.url = f"http://{self._host}:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    def answered(self, is_it: Callable[[str], bool]) -> asyncio.Future[float]:
        """Return when (`time.perf_counter`) the first byte of a 200 passes, for a request line that `is_it` accepts."""
        moment: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append((is_it, moment))
        return moment

    def note(self, request: str) -> None:
        """Record that a request was answered with 200 just now."""
        now = time.perf_counter()
        for waiting in [w for w in self._waiting if w[1].done() or w[0](request)]:
            self._waiting.remove(waiting)
            if not waiting[1].done():
                waiting[1].set_result(now)

    async def connect(self, near: _Near) -> asyncio.Transport:
        """Connect to the homeserver for a client's connection."""
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: _Far(near), self._host, self._port)
        return transport


class _Near(asyncio.Protocol):
    """The client's side: requests come one at a time, as aiohttp sends them."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self.transport: asyncio.Transport | None = None
        self.request = ""
        self._far: asyncio.Transport | None = None
        self._early = b""
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._connecting = asyncio.create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if not self.request and data.startswith(METHODS):
            self.request = data.partition(b"\r\n")[0].decode("latin-1")
        if self._far is None:
            self._early += data
        else:
            self._far.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._far is not None:
            self._far.close()

    async def _connect(self) -> None:
        try:
            self._far = await self.forwarder.connect(self)
        except OSError:
            if self.transport is not None:
                self.transport.close()
            return
        self._far.write(self._early)


class _Far(asyncio.Protocol):
    """The homeserver's side."""

    def __init__(self, near: _Near) -> None:
        self._near = near

    def data_received(self, data: bytes) -> None:
        if self._near.request and data.startswith(b"HTTP/"):
            if data[9:12] == b"200":
                self._near.forwarder.note(self._near.request)
            self._near.request = ""
        if self._near.transport is not None:
            self._near.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._near.transport is not None:
            self._near.transport.close()
