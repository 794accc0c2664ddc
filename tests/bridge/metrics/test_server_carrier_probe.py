"""Whether a carrier answers, on a line on which nothing is sent."""

from __future__ import annotations

import aiohttp
from aiohttp import web

from bridge.metrics.server import ASK_INTERVAL, CarrierProbe
from tests.fakes.served import answering, served


async def test_any_answer_is_one_and_none_is_none() -> None:
    """A carrier that answers 404 to a stranger is up; one that takes no connection is not; the question has no login."""
    calls: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        calls.append(request)
        return web.Response(status=404)

    async with aiohttp.ClientSession() as http:
        async with served(answering(answer)) as url:
            probe = CarrierProbe(url=f"{url}/v1", http=http)
            assert await probe.run_once() == ASK_INTERVAL
            assert probe.answers
            assert (calls[0].method, calls[0].query_string, "Authorization" in calls[0].headers) == ("GET", "", False)
        await probe.run_once()
        assert not probe.answers
