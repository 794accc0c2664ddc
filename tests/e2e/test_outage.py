"""Words written while a part of the line is dead, or the homeserver has bad moments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import yaml

from tests.e2e.carrier import handset
from tests.e2e.faulty import Faulty, Mood
from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import Seat
from tests.e2e.waiting import until

BAD = (Mood.SLOW, Mood.BUSY, Mood.BROKEN, Mood.MUTE)
LASTS = 2.5
"""Seconds of each mood: longer than the bridge's wait between two tries."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def talk(scene: Scene, ada: Seat) -> Talk:
    return await scene.talk(ada, handset(), "before any outage")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def faulty(scene: Scene) -> AsyncIterator[Faulty]:
    """Let the bridge, and nobody else, reach the homeserver through bad moments."""
    stack = scene.stack
    settings = yaml.safe_load((stack.data / "config.yaml").read_text(encoding="utf-8"))["homeserver"]
    async with Faulty(settings["url"]).listening() as between:
        stack.configure(homeserver={**settings, "url": between.url})
        await stack.kill("bridge")
        await stack.well()
        yield between
        between.mood = Mood.WELL
        stack.configure(homeserver=settings)
        await stack.kill("bridge")
        await stack.well()


@pytest.mark.parametrize("child", ["bridge", "homeserver"])
async def test_words_during_an_outage_arrive_once_and_in_order(talk: Talk, child: str) -> None:
    """An answer said while the part is dead reaches the phone once; texts sent meanwhile reach the room once, in order."""
    carrier, stack, seat = talk.scene.carrier, talk.scene.stack, talk.seat
    had, received = await talk.arrived(whole=True), await carrier.received(talk.handset)
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


async def test_words_survive_a_homeserver_with_bad_moments(talk: Talk, faulty: Faulty) -> None:
    """Texts that come in each mood reach the room once, in order; answers said before, in and after it reach the phone."""
    carrier, seat = talk.scene.carrier, talk.seat
    had, received = await talk.arrived(whole=True), await carrier.received(talk.handset)
    texts, answers = [], ["said before its bad moments"]
    await seat.say(talk.room, answers[0])
    faulty.met.clear()
    for mood in BAD:
        faulty.mood = mood
        for number in range(3):
            texts.append(f"text {number} while it is {mood.value}")
            await carrier.text(talk.handset, texts[-1])
            await asyncio.sleep(LASTS / 3)

        async def met(mood: Mood = mood) -> bool | None:
            return faulty.met[mood] > 0 or None

        await until(f"the bridge asked while it was {mood.value}", met)
        answers.append(f"said when it had been {mood.value}")
        await seat.say(talk.room, answers[-1])
    faulty.mood = Mood.WELL

    await talk.shows(texts[-1])
    assert await talk.arrived(whole=True) == [*had, *texts]
    for answer in answers:
        await carrier.reaches(talk.handset, answer, within=60)
        said = await seat.find(talk.room, "the answer", lambda i, a=answer: i.body == a)  # type: ignore[misc]
        await talk.receipt(said, "delivered")
    assert await carrier.received(talk.handset) == [*received, *answers]


async def test_the_line_stands_after_the_outages(scene: Scene) -> None:
    """Every part answers, and ready.json shows the processes that run."""
    await scene.stack.well()

    async def all_there() -> bool | None:
        return set(scene.stack.ready.pids.values()) <= scene.stack.processes().keys() or None

    await until("all of ready.json's processes run", all_there)
