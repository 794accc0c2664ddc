"""Words written while a part of the line is dead, or the homeserver has bad moments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
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


@pytest.mark.parametrize("child", ["bridge", "homeserver"])
async def test_words_during_an_outage_arrive_once_and_in_order(conversation: Conversation, child: str) -> None:
    """An answer said while the part is dead reaches the phone once; texts sent meanwhile reach the room once, in order."""
    carrier, stack, client = (
        conversation.staffed_line.carrier,
        conversation.staffed_line.stack,
        conversation.client,
    )
    had, received = (
        await conversation.texts_in_room(whole=True),
        await carrier.texts_delivered(conversation.handset),
    )
    texts = [f"text {number} while the {child} is away" for number in range(6)]
    answers = [f"just before the {child} died", f"while the {child} was away"]

    await client.say(conversation.room, answers[0])
    old = stack.ready.pids[child]
    await stack.kill(child, back=False)
    saying = asyncio.create_task(client.say(conversation.room, answers[1]))
    for number, text in enumerate(texts):
        await carrier.text(conversation.handset, text)
        if number == 2:
            await stack.back(child, old)
            await stack.kill(child, back=False)  # as soon as it was started again
        await asyncio.sleep(0.1)
    await saying

    await carrier.wait_for_acknowledgements(conversation.handset, len(had) + len(texts), within=60)
    for answer in answers:
        await carrier.wait_for_delivery(conversation.handset, answer, within=60)
    await conversation.wait_for_text(texts[-1])
    assert await conversation.texts_in_room(whole=True) == [*had, *texts]
    assert await carrier.texts_delivered(conversation.handset) == [*received, *answers]
    for answer in answers:
        said = await client.find(conversation.room, "the answer", lambda i, a=answer: i.body == a)  # type: ignore[misc]
        await conversation.wait_for_receipt(said, "delivered")


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


async def test_the_line_stands_after_the_outages(staffed_line: StaffedLine) -> None:
    """Every part answers, and ready.json shows the processes that run."""
    await staffed_line.stack.wait_until_well()

    async def all_there() -> bool | None:
        return set(staffed_line.stack.ready.pids.values()) <= staffed_line.stack.processes().keys() or None

    await wait_until("all of ready.json's processes run", all_there)
