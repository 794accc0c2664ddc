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
from bridge.carriers.rate_limit import Pace
from bridge.outbound.dispatcher import TryAgain
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.door import Door, door
from tests.bridge.carriers.stand import Stand
from tests.bridge.carriers.steps import HANDSET, one_text

MANY = 30
"""Texts that are really sent; what a larger burst allows beyond them is used up before."""


@asynccontextmanager
async def opened(stand: Stand) -> AsyncIterator[Door]:
    with tempfile.TemporaryDirectory() as directory:
        async with door(Path(directory), stand.carrier, clock=stand.clock) as made:
            yield made


async def texter(line: Door, number: str) -> str:
    """Have somebody text the line, so that they can be answered; returns their thread."""
    await line.webhook.take(InboundText(message_id="texter", sender=Phone(HANDSET), text="hello", to=number))
    owner: str = (await line.threads())[0]["id"]
    return owner


async def duplicates(stand: Stand) -> None:
    """A text that comes three times is one text, and each time the vendor hears the answer that it wants."""
    async with opened(stand) as line:
        request = await one_text(stand, "once")
        for _ in range(3):
            assert await line.call(request) == (200, *stand.carrier.answer)
        assert await line.bodies() == ["once"]


async def any_order(stand: Stand) -> None:
    """Reports that come in the wrong order, and twice, are told once: what was delivered stays delivered."""
    async with opened(stand) as line:
        owner = await texter(line, stand.number)
        await line.texts.perform(await line.queue(owner, "words"))
        sent, delivered = await stand.receiver.come(2)
        for report in (delivered, sent, delivered, sent):
            status, _, _ = await line.call(report, method="POST" if report.body else "GET")
            assert status == 200
        assert [event.outcome for event in await line.outcomes()] == [Outcome.ACCEPTED, Outcome.DELIVERED]


async def paced(stand: Stand) -> None:
    """Texts leave no faster than the vendor's figure: after a burst each waits its turn, and is asked about again."""
    rate, now = stand.carrier.rate, 1000.0
    async with opened(stand) as line:
        line.texts._pace = Pace(rate, clock=lambda: now)
        owner = await texter(line, stand.number)
        burst = min(int(rate.burst), MANY)
        assert burst == rate.burst or line.texts._pace.turn(stand.number, 0, cost=rate.burst - burst) == 0.0
        for n in range(burst):
            await line.texts.perform(await line.queue(owner, f"{n}"))
        waiting = await line.queue(owner, "next")
        with pytest.raises(TryAgain):
            await line.texts.perform(waiting)
        assert len(await stand.arrived(HANDSET)) == burst
        now += 1 / rate.per_second
        await line.texts.perform(waiting)
        assert (await stand.arrived(HANDSET))[-1] == "next"
