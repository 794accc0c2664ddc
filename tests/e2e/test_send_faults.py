"""What the carrier does to an answer, and what the advocate is told of it."""

from __future__ import annotations

import asyncio

import pytest_asyncio

from tests.e2e.carrier_api import handset
from tests.e2e.staff_client import StaffClient, TimelineItem
from tests.e2e.staffed_line import Conversation, StaffedLine

CARRIER_PATIENCE = 35.0
"""Seconds: the undo window, ten in which the carrier says nothing, and two busy cores."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def conversations(staffed_line: StaffedLine, bea: StaffClient) -> list[Conversation]:
    """Two threads, so that two silences of the carrier can be waited for at once."""
    return [
        await staffed_line.start_conversation(bea, handset(), f"before the carrier's faults {number}")
        for number in range(2)
    ]


async def test_a_silent_carrier_means_unknown_and_nothing_is_sent_again(conversations: list[Conversation]) -> None:
    """After a timeout the receipt says unknown, whether the phone has the text or not; it is never sent a second time."""
    lost, there = conversations
    carrier = lost.staffed_line.carrier
    await carrier.fault(send="timeout", times=1)
    first = await lost.client.say(lost.room, "nobody answers for this one")
    await lost.wait_for_receipt(first, "unknown", within=CARRIER_PATIENCE)
    await carrier.fault(send="timeout-delivered", times=1)
    second = await there.client.say(there.room, "this one is there, unconfirmed")
    await there.wait_for_receipt(second, "unknown", within=CARRIER_PATIENCE)
    await lost.wait_for_notice("unknown")
    await asyncio.sleep(3)
    assert first.body not in await carrier.texts_delivered(lost.handset)
    assert (await carrier.texts_delivered(there.handset)).count(second.body) == 1


async def test_a_server_error_means_unknown(conversations: list[Conversation]) -> None:
    """A 500 says nothing about the text: unknown, and not sent again."""
    conversation = conversations[0]
    said = await _said(conversation, "500", "the carrier breaks over this one")
    await conversation.wait_for_receipt(said, "unknown")
    assert said.body not in await conversation.staffed_line.carrier.texts_delivered_after(conversation.handset, after=2)


async def test_a_busy_carrier_is_asked_again(conversations: list[Conversation]) -> None:
    """After a 429 the text is sent once, a little later, and in its order."""
    conversation = conversations[0]
    said = await _said(conversation, "429", "the carrier is busy for this one")
    after = await conversation.client.say(conversation.room, "and this one came after it")
    await conversation.wait_for_receipt(after, "delivered")
    assert (await conversation.staffed_line.carrier.texts_delivered(conversation.handset))[-2:] == [said.body, after.body]


async def test_a_refusal_is_told_with_its_reason(conversations: list[Conversation]) -> None:
    """A text that the carrier refuses is marked not sent, and the room is told the carrier's code."""
    conversation = conversations[1]
    said = await _said(conversation, "reject:30007", "the carrier refuses this one")
    await conversation.wait_for_receipt(said, "not sent")
    await conversation.wait_for_notice("not sent", "30007")
    assert said.body not in await conversation.staffed_line.carrier.texts_delivered(conversation.handset)


async def _said(conversation: Conversation, fault: str, text: str) -> TimelineItem:
    await conversation.staffed_line.carrier.fault(send=fault, times=1)
    return await conversation.client.say(conversation.room, text)
