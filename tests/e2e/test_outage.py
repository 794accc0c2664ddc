"""Words written while a part of the line is dead, or the homeserver has bad moments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
import yaml

from tests.e2e.carrier_api import handset
from tests.e2e.faulty_homeserver import FaultMode, FaultyHomeserver
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine

SECOND_LINE = True
BAD = (FaultMode.SLOW, FaultMode.BUSY, FaultMode.BROKEN, FaultMode.MUTE)
LASTS = 2.5
"""Seconds of each mood: longer than the bridge's wait between two tries."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def conversation(staffed_line: StaffedLine, ada: StaffClient) -> Conversation:
    return await staffed_line.start_conversation(ada, handset(), "before any outage")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def faulty(staffed_line: StaffedLine) -> AsyncIterator[FaultyHomeserver]:
    """Let the bridge, and nobody else, reach the homeserver through bad moments."""
    stack = staffed_line.stack
    settings = yaml.safe_load((stack.data / "config.yaml").read_text(encoding="utf-8"))["homeserver"]
    async with FaultyHomeserver(settings["url"]).listening() as between:
        stack.configure(homeserver={**settings, "url": between.url})
        await stack.kill("bridge")
        await stack.wait_until_well()
        yield between
        between.mode = FaultMode.WELL
        stack.configure(homeserver=settings)
        await stack.kill("bridge")
        await stack.wait_until_well()


async def test_words_survive_a_homeserver_with_bad_moments(conversation: Conversation, faulty: FaultyHomeserver) -> None:
    """Texts that come in each mood reach the room once, in order; answers said before, in and after it reach the phone."""
    carrier, client = conversation.staffed_line.carrier, conversation.client
    had, received = (
        await conversation.texts_in_room(whole=True),
        await carrier.texts_delivered(conversation.handset),
    )
    texts, answers = [], ["an answer before its bad moments"]
    await client.say(conversation.room, answers[0])
    faulty.requests_by_mode.clear()
    for mode in BAD:
        faulty.mode = mode
        for number in range(3):
            texts.append(f"text {number} while it is {mode.value}")
            await carrier.text(conversation.handset, texts[-1])
            await asyncio.sleep(LASTS / 3)

        async def met(mode: FaultMode = mode) -> bool | None:
            return faulty.requests_by_mode[mode] > 0 or None

        await wait_until(f"the bridge asked while it was {mode.value}", met)
        answers.append(f"an answer when it had been {mode.value}")
        await client.say(conversation.room, answers[-1])
    faulty.mode = FaultMode.WELL

    await conversation.wait_for_text(texts[-1])
    assert await conversation.texts_in_room(whole=True) == [*had, *texts]
    for answer in answers:
        await carrier.wait_for_delivery(conversation.handset, answer, within=60)
        said = await client.find(conversation.room, "the answer", lambda i, a=answer: i.body == a)  # type: ignore[misc]
        await conversation.wait_for_receipt(said, "delivered")
    assert await carrier.texts_delivered(conversation.handset) == [*received, *answers]
