"""Words written while a part of the line is dead."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from tests.e2e.carrier import handset
from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import Seat
from tests.e2e.waiting import until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def talk(scene: Scene, ada: Seat) -> Talk:
    return await scene.talk(ada, handset(), "before any outage")


@pytest.mark.parametrize("child", ["bridge", "homeserver"])
async def test_words_during_an_outage_arrive_once_and_in_order(talk: Talk, child: str) -> None:
    """An answer said while the part is dead reaches the phone once; texts sent meanwhile reach the room once, in order."""
    carrier, stack, seat = talk.scene.carrier, talk.scene.stack, talk.seat
    had, received = await talk.arrived(), await carrier.received(talk.handset)
    texts = [f"text {number} while the {child} is away" for number in range(6)]
    answers = [f"just before the {child} died", f"while the {child} was away"]

    await seat.say(talk.room, answers[0])
    old = stack.ready.pids[child]
    await stack.kill(child, back=False)
    saying = asyncio.create_task(seat.say(talk.room, answers[1]))
    for number, text in enumerate(texts):
        await carrier.text(talk.handset, text)
        if number == 2:
            await stack.back(child, old)
            await stack.kill(child, back=False)  # as soon as it was started again
        await asyncio.sleep(0.1)
    await saying

    await carrier.all_taken(talk.handset, len(had) + len(texts), within=60)
    for answer in answers:
        await carrier.reaches(talk.handset, answer, within=60)
    await talk.shows(texts[-1])
    assert await talk.arrived(whole=True) == [*had, *texts]
    assert await carrier.received(talk.handset) == [*received, *answers]
    for answer in answers:
        said = await seat.find(talk.room, "the answer", lambda i, a=answer: i.body == a)  # type: ignore[misc]
        await talk.receipt(said, "delivered")


async def test_the_line_stands_after_the_outages(scene: Scene) -> None:
    """Every part answers, and ready.json shows the processes that run."""
    await scene.stack.well()

    async def all_there() -> bool | None:
        return set(scene.stack.ready.pids.values()) <= scene.stack.processes().keys() or None

    await until("all of ready.json's processes run", all_there)
