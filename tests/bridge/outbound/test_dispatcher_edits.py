"""Edits of one message that nobody would read are not queued, and rows without a room are not asked again and again."""

from __future__ import annotations

import asyncio

import pytest

from bot.model.actions import DESK, EditMessage
from bridge.outbound import dispatcher
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.storage.errors import Unavailable
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness


@pytest.fixture
async def harness(harness: BridgeHarness) -> BridgeHarness:
    """Only the outbox runs."""
    await harness.engine.load()
    return harness


async def put(harness: BridgeHarness, name: str, ref: str, *, commits: bool = True, fresh: bool = False) -> None:
    """Commit an edit of a message of the desk, as the engine does; with `commits` false the commit fails."""
    item = await harness.outbox.seal(DESK, name, EditMessage(place=DESK, ref=ref, body=name, fresh=fresh))
    harness.database.full = not commits
    try:
        appended = await harness.database.commit(lambda transaction: harness.outbox.put(transaction, DESK, item, 0))
    except Unavailable:
        return
    finally:
        harness.database.full = False
    harness.outbox.enqueue(appended, DESK, item)


async def texts_of_outbox(harness: BridgeHarness) -> list[str]:
    return [row["txn"] for row in await harness.database.fetch("SELECT txn FROM outbox ORDER BY id")]


async def test_an_edit_takes_the_place_of_the_one_that_waits(harness: BridgeHarness) -> None:
    """Of many edits of two messages two rows stand, the last of each; and both are performed."""
    for n in range(20):
        await put(harness, f"board {n}", "board")
        await put(harness, f"card {n}", "card:a")
    assert await texts_of_outbox(harness) == ["board 19", "card 19"]
    done: list[str] = []

    async def perform(task: OutboxTask) -> None:
        done.append(task.txn)
        await harness.database.commit(
            lambda transaction: transaction.execute("DELETE FROM outbox WHERE id = $1", task.number)
        )

    running = asyncio.create_task(harness.outbox.run("matrix", perform))

    async def empty() -> bool | None:
        return not await harness.count("outbox") or None

    await wait_until("the outbox is empty", empty, every=0.01)
    running.cancel()
    assert done == ["board 19", "card 19"]


async def test_an_edit_that_is_being_sent_keeps_its_row(harness: BridgeHarness) -> None:
    """What the homeserver may have already is finished; the next edit stands behind it."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def perform(task: OutboxTask) -> None:
        inside.set()
        await go_on.wait()
        await harness.database.commit(
            lambda transaction: transaction.execute("DELETE FROM outbox WHERE id = $1", task.number)
        )

    running = asyncio.create_task(harness.outbox.run("matrix", perform))
    await put(harness, "first", "board")
    await inside.wait()
    await put(harness, "second", "board")
    await put(harness, "third", "board")
    assert await texts_of_outbox(harness) == ["first", "third"]
    go_on.set()

    async def empty() -> bool | None:
        return not await harness.count("outbox") or None

    await wait_until("the outbox is empty", empty, every=0.01)
    running.cancel()


async def test_who_has_no_room_is_asked_less_and_less_often(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that waits for its room is tried after twice as long each time, and at once when the room is there."""
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    real = loop.call_later

    def call_later(delay: float, callback: object, *args: object) -> object:
        if callback == harness.outbox._recheck_room:
            waits.append(delay)
            delay = 0.0
        return real(delay, callback, *args)  # type: ignore[arg-type] # as it came

    monkeypatch.setattr(loop, "call_later", call_later)
    tried = 0

    async def perform(_task: OutboxTask) -> None:
        nonlocal tried
        tried += 1
        raise RetryLater(None)

    running = asyncio.create_task(harness.outbox.run("matrix", perform))
    await put(harness, "first", "board")

    async def often() -> bool | None:
        return tried >= 9 or None

    await wait_until("it was tried", often, every=0.01)
    running.cancel()
    first = dispatcher.RECHECK_SECONDS
    assert waits[:8] == [first * 2.0 ** min(n, dispatcher.MAX_RECHECKS) for n in range(8)]
