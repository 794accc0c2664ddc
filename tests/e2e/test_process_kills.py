"""Bridge, homeserver and `up` itself are killed at random under load, and then everything is counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.stack import Stack
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine

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
async def staff(own: Stack, strict_client_factory: StrictClientFactory) -> AsyncIterator[list[StaffClient]]:
    clients = [await strict_client_factory.log_in(own.ready.homeserver, own.ready.account("advocate", n)) for n in range(2)]
    try:
        yield clients
    finally:
        for client in clients:
            await client.stop()


async def test_nothing_is_lost_or_doubled_when_anything_is_killed(own: Stack, staff: list[StaffClient]) -> None:
    """Every text is in its room exactly once and in order, every answer at most once on its phone with one receipt.

    Counted after bridge and homeserver were killed at random under load, and again after `up` was killed and started
    again; in between no process is left behind.
    """
    chance = random.Random(SEED)  # noqa: S311 - chosen once, so that a failure can be repeated
    staffed_line = StaffedLine(stack=own, ready=own.ready)
    for client in staff:
        await staffed_line.bring_to_desk(client)
    conversations = [
        await staffed_line.start_conversation(staff[n % 2], handset(), f"first text of handset {n}")
        for n in range(HANDSETS)
    ]

    sent = {conversation.room: [f"first text of handset {n}"] for n, conversation in enumerate(conversations)}
    said: dict[str, list[str]] = {conversation.room: [] for conversation in conversations}
    moments = {conversation.room: chance.sample(range(TEXTS), ANSWERS) for conversation in conversations}

    async def converse(conversation: Conversation) -> None:
        for number in range(TEXTS):
            await asyncio.sleep(LOAD_SECONDS / TEXTS)
            words = f"text {number} in {conversation.designation}"
            await staffed_line.carrier.text(conversation.handset, words)
            sent[conversation.room].append(words)
            if number in moments[conversation.room]:
                said[conversation.room].append(answer := f"answer at {number} in {conversation.designation}")
                await conversation.client.say(conversation.room, answer)

    async def kill() -> None:
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.5, 2 * LOAD_SECONDS / KILLS - 0.5))
            await own.kill(chance.choice(["bridge", "homeserver"]))

    await asyncio.gather(kill(), *(converse(conversation) for conversation in conversations))
    for conversation in conversations:
        await staffed_line.carrier.wait_for_acknowledgements(conversation.handset, TEXTS + 1, within=90)
        await conversation.wait_for_text(sent[conversation.room][-1])
        assert await conversation.texts_in_room(whole=True) == sent[conversation.room]
    for conversation in conversations:
        for answer in said[conversation.room]:
            await _one_receipt(conversation, answer)
        received = await staffed_line.carrier.texts_delivered(conversation.handset)
        assert all(received.count(answer) <= 1 for answer in said[conversation.room])
        assert set(received[1:]) <= set(said[conversation.room])

    await own.kill_up()
    await wait_until("nothing of a killed `up` runs any more", lambda: _nobody(own))
    await own.start()
    for number, conversation in enumerate(conversations):
        await staffed_line.carrier.text(conversation.handset, f"after the last start {number}")
        await conversation.wait_for_text(f"after the last start {number}")
        assert await conversation.texts_in_room(whole=True) == [*sent[conversation.room], f"after the last start {number}"]
        received = await staffed_line.carrier.texts_delivered(conversation.handset)
        assert all(received.count(answer) <= 1 for answer in said[conversation.room])


async def test_sigterm_ends_everything_in_time(own: Stack) -> None:
    """SIGTERM ends `up` with exit code 0, removes ready.json and leaves no process behind.

    That the bounds of all children are within the 30 s of design.md, "Contracts with the outside" is shown in
    `tests/deploy/stack/test_up.py`.
    """
    assert await own.stop() == 0
    assert not own.ready_file.exists()
    assert own.processes() == {}


async def _nobody(own: Stack) -> bool | None:
    return not own.processes() or None


async def _one_receipt(conversation: Conversation, answer: str) -> None:
    """Wait until an answer carries exactly one receipt, and a final one."""
    bot = conversation.staffed_line.ready.bot

    def final(marks: tuple[str, ...]) -> bool:
        return len(marks) == 1 and any(word in marks[0] for word in ("delivered", "not sent", "unknown", "held"))

    await conversation.client.find(
        conversation.room,
        "the answer has one final receipt",
        lambda i: i.body == answer and final(i.marks(bot)),
        within=60,
    )
