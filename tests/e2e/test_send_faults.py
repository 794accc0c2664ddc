"""What the carrier does to an answer, and what the advocate is told of it."""

from __future__ import annotations

import asyncio

import pytest_asyncio

from tests.e2e.carrier import handset
from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import Item, Seat

CARRIER_PATIENCE = 35.0
"""Seconds: the undo window, ten in which the carrier says nothing, and two busy cores."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def talks(scene: Scene, bea: Seat) -> list[Talk]:
    """Two threads, so that two silences of the carrier can be waited for at once."""
    return [await scene.talk(bea, handset(), f"before the carrier's faults {number}") for number in range(2)]


async def test_a_silent_carrier_means_unknown_and_nothing_is_sent_again(talks: list[Talk]) -> None:
    """After a timeout the receipt says unknown, whether the phone has the text or not; it is never sent a second time."""
    lost, there = talks
    carrier = lost.scene.carrier
    await carrier.fault(send="timeout", times=1)
    first = await lost.seat.say(lost.room, "nobody answers for this one")
    await lost.receipt(first, "unknown", within=CARRIER_PATIENCE)
    await carrier.fault(send="timeout-delivered", times=1)
    second = await there.seat.say(there.room, "this one is there, unconfirmed")
    await there.receipt(second, "unknown", within=CARRIER_PATIENCE)
    await lost.told("unknown")
    await asyncio.sleep(3)
    assert first.body not in await carrier.received(lost.handset)
    assert (await carrier.received(there.handset)).count(second.body) == 1


async def test_a_server_error_means_unknown(talks: list[Talk]) -> None:
    """A 500 says nothing about the text: unknown, and not sent again."""
    talk = talks[0]
    said = await _said(talk, "500", "the carrier breaks over this one")
    await talk.receipt(said, "unknown")
    assert said.body not in await talk.scene.carrier.settled(talk.handset, after=2)


async def test_a_busy_carrier_is_asked_again(talks: list[Talk]) -> None:
    """After a 429 the text is sent once, a little later, and in its order."""
    talk = talks[0]
    said = await _said(talk, "429", "the carrier is busy for this one")
    after = await talk.seat.say(talk.room, "and this one came after it")
    await talk.receipt(after, "delivered")
    assert (await talk.scene.carrier.received(talk.handset))[-2:] == [said.body, after.body]


async def test_a_refusal_is_told_with_its_reason(talks: list[Talk]) -> None:
    """A text that the carrier refuses is marked not sent, and the room is told the carrier's code."""
    talk = talks[1]
    said = await _said(talk, "reject:30007", "the carrier refuses this one")
    await talk.receipt(said, "not sent")
    await talk.told("not sent", "30007")
    assert said.body not in await talk.scene.carrier.received(talk.handset)


async def _said(talk: Talk, fault: str, text: str) -> Item:
    await talk.scene.carrier.fault(send=fault, times=1)
    return await talk.seat.say(talk.room, text)
