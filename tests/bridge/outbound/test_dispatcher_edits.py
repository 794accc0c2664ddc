"""Edits of one message that nobody would read are not queued, and rows without a room are not asked again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.model.actions import DESK, EditMessage
from bridge.outbound import dispatcher
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.storage.database import Row, Transaction
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


async def test_a_fresh_edit_is_replaced_by_a_fresh_one_only(harness: BridgeHarness) -> None:
    """It becomes a message of its own, because clients may show none of the edits in place after it."""
    for name in ("before", "stopped", "after", "stopped again", "at last"):
        await put(harness, name, "board", fresh=name.startswith("stopped"))
        assert (await texts_of_outbox(harness))[-1] == name
    assert await texts_of_outbox(harness) == ["stopped again", "at last"]


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


@pytest.mark.parametrize(
    ("refusal", "stays"),
    [(RetryLater(0.01), True), (RetryLater(0.01, in_turn=True), False), (RetryLater(None), False)],
    ids=["homeserver failed", "not its turn", "no room"],
)
async def test_an_edit_that_may_have_begun_keeps_its_row(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch, refusal: RetryLater, *, stays: bool
) -> None:
    """It may have posted a message that only its own row knows of; an edit that requested nothing is replaced."""
    retry_later = harness.outbox._retry_later
    between_tries: asyncio.Future[Callable[[], None]] = asyncio.get_running_loop().create_future()
    done: list[str] = []

    async def perform(task: OutboxTask) -> None:
        if not between_tries.done():
            raise refusal
        done.append(task.txn)
        await harness.database.commit(
            lambda transaction: transaction.execute("DELETE FROM outbox WHERE id = $1", task.number)
        )

    def hold_retry(*lane: Any, **more: Any) -> None:
        between_tries.set_result(partial(retry_later, *lane, **more))

    async def empty() -> bool | None:
        return not await harness.count("outbox") or None

    monkeypatch.setattr(harness.outbox, "_retry_later", hold_retry)
    running = asyncio.create_task(harness.outbox.run("matrix", perform))
    await put(harness, "first", "card", fresh=True)
    try_again = await between_tries
    await put(harness, "second", "card", fresh=True)
    await put(harness, "third", "card", fresh=True)
    assert await texts_of_outbox(harness) == ["first"] * stays + ["third"]
    try_again()
    harness.outbox.room_ready(DESK)
    await wait_until("the outbox is empty", empty, every=0.01)
    running.cancel()
    assert done == ["first"] * stays + ["third"]


@pytest.mark.parametrize("commits", [True, False])
async def test_an_edit_does_not_begin_while_its_row_is_being_deleted(harness: BridgeHarness, *, commits: bool) -> None:
    """After that commit it could not be tried again, and what it has posted would stay; if the commit fails, it is done."""
    done: list[str] = []
    placed, go_on = asyncio.Event(), asyncio.Event()
    item = await harness.outbox.seal(DESK, "second", EditMessage(place=DESK, ref="card", body="second", fresh=True))

    async def perform(task: OutboxTask) -> None:
        done.append(task.txn)
        await harness.database.commit(
            lambda transaction: transaction.execute("DELETE FROM outbox WHERE id = $1", task.number)
        )

    async def commit(transaction: Transaction) -> list[Row]:
        appended = await harness.outbox.put(transaction, DESK, item, 0)
        placed.set()
        await go_on.wait()
        if not commits:
            raise ValueError("the decision failed")
        return appended

    async def empty() -> bool | None:
        return not await harness.count("outbox") or None

    await put(harness, "first", "card", fresh=True)
    committing = asyncio.create_task(harness.database.commit(commit))
    await placed.wait()
    running = asyncio.create_task(harness.outbox.run("matrix", perform))
    for _ in range(10):  # while a row that does not wait for the commit would be performed
        await asyncio.sleep(0.01)
    done_early = [*done]
    go_on.set()
    if commits:
        harness.outbox.enqueue(await committing, DESK, item)
    else:
        with pytest.raises(ValueError, match="the decision failed"):
            await committing
    await wait_until("the outbox is empty", empty, every=0.01)
    running.cancel()
    assert done_early == []
    assert done == ["second" if commits else "first"]


async def test_an_edit_from_before_the_start_keeps_its_row(harness: BridgeHarness, tmp_path: Path) -> None:
    """The run before may have posted it, so the next edit of the same message stands behind it."""
    await put(harness, "first", "card", fresh=True)
    await harness.close()
    again = BridgeHarness(tmp_path)
    await again.open()
    await again.engine.load()
    await again.outbox.load()
    await put(again, "second", "card", fresh=True)
    await put(again, "third", "card", fresh=True)
    assert await texts_of_outbox(again) == ["first", "third"]
    await again.close()


async def test_a_commit_that_failed_takes_nothing_away(harness: BridgeHarness) -> None:
    """The edit that stood stays when its successor was not committed."""
    await put(harness, "first", "board")
    await put(harness, "second", "board", commits=False)
    assert await texts_of_outbox(harness) == ["first"]


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
