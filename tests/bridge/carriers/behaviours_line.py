# ruff: noqa: D401 - a promise is told in the indicative
"""What an adapter and the bridge's own door make of it together: each text once, each report once, none too fast.

Rule of this module: real database, real sockets; what is in the database is what counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.model.events import Outcome
from bridge.carriers.adapter import InboundText
from bridge.carriers.rate_limit import RateLimiter
from bridge.outbound.dispatcher import RetryLater
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.carrier_line import CarrierLine, carrier_line
from tests.bridge.carriers.harness import Harness
from tests.bridge.carriers.steps import HANDSET, receive_text

MANY = 30
"""Texts that are really sent; what a larger burst allows beyond them is used up before."""


@asynccontextmanager
async def opened(harness: Harness) -> AsyncIterator[CarrierLine]:
    with tempfile.TemporaryDirectory() as directory:
        async with carrier_line(Path(directory), harness.carrier, clock=harness.clock) as line:
            yield line


async def texter(line: CarrierLine, number: str) -> str:
    """Have a person text the line, so that they can be answered; returns their thread."""
    await line.webhook.accept_text(InboundText(message_id="texter", sender=Phone(HANDSET), text="hello", to=number))
    owner: str = (await line.threads())[0]["id"]
    return owner


async def duplicates(harness: Harness) -> None:
    """A text that comes three times is one text, and each time the vendor hears the answer that it wants."""
    async with opened(harness) as line:
        request = await receive_text(harness, "once")
        for _ in range(3):
            assert await line.call(request) == (200, *harness.carrier.webhook_response)
        assert await line.bodies() == ["once"]


async def any_order(harness: Harness) -> None:
    """Reports that come in the wrong order, and twice, are told once: what was delivered stays delivered."""
    async with opened(harness) as line:
        owner = await texter(line, harness.number)
        await line.texts.perform(await line.queue(owner, "words"))
        sent_report, delivered = await harness.receiver.come(2)
        for report in (delivered, sent_report, delivered, sent_report):
            status, _, _ = await line.call(report, method="POST" if report.body else "GET")
            assert status == 200
        assert [event.outcome for event in await line.outcomes()] == [Outcome.ACCEPTED, Outcome.DELIVERED]


async def paced(harness: Harness) -> None:
    """Texts leave no faster than the vendor's figure: after a burst each waits its turn, and is asked about again."""
    rate, now = harness.carrier.rate, 1000.0
    async with opened(harness) as line:
        line.texts._rate_limiter = RateLimiter(rate, clock=lambda: now)
        owner = await texter(line, harness.number)
        burst = min(int(rate.burst), MANY)
        assert burst == rate.burst or line.texts._rate_limiter.acquire(harness.number, 0, cost=rate.burst - burst) == 0.0
        for n in range(burst):
            await line.texts.perform(await line.queue(owner, f"{n}"))
        waiting = await line.queue(owner, "next")
        with pytest.raises(RetryLater):
            await line.texts.perform(waiting)
        assert len(await harness.texts_at_handset(HANDSET)) == burst
        now += 1 / rate.per_second
        await line.texts.perform(waiting)
        assert (await harness.texts_at_handset(HANDSET))[-1] == "next"
