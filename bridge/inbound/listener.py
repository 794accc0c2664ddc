"""The server behind the public port: limits that keep strangers from taking every connection and every open file.

A request has `REQUEST_SECONDS` for its headers and as long again for its body; then its connection is closed. When all
places are taken, a new connection gets the place of the one that has waited longest without sending a whole request, so
that the carrier and `/live` are answered while somebody else holds connections open.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, cast

from aiohttp import web

from bridge.runtime import log

MAX_LINE_BYTES: Final = 64 * 1024
"""Longest first line of a request, in bytes. aiohttp's own limit is 8190, and a gateway that calls by GET writes each byte
of a text as three characters: about 1300 letters of a non-Latin script exceed it."""
REQUEST_SECONDS: Final = 12.0
"""Seconds for the headers of a request, and again for its body."""
KEEP_ALIVE_SECONDS: Final = 30.0
MAX_FILES: Final = 65535
MAX_CONNECTIONS: Final = 2048
OTHER_FILES: Final = 512
"""Files left for databases, homeserver and carrier, and for connections that were accepted but not yet counted."""


def raise_file_limit() -> None:
    """Allow this process as many open files as it may have. systemd's units set the limit themselves and forbid this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):
            log.event("listener.file_limit_kept", count=soft)


def connection_limit() -> int:
    """Return how many connections the limit of open files allows."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, max(soft // 4, soft - OTHER_FILES))


def make_runner(routes: Iterable[web.AbstractRouteDef], *, largest: int, shutdown_timeout: float = 1.0) -> web.AppRunner:
    """Make the server of these routes. `largest`: bytes of a body; `shutdown_timeout`: seconds for requests at a stop."""
    application = web.Application(client_max_size=largest)
    application.add_routes(routes)
    return _Runner(
        application,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=shutdown_timeout,
        max_line_size=MAX_LINE_BYTES,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
    )


class _Connection(web.RequestHandler):
    """A connection. It is `unfinished` at its server while it has not sent a whole request, and `idle` between requests."""

    __slots__ = ("_deadline", "_is_handling", "_server", "address")

    def __init__(self, server: _Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._deadline: asyncio.TimerHandle | None = None
        self._is_handling = False
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        super().connection_made(transport)
        self._expect()
        self._server.admit(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget()
        self._server.dismiss(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and not self._is_handling:
            self._expect()
        super().data_received(data)

    def has_headers(self, payload: Any) -> None:
        """Begin the time for the body. `payload`: the body's stream."""
        self._is_handling = True
        self._expect()
        payload.on_eof(self._has_body)

    def has_answered(self) -> None:
        """Note that the answer is made. The body may still be on its way: then the deadline stays."""
        self._is_handling = False
        self._rest()

    def abort(self) -> None:
        """Close the connection at once."""
        self._forget()
        if self.transport is not None:
            self.transport.abort()

    def _has_body(self) -> None:
        self._forget()
        self._rest()

    def _rest(self) -> None:
        if self._deadline is None and not self._is_handling and self.transport is not None:
            self._server.idle[self] = None

    def _expect(self) -> None:
        self._forget()
        self._server.unfinished[self] = None
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_SECONDS, self.abort)

    def _forget(self) -> None:
        self._server.unfinished.pop(self, None)
        self._server.idle.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(web.Server):
    """aiohttp's server with a bound on its connections."""

    def __init__(self, server: web.Server, **options: Any) -> None:
        super().__init__(self._handle, request_factory=self._make, **options)
        self._options, self._next = options, server
        self.unfinished: dict[_Connection, None] = {}
        self.idle: dict[_Connection, None] = {}
        self._open: Counter[str] = Counter()
        self._most = connection_limit()

    def __call__(self) -> _Connection:
        return _Connection(self, loop=asyncio.get_running_loop(), **self._options)

    def admit(self, connection: _Connection) -> None:
        """Count a new connection. When there are too many, close the one that has the least claim to its place."""
        self._open[connection.address] += 1
        if _is_public(connection.address) and self._open[connection.address] > self._most // 4:
            log.event("listener.many_from_one_address")
            connection.abort()
        elif self._open.total() > self._most:
            log.event("listener.full")
            # The new one is itself among the unfinished ones, as the last.
            next(iter(self.idle if self.idle and len(self.unfinished) == 1 else self.unfinished)).abort()

    def dismiss(self, connection: _Connection) -> None:
        """Count a connection as closed."""
        self._open[connection.address] -= 1
        if not self._open[connection.address]:
            del self._open[connection.address]

    def _make(self, message: Any, payload: Any, protocol: web.RequestHandler, *rest: Any) -> web.BaseRequest:
        cast(_Connection, protocol).has_headers(payload)
        return self._next.request_factory(message, payload, protocol, *rest)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if request.transport is None and not request.content.is_eof():
                return web.Response()
            return await self._next.request_handler(request)
        except ConnectionError:
            if request.transport is not None:
                raise
            return web.Response()  # to nobody: aiohttp would log a traceback each time that somebody hangs up
        finally:
            cast(_Connection, request.protocol).has_answered()


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), **self._kwargs)


def _is_public(address: str) -> bool:
    """Whether an address is a client's own. A proxy speaks for many, from this machine or from a private network."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False
