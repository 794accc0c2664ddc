"""Strangers hold connections open; the carrier and `/live` are answered all the same."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web

from bridge.inbound import listener

MOST = 8
WHOLE = b"POST /texts HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
HALVES = {"nothing": b"", "headers": WHOLE[:30], "body": WHOLE[:-1], "unknown": WHOLE[:-1].replace(b"texts", b"other")}


@dataclass(slots=True)
class Port:
    """The port of a listener with few places and little patience."""

    number: int

    async def open(self, sent: bytes) -> asyncio.StreamReader:
        """Connect and send this; the connection stays open until the server closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        writer.write(sent)
        reader.writer = writer  # type: ignore[attr-defined]  # lives as long as its reader
        return reader

    async def text(self) -> int:
        """Send a whole request; returns the status."""
        return int((await (await self.open(WHOLE)).readline()).split()[1])


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    monkeypatch.setattr(listener, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(listener, "connection_limit", lambda: MOST)

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    runner = listener.make_runner([web.post("/texts", answer)], largest=100, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Port(runner.addresses[0][1])
    await runner.cleanup()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Wait until the server has closed the connection."""
    async with asyncio.timeout(20):
        try:
            await reader.read()
        except ConnectionError:
            return True
    return True


@pytest.mark.parametrize("half", HALVES)
async def test_half_a_request_ends(port: Port, half: str) -> None:
    """A connection that does not finish its request is closed; so is one whose second request is not finished."""
    assert await closed(await port.open(HALVES[half]))
    kept = await port.open(WHOLE)
    await kept.readuntil(b"\r\n\r\n")
    kept.writer.write(HALVES["headers"])  # type: ignore[attr-defined]
    assert await closed(kept)


@pytest.mark.parametrize("half", HALVES)
async def test_a_text_has_a_place(port: Port, half: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all places are taken, a whole request is answered all the same, and the newest strangers are not all closed."""
    monkeypatch.setattr(listener, "REQUEST_SECONDS", 60.0)
    held = [await port.open(HALVES[half]) for _ in range(3 * MOST)]
    assert [await port.text() for _ in range(3)] == [200] * 3
    assert await closed(held[0])


async def test_idle_connections_give_way(port: Port) -> None:
    """Connections that have sent whole requests and are kept give way too, the oldest first."""
    held = [await port.open(WHOLE) for _ in range(MOST)]
    for reader in held:
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert await port.text() == 200
    assert await closed(held[0])


async def test_one_address_has_a_part(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A public address has a quarter of the places; its next connection is closed, and the earlier ones stay."""
    monkeypatch.setattr(listener, "_is_public", lambda _address: True)
    held = [await port.open(WHOLE) for _ in range(MOST // 4)]
    for reader in held:
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert await closed(await port.open(WHOLE))
    assert not any(reader.at_eof() for reader in held)


@pytest.mark.parametrize(
    ("address", "public"),
    [("127.0.0.1", False), ("172.18.0.3", False), ("fe80::1%eth0", False), ("", False), ("8.8.8.8", True)],
)
def test_proxies_are_not_counted(address: str, public: bool) -> None:
    """Addresses of this machine and of private networks, where a proxy is, have no bound of their own."""
    assert listener._is_public(address) is public


@pytest.mark.parametrize(("files", "most"), [(256, 64), (1024, 512), (65535, 2048), (resource.RLIM_INFINITY, 2048)])
def test_connections_leave_files(files: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are fewer connections than open files, so that databases and homeserver have theirs."""
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (files, files))
    assert listener.connection_limit() == most


def test_the_limit_of_files_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as it may be; where that is forbidden, the bridge starts all the same."""
    asked = list[tuple[int, int]]()
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, 1 << 20))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limits: asked.append(limits))
    listener.raise_file_limit()
    assert asked == [(65535, 1 << 20)]

    def forbid(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "setrlimit", forbid)
    listener.raise_file_limit()
