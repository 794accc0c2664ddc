"""Whether a carrier answers, on a line on which nothing is sent."""

from __future__ import annotations

import aiohttp
from aiohttp import web

from bridge.metrics.carrier_probe import ASK_INTERVAL, CarrierProbe


async def test_any_answer_is_one_and_none_is_none() -> None:
    """A carrier that answers 404 to a stranger is up; one that takes no connection is not; the question has no login."""
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(status=404)

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http:
        probe = CarrierProbe(url=f"http://127.0.0.1:{runner.addresses[0][1]}/v1", http=http)
        assert await probe.run_once() == ASK_INTERVAL
        assert probe.answers
        assert (asked[0].method, asked[0].query_string, "Authorization" in asked[0].headers) == ("GET", "", False)
        await runner.cleanup()
        await probe.run_once()
        assert not probe.answers
