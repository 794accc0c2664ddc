"""What has time yields to conversations, and is starved by none."""

from __future__ import annotations

import asyncio

import pytest

from bot.model.actions import DESK, Action, EditMessage, SendMessage
from bridge.outbound.dispatcher import OutboxTask
from bridge.runtime.priority_gate import PriorityGate
from bridge.storage import serialization
from bridge.tables.outbox import OutboxRow, number_of
from tests.e2e.polling import STEP_TIMEOUT
from tests.fakes.bridge_harness import BridgeHarness


@pytest.fixture
async def harness(harness: BridgeHarness) -> BridgeHarness:
    await harness.vault.create(DESK)
    return harness


async def put(harness: BridgeHarness, action: Action, lane: str) -> None:
    """Put a row in, as the engine does."""
    body = await harness.vault.seal(DESK, f"outbox {lane}", serialization.encode(action))
    item = OutboxRow(lane, "matrix", type(action).__name__, lane, body)

    appended = await harness.database.commit(lambda transaction: harness.outbox.put(transaction, DESK, item, 0))
    harness.outbox.wake(number_of(appended), DESK, lane, "matrix")


@pytest.mark.parametrize(
    ("lane", "waits"), [("conversation", True), ("receipts", True), ("cards", False), ("cleanup", False)]
)
async def test_erasing_waits_for_words_on_their_way(harness: BridgeHarness, lane: str, waits: bool) -> None:
    """While words or a receipt are being brought to the homeserver it waits, and goes on the moment they are there."""
    arrived, done = asyncio.Event(), asyncio.Event()

    async def perform(task: OutboxTask) -> None:
        arrived.set()
        await done.wait()
        await harness.database.commit(
            lambda transaction: transaction.execute("DELETE FROM outbox WHERE id = $1", task.number)
        )

    running = asyncio.create_task(harness.outbox.run("matrix", perform))
    action: Action = (
        EditMessage(place=DESK, ref="board", body="x") if lane == "cards" else SendMessage(place=DESK, body="x")
    )
    await put(harness, action, lane)
    await arrived.wait()
    quiet = asyncio.create_task(harness.outbox.priority_gate.wait_for_pause(3600.0))
    await others_go()
    assert quiet.done() is not waits
    done.set()
    await asyncio.wait_for(quiet, STEP_TIMEOUT)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_it_does_not_wait_for_ever(harness: BridgeHarness) -> None:
    """Words that do not get through, because the homeserver hangs, hold erasing up for as long as was said."""
    arrived = asyncio.Event()

    async def perform(task: OutboxTask) -> None:
        arrived.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(harness.outbox.run("matrix", perform))
    await put(harness, SendMessage(place=DESK, body="x"), "conversation")
    await arrived.wait()
    longer = asyncio.create_task(harness.outbox.priority_gate.wait_for_pause(3600.0))
    async with asyncio.timeout(STEP_TIMEOUT):
        await harness.outbox.priority_gate.wait_for_pause(0.01)
    assert not longer.done()
    for task in (longer, running):
        task.cancel()
    await asyncio.gather(longer, running, return_exceptions=True)


async def others_go() -> None:
    """Let every task that can go on do so: nothing in a gate waits for anything but other tasks and its own clock."""
    for _ in range(10):
        await asyncio.sleep(0)


async def together(priority_gate: PriorityGate, many: int) -> int:
    """Take so many turns, each longer than others need to begin, and return how many were ever under way at once."""
    running, most = 0, 0

    async def one() -> None:
        nonlocal running, most
        async with priority_gate.background():
            running += 1
            most = max(most, running)
            await others_go()
            running -= 1

    await asyncio.gather(*(one() for _ in range(many)))
    return most


async def test_those_that_wait_go_in_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn begins in the pause after the words, and neither during them nor right when they end."""
    monkeypatch.setattr("bridge.runtime.priority_gate.MAX_YIELD_SECONDS", 60.0)
    talk, order = PriorityGate(), []

    async def turn() -> None:
        async with talk.background():
            order.append("turn")

    with talk.foreground():
        waiting = asyncio.create_task(turn())
        await others_go()
        order.append("words end")
    await asyncio.sleep(0)
    with talk.foreground():
        order.append("words again")
    order.append("ended")
    await asyncio.wait_for(waiting, STEP_TIMEOUT)
    assert order == ["words end", "words again", "ended", "turn"]
