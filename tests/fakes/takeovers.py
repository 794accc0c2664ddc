"""Takeovers of a line with two bridges: the leader is killed, frozen, cut off from the database, or hands over.

Rules of this module: the seconds of each takeover are reported and not asserted; both bridges run again before the next
one. If answers are sent, a request to the carrier is under way whenever a leader is killed, frozen or cut off.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from bridge.config.load import load
from deploy.inspect.handover import hand_over
from tests.e2e.carrier_api import CarrierApi
from tests.e2e.kill_scenario import Story
from tests.e2e.polling import wait_until
from tests.fakes.two_bridges import TwoBridges

KILLED, FROZEN, CUT_OFF, HANDED_OVER = "killed", "frozen", "cut off", "handed over"
HOW: Final = (KILLED, FROZEN, CUT_OFF, HANDED_OVER)
NOT_TAKEN, TAKEN = "timeout", "timeout-delivered"
"""Faults of the carrier: it never answers a request, and has lost or delivered the text."""


async def wait_for_request(carrier: CarrierApi, fault: str) -> None:
    """Wait until a request is under way that the carrier will never answer: `NOT_TAKEN` or `TAKEN`."""
    await carrier.fault(send=fault)

    async def asked() -> bool | None:
        return not await carrier.send_faults_left() or None

    await wait_until("the carrier is asked to send", asked)


@dataclass(slots=True, kw_only=True)
class Takeovers:
    """The takeovers of a line. `seconds`: until the other bridge led, by kind of takeover.

    `under_way`: requests to the carrier whose answer no leader received, by the carrier's fault; the faults take turns.
    """

    line: TwoBridges
    seconds: dict[str, list[float]] = field(default_factory=lambda: {how: [] for how in HOW})
    under_way: Counter[str] = field(default_factory=Counter)

    @property
    def number(self) -> int:
        """Return the number of takeovers."""
        return sum(map(len, self.seconds.values()))

    async def next(self, *, in_mid_request: bool = False) -> None:
        """Perform the next takeover, then run both again. `in_mid_request`: during a request, except for a handover."""
        how, (leader, other) = HOW[self.number % len(HOW)], await self.line.pair()
        if in_mid_request and how != HANDED_OVER:
            fault = (NOT_TAKEN, TAKEN)[self.under_way.total() % 2]
            await wait_for_request(self.line.carrier, fault)
            self.under_way[fault] += 1
        if how == HANDED_OVER:
            began = time.monotonic()
            report = await hand_over(load(self.line.layout.config))
            assert report.ok, report.as_text()
            await self.line.wait_until_leading(other)
            seconds = time.monotonic() - began
        elif how == CUT_OFF:
            seconds = await self.line.cut_off(leader, other)
        else:
            sign = signal.SIGKILL if how == KILLED else signal.SIGSTOP
            seconds = await self.line.take_over(leader, other, sign)
        self.seconds[how].append(seconds)
        await self.line.pair()

    async def spread(self, number: int, story: Story, end: float) -> None:
        """Perform `number` of them, evenly spread over the time until `end` by the loop's clock (`Disturbance`)."""
        begin = (clock := asyncio.get_running_loop()).time()
        for turn in range(number):
            await asyncio.sleep(max(0.0, begin + (end - begin) * (turn + 1) / (number + 1) - clock.time()))
            await self.next(in_mid_request=True)
        for how, seconds in self.seconds.items():
            story.kills[how] += len(seconds)
