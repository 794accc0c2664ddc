"""Fetching a calendar from outside: only of the public network, without redirects, bounded, and silent about where."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from bridge.shift_calendar.source import fetch, is_public
from policies.shifts.content_lines import CalendarError, CalendarProblem
from tests.every_row import every_row
from tests.fakes.authority import certificate_authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAME = "plan.agency.org"
MOST = 1000
SOON = aiohttp.ClientTimeout(total=60)


class Resolver(AbstractResolver):
    """Says that every name is at these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


class Server:
    """An https server of this machine under the name; `asked` counts its requests."""

    def __init__(self, port: int, tls: ssl.SSLContext, requests: list[web.Request]) -> None:
        self.url, self.tls, self.asked = f"https://{NAME}:{port}/private-7f3a/plan.ics", tls, requests

    async def fetch(self, *addresses: str, allow_all: bool = True, limits: aiohttp.ClientTimeout = SOON) -> bytes:
        """Fetch it; its name is at these addresses, or where it really is."""
        resolver = Resolver(*(addresses or ("127.0.0.1",)))
        allowed = (lambda _address: True) if allow_all else is_public
        return await fetch(self.url, most=MOST, allowed=allowed, resolver=resolver, tls=self.tls, limits=limits)


@asynccontextmanager
async def server(tmp_path: Path, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Server]:
    """Run one."""
    authority, file = certificate_authority(), tmp_path / "server.pem"
    file.write_bytes(authority.issue(NAME, days=3))
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(file)
    trusted = ssl.create_default_context(cadata=authority.certificate_pem.decode())
    requests: list[web.Request] = []

    async def take(request: web.Request) -> web.StreamResponse:
        requests.append(request)
        return await answer(request)

    app = web.Application()
    app.router.add_get("/{tail:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=shown)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined] # asyncio's server has them
        yield Server(port, trusted, requests)
    finally:
        await runner.cleanup()


async def problem(fetching: Awaitable[bytes]) -> CalendarProblem:
    with pytest.raises(CalendarError) as caught:
        await fetching
    error: BaseException | None = caught.value
    assert NAME not in str(error)
    assert error is not None
    assert error.__suppress_context__ or error.__context__ is None
    return caught.value.problem


async def well(_request: web.Request) -> web.Response:
    return web.Response(body=b"a calendar")


async def test_a_file_is_fetched_and_nothing_says_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes come; the request names no program and no proxy of the environment is asked."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with server(tmp_path, well) as there:
        assert await there.fetch() == b"a calendar"
        (request,) = there.asked
    assert set(request.headers) == {"Host", "Accept", "Accept-Encoding", "Connection"}
    assert request.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::1",), ("::ffff:127.0.0.1",), ("10.0.0.1", "127.0.0.1")])
async def test_a_name_that_leads_inside_is_not_connected_to(tmp_path: Path, addresses: tuple[str, ...]) -> None:
    """A server of the public network's name at an address of this machine or a private network sees no request."""
    async with server(tmp_path, well) as there:
        assert await problem(there.fetch(*addresses, allow_all=False)) is CalendarProblem.REFUSED
        assert there.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused(tmp_path: Path, status: int) -> None:
    """Also one to this machine: nothing but the first request is made."""

    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"https://127.0.0.1:{request.url.port}/inside"})

    async with server(tmp_path, elsewhere) as there:
        assert await problem(there.fetch()) is CalendarProblem.REFUSED
        assert len(there.asked) == 1


async def test_what_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    """Ten megabytes, whether their length is told or not, end when there is more than may be."""

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 10 * 1024 * 1024)

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 4096)

    for answer in (large, endless):
        async with server(tmp_path, answer) as there:
            assert await problem(there.fetch()) is CalendarProblem.LARGE


async def test_what_is_no_answer(tmp_path: Path) -> None:
    """An error, packed bytes, a certificate of another authority, and a server that says nothing are unreachable."""

    async def packed(_request: web.Request) -> web.Response:
        return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})

    async def missing(_request: web.Request) -> web.Response:
        return web.Response(status=404, body=b"BEGIN:VCALENDAR")

    for answer in (packed, missing):
        async with server(tmp_path, answer) as there:
            assert await problem(there.fetch()) is CalendarProblem.UNREACHABLE
    async with server(tmp_path, well) as there:
        there.tls = ssl.create_default_context()
        assert await problem(there.fetch()) is CalendarProblem.UNREACHABLE
        assert there.asked == []
    never = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with server(tmp_path, silent) as there:
        assert await problem(there.fetch(limits=aiohttp.ClientTimeout(total=0.5))) is CalendarProblem.UNREACHABLE
        never.set()


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public(address: str) -> None:
    """Addresses of the public network."""
    assert is_public(address)


@every_row(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "localhost",
        "",
    ],
)
def test_not_public(address: str) -> None:
    """Addresses of this machine, of private and local networks, of special uses, and those that hold another one."""
    assert not is_public(address)
