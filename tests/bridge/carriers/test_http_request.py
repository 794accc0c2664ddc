"""One request to a carrier: what could not even be begun is told apart from what may have had an effect."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import pytest

from bridge.carriers.adapter import TryLater, UnknownOutcome
from bridge.carriers.http_request import http_session, send_request


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
    async with http_session() as http:
        assert await send_request(http, "POST", f"{base}/x", query=query, form=b"words") == TryLater()
    assert "canary" not in caplog.text


async def test_nobody_answers_in_time() -> None:
    """A carrier that takes the request and says nothing, or breaks off in the middle, may have done it: nobody knows."""
    asked = asyncio.Event()
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        async with http_session(timeout=aiohttp.ClientTimeout(total=0.2)) as http:
            assert await send_request(http, "POST", url, form=b"words") == UnknownOutcome()
        async with http_session() as http:
            asked.clear()
            sending = asyncio.create_task(send_request(http, "POST", url, form=b"words"))
            await asked.wait()
            over.set()
            assert await sending == UnknownOutcome()
