"""Bridge, homeserver and `up` itself are killed at random under load, and then everything is counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.carrier import handset
from tests.e2e.conftest import OpenStrict
from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import Seat
from tests.e2e.stack import Stack
from tests.e2e.waiting import until

SEED = 20260101
HANDSETS, TEXTS, ANSWERS, KILLS = 6, 10, 2, 4
LOAD_SECONDS = 15.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run a line of this module's own: it is killed."""
    line = Stack(tmp_path_factory.mktemp("killed"))
    try:
        await line.start()
        yield line
    finally:
        await line.end()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def staff(own: Stack, open_strict: OpenStrict) -> AsyncIterator[list[Seat]]:
    seats = [await open_strict.seat(own.ready.homeserver, own.ready.account("advocate", n)) for n in range(2)]
    try:
        yield seats
    finally:
        for seat in seats:
            await seat.stop()


async def test_nothing_is_lost_or_doubled_when_anything_is_killed(own: Stack, staff: list[Seat]) -> None:
    """Every text is in its room exactly once and in order, every answer at most once on its phone with one receipt.

    Counted after bridge and homeserver were killed at random under load, and again after `up` was killed and started
    again; in between no process is left behind.
    """
    chance = random.Random(SEED)  # noqa: S311 - chosen once, so that a failure can be repeated
    scene = Scene(stack=own, ready=own.ready)
    for seat in staff:
        await scene.seated(seat)
    talks = [await scene.talk(staff[n % 2], handset(), f"first text of handset {n}") for n in range(HANDSETS)]

    sent = {talk.room: [f"first text of handset {n}"] for n, talk in enumerate(talks)}
    said: dict[str, list[str]] = {talk.room: [] for talk in talks}
    moments = {talk.room: chance.sample(range(TEXTS), ANSWERS) for talk in talks}

    async def converse(talk: Talk) -> None:
        for number in range(TEXTS):
            await asyncio.sleep(LOAD_SECONDS / TEXTS)
            words = f"text {number} in {talk.designation}"
            await scene.carrier.text(talk.handset, words)
            sent[talk.room].append(words)
            if number in moments[talk.room]:
                said[talk.room].append(answer := f"answer at {number} in {talk.designation}")
                await talk.seat.say(talk.room, answer)

    async def kill() -> None:
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.5, 2 * LOAD_SECONDS / KILLS - 0.5))
            await own.kill(chance.choice(["bridge", "homeserver"]))

    await asyncio.gather(kill(), *(converse(talk) for talk in talks))
    for talk in talks:
        await scene.carrier.all_taken(talk.handset, TEXTS + 1, within=90)
        await talk.shows(sent[talk.room][-1])
        assert await talk.arrived(whole=True) == sent[talk.room]
    for talk in talks:
        for answer in said[talk.room]:
            await _one_receipt(talk, answer)
        received = await scene.carrier.received(talk.handset)
        assert all(received.count(answer) <= 1 for answer in said[talk.room])
        assert set(received[1:]) <= set(said[talk.room])

    await own.kill_up()
    await until("nothing of a killed `up` runs any more", lambda: _nobody(own), within=15)
    await own.start()
    for number, talk in enumerate(talks):
        await scene.carrier.text(talk.handset, f"after the last start {number}")
        await talk.shows(f"after the last start {number}")
        assert await talk.arrived(whole=True) == [*sent[talk.room], f"after the last start {number}"]
        received = await scene.carrier.received(talk.handset)
        assert all(received.count(answer) <= 1 for answer in said[talk.room])


async def test_sigterm_ends_everything_in_time(own: Stack) -> None:
    """SIGTERM ends `up` with exit code 0, removes ready.json and leaves no process behind.

    That the bounds of all children are within the 30 s of DESIGN section 9 is shown in `tests/deploy/stack/test_up.py`.
    """
    assert await own.stop() == 0
    assert not own.ready_file.exists()
    assert own.processes() == {}


async def _nobody(own: Stack) -> bool | None:
    return not own.processes() or None


async def _one_receipt(talk: Talk, answer: str) -> None:
    """Wait until an answer carries exactly one receipt, and a final one."""
    bot = talk.scene.ready.bot

    def final(marks: tuple[str, ...]) -> bool:
        return len(marks) == 1 and any(word in marks[0] for word in ("delivered", "not sent", "unknown", "held"))

    await talk.seat.find(
        talk.room, "the answer has one final receipt", lambda i: i.body == answer and final(i.marks(bot)), within=60
    )
