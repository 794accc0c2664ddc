"""One request to a carrier: what could not even be begun is told apart from what may have had an effect."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

import aiohttp
import pytest

from bridge.carriers.adapter import TryLater, UnknownOutcome
from bridge.carriers.http_request import CarrierHttp, HttpResponse, Timeout, send_request
from bridge.matrix.api.http_client import HomeserverClient, Transient
from tests.fakes.authority import certificate_authority


@pytest.mark.parametrize(
    "base",
    [
        "https://a..canary",
        "https://.canary",
        f"https://{'a' * 64}.canary",
        "https://canary\\y",
        "https://canary[",
        "https://\uff11\uff12\uff17.0.0.1",
        "https:///canary",
        "canary",
    ],
)
@pytest.mark.parametrize("query", [None, {"a": "b"}])
async def test_an_address_that_is_none(base: str, query: dict[str, str] | None, caplog: pytest.LogCaptureFixture) -> None:
    """At an address that cannot be one nothing arrives, which is certain, and nothing of it is said."""
    caplog.set_level(logging.DEBUG)
    async with CarrierHttp() as http:
        assert await send_request(http, "POST", f"{base}/x", query=query, form=b"words") == TryLater()
    assert "canary" not in caplog.text


async def test_nobody_answers_in_time() -> None:
    """A carrier that takes the request and says nothing, or breaks off in the middle, may have done it: nobody knows."""
    was_asked = asyncio.Event()
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        was_asked.set()
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        async with CarrierHttp(timeout=Timeout(total=0.2)) as http:
            assert await send_request(http, "POST", url, form=b"words") == UnknownOutcome()
        async with CarrierHttp() as http:
            was_asked.clear()
            sending = asyncio.create_task(send_request(http, "POST", url, form=b"words"))
            await was_asked.wait()
            over.set()
            assert await sending == UnknownOutcome()


@pytest.mark.parametrize(("method", "connections"), [("POST", 3), ("PUT", 3), ("GET", 2), ("DELETE", 2)])
async def test_a_connection_is_kept_for_what_may_be_repeated_alone(method: str, connections: int) -> None:
    """A send has a connection of its own; a deletion shares one, and is made once more when the carrier has closed it."""
    opened = 0

    async def answer_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        for _ in range(2):
            if not await reader.readline():
                break
            while await reader.readline() != b"\r\n":
                pass
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer_twice, "127.0.0.1", 0) as server, CarrierHttp() as http:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        for _ in range(3):
            got = await send_request(http, method, url)
            assert isinstance(got, HttpResponse)
            assert got.status == 204
        await http.close()
    assert opened == connections


async def test_a_certificate_that_is_over_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Carrier and homeserver show one that has expired since: nothing is sent, which is certain, and it is tried later.

    With a new one the next request goes through, without a new start.
    """
    authority = certificate_authority()
    (tmp_path / "authority.pem").write_bytes(authority.certificate_pem)
    context = ssl.create_default_context(cafile=tmp_path / "authority.pem")
    requests = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0))
        requests += 1
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        )
        await writer.drain()
        writer.close()

    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    results: list[tuple[type, object, int]] = []
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0, ssl=shown) as server,
        CarrierHttp() as http,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, force_close=True)) as session,
    ):
        for client_session in http.sessions:
            monkeypatch.setattr(client_session.connector, "_ssl", context)
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        homeserver = HomeserverClient(session=session, url=url, token="token", user_id="@bot:x")
        for days in (30, -1, 30):
            file = tmp_path / f"{len(results)}.pem"
            file.write_bytes(authority.issue("localhost", days=days))
            shown.load_cert_chain(file)
            carrier = await send_request(http, "POST", url, form=b"words")
            try:
                matrix: object = await homeserver.request("PUT", "rooms", body={"a": 1})
            except Transient as failed:
                matrix = failed.status
            results.append((type(carrier), matrix, requests))
    assert results == [(HttpResponse, {}, 2), (TryLater, 0, 2), (HttpResponse, {}, 4)]
