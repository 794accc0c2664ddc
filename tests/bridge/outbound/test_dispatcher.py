"""The one way out: order, patience, and what is certain enough to be done again."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bot.model.actions import (
    DESK,
    OFFICE,
    THREAD,
    Action,
    EditMessage,
    Lane,
    Origin,
    PageOnCall,
    SendMessage,
    SendSms,
    Speaker,
)
from bot.model.line_incidents import DEAD_LETTER, DeadLetterRecorded
from bridge.outbound import dispatcher
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.outbound.routing import route
from bridge.runtime import log
from bridge.storage import serialization
from bridge.storage.database import Sync
from bridge.tables import dead_letters, line_state, threads
from bridge.tables.outbox import OutboxRow, number_of
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.fake_disk import FakeDisk

SECRET = "sesame 4711 words nobody may log"
CONVERSATION, RECEIPTS = Lane.CONVERSATION.value, Lane.RECEIPTS.value


@pytest.fixture
async def harness(harness: BridgeHarness) -> BridgeHarness:
    """Only the outbox runs here, and each test says what performing means."""
    await harness.engine.load()
    return harness


class DispatcherHarness:
    """Puts rows into an outbox and performs them: `done` is what was performed, in order."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.harness = harness
        self.done: list[str] = []
        self.tried: defaultdict[str, int] = defaultdict(int)
        self.first: Callable[[OutboxTask], Awaitable[None]] | None = None
        self._number = 0
        self._running: asyncio.Task[None] | None = None

    async def put(
        self,
        body: str,
        *,
        owner: str = "t1",
        lane: str = CONVERSATION,
        action: Action | None = None,
        sync: Sync = Sync.AWAIT,
    ) -> None:
        """Commit one row, as the engine does."""
        await self.harness.vault.create(owner)
        self._number += 1
        action, txn, way = action or SendMessage(place=THREAD, body=body), f"q{self._number}.0", "matrix"
        sealed = await self.harness.vault.seal(owner, f"outbox {txn}", serialization.encode(action))
        item = OutboxRow(lane, way, type(action).__name__, txn, sealed)
        created = int(self.harness.clock.now())
        appended = await self.harness.database.commit(
            lambda transaction: self.harness.outbox.put(transaction, owner, item, created), sync=sync
        )
        self.harness.outbox.wake(number_of(appended), owner, lane, way)

    async def perform(self, task: OutboxTask) -> None:
        """Do what the test says, then note and remove the row."""
        body = cast("SendMessage", task.action).body
        self.tried[body] += 1
        if self.first is not None:
            await self.first(task)
        self.done.append(body)
        await self.harness.database.commit(
            lambda transaction: transaction.execute("DELETE FROM outbox WHERE id = $1", task.number)
        )

    def run(self, perform: Callable[[OutboxTask], Awaitable[None]] | None = None) -> None:
        self._running = asyncio.create_task(self.harness.outbox.run("matrix", perform or self.perform))

    async def empty(self) -> None:
        """Wait until every row is gone, then stop."""

        async def gone() -> bool | None:
            return not await self.harness.count("outbox") or None

        await wait_until("the outbox is empty", gone, every=0.01)
        await self.stop()

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


@pytest.fixture
async def rows(harness: BridgeHarness) -> AsyncIterator[DispatcherHarness]:
    dispatcher_harness = DispatcherHarness(harness)
    yield dispatcher_harness
    await dispatcher_harness.stop()


async def test_order_holds_within_a_lane(rows: DispatcherHarness) -> None:
    """Rows of one owner and lane are performed one after another in their order; other owners do not wait for them."""
    inside: set[str] = set()

    async def slowly(task: OutboxTask) -> None:
        assert task.owner not in inside
        inside.add(task.owner)
        for _ in range(task.number % 3):
            await asyncio.sleep(0)
        inside.discard(task.owner)

    rows.first = slowly
    rows.run()
    for n in range(10):
        for owner in ("t1", "t2", "t3"):
            await rows.put(f"{owner} {n}", owner=owner)
    await rows.empty()
    for owner in ("t1", "t2", "t3"):
        assert [body for body in rows.done if body.startswith(owner)] == [f"{owner} {n}" for n in range(10)]


async def test_what_stood_before_a_restart_keeps_its_order(
    harness: BridgeHarness, rows: DispatcherHarness, tmp_path: Path
) -> None:
    """Rows that a stopped process left are performed by the next one, in their order."""
    for n in range(5):
        await rows.put(f"row {n}")
    await harness.close()
    again = BridgeHarness(tmp_path)
    await again.open()
    await again.outbox.load()
    later = DispatcherHarness(again)
    later.run()
    await later.empty()
    assert later.done == [f"row {n}" for n in range(5)]
    await again.close()


async def test_conversation_goes_first(rows: DispatcherHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one request at a time, words go before receipts that were put in before them."""
    monkeypatch.setitem(dispatcher.MAX_IN_FLIGHT, "matrix", 1)
    for n in range(5):
        await rows.put(f"receipt {n}", owner=f"t{n}", lane=RECEIPTS)
    await rows.put("words", owner="t9")
    rows.run()
    await rows.empty()
    assert rows.done[0] == "words"
    assert len(rows.done) == 6


async def test_a_refusal_for_now_is_tried_again_with_growing_patience(rows: DispatcherHarness) -> None:
    """What was certainly not taken is tried again after longer and longer; what is behind it waits, others do not."""
    times: list[float] = []

    async def away(task: OutboxTask) -> None:
        if task.owner == "t1" and len(times) < 3:
            times.append(asyncio.get_running_loop().time())
            raise RetryLater(0)

    rows.first = away
    await rows.put("first")
    await rows.put("second")
    await rows.put("elsewhere", owner="t2")
    rows.run()
    await rows.empty()
    assert rows.done == ["elsewhere", "first", "second"]
    assert times[1] - times[0] >= 0.3
    assert times[2] - times[1] >= 0.7


async def test_what_waits_for_a_room_goes_on_when_it_is_there(
    rows: DispatcherHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row without a room is not tried until the room is ready; then it and what is behind it go on in order."""
    monkeypatch.setattr(dispatcher, "RECHECK_SECONDS", 600.0)
    there = asyncio.Event()

    async def roomless(task: OutboxTask) -> None:
        if task.owner == "t1" and not there.is_set():
            raise RetryLater(None)

    rows.first = roomless
    await rows.put("first")
    await rows.put("second")
    rows.run()
    await wait_until("it was tried", lambda: _tried(rows, "first"), every=0.01)
    # Whatever could be tried by now is before this one in the queue.
    await rows.put("another's", owner="t2")
    await wait_until("another's was tried", lambda: _tried(rows, "another's"), every=0.01)
    assert rows.tried == {"first": 1, "another's": 1}
    there.set()
    rows.harness.outbox.room_ready("t1")
    await rows.empty()
    assert rows.done == ["another's", "first", "second"]


async def test_an_office_that_is_not_there_holds_up_nothing(rows: DispatcherHarness) -> None:
    """What waits for one office lets the board, the cards and every other office go on."""
    lost, other = SendMessage(place=f"{OFFICE}@ada:x", body="lost"), SendMessage(place=f"{OFFICE}@bea:x", body="other")
    board = EditMessage(place=DESK, ref="board", body="board")

    async def no_office(task: OutboxTask) -> None:
        if task.action == lost:
            raise RetryLater(None)

    rows.first = no_office
    for action in (lost, board, other):
        await rows.put("", owner=DESK, lane=route(action)[0], action=action)
    rows.run()
    await wait_until("the others are done", lambda: _done(rows, 2), every=0.01)
    assert set(rows.done) == {"board", "other"}


async def test_a_refusal_for_good_is_a_dead_letter(rows: DispatcherHarness, caplog: pytest.LogCaptureFixture) -> None:
    """What the other side refuses for good is kept sealed, the desk gets its short id, and the lane goes on."""
    caplog.set_level(logging.DEBUG, logger=log.LOGGER_NAME)

    async def refused(task: OutboxTask) -> None:
        if cast("SendMessage", task.action).body == SECRET:
            raise PermanentFailure("M_FORBIDDEN")

    rows.first = refused
    await rows.put(SECRET)
    await rows.put("second")
    rows.run()
    await rows.empty()
    assert rows.done == ["second"]
    (inbox_row,) = await rows.harness.database.fetch("SELECT short_id, owner, kind, body FROM dead_letter")
    assert (inbox_row["owner"], inbox_row["kind"]) == ("t1", "SendMessage")
    assert SECRET.encode() not in inbox_row["body"]
    assert await rows.harness.database.fetchval("SELECT kind FROM inbox WHERE owner = $1", DESK) == "DeadLetterRecorded"
    assert f"status=M_FORBIDDEN short_id={inbox_row['short_id']}" in caplog.text
    assert SECRET not in caplog.text


async def test_a_bug_is_a_dead_letter(rows: DispatcherHarness, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever performing raises, the lane goes on without the row, and nothing of the exception's text is logged."""
    caplog.set_level(logging.DEBUG, logger=log.LOGGER_NAME)

    async def bug(task: OutboxTask) -> None:
        if not rows.tried["second"]:
            raise ValueError(SECRET)

    rows.first = bug
    await rows.put("first")
    await rows.put("second")
    rows.run()
    await rows.empty()
    assert rows.done == ["second"]
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text


async def test_a_row_of_a_thread_without_a_key_is_a_dead_letter(rows: DispatcherHarness) -> None:
    """An older `keys.db` lacks the key, and the newest one may still be restored: then !retry shows the words."""
    harness = rows.harness
    owner = await harness.receive_text("hello", message_id="1")
    await rows.put(SECRET, owner=owner)
    body = await harness.database.fetchval("SELECT body FROM outbox WHERE owner = $1", owner)
    await harness.vault.destroy(owner)
    rows.run()
    await rows.empty()
    assert rows.done == []
    (letter,) = await harness.database.fetch("SELECT short_id, owner, kind, body FROM dead_letter")
    assert (letter["owner"], letter["kind"], letter["body"]) == (owner, "SendMessage", body)
    (row,) = await harness.database.fetch("SELECT kind, body FROM inbox WHERE owner = $1", DESK)
    event = serialization.decode(row["kind"], await harness.vault.open(DESK, "inbox", row["body"]))
    designation = await threads.designation_of(harness.database, owner)
    assert event == DeadLetterRecorded(short_id=letter["short_id"], designation=designation, uncalled=True)
    stored = await dead_letters.get(harness.database, letter["short_id"])
    assert stored is not None
    assert stored.is_message, "so that it can be retried"


@pytest.mark.parametrize(
    ("owner", "action", "heard"),
    [
        ("t1", SendMessage(place=THREAD, body="", speaker=Speaker.TEXTER), {"new_texter": True}),
        ("t1", SendMessage(place=THREAD, body="a picture", ref="in:1:0"), {"new_texter": True}),
        ("t1", SendMessage(place=THREAD, body=""), {}),
        (DESK, SendMessage(place=DESK, body="", mentions=("@sue:x",)), {"uncalled": True}),
        (DESK, SendMessage(place=DESK, body="", ref="card:t1", reactions=("✋",)), {"uncalled": True}),
        (DESK, SendMessage(place=DESK, body=""), {}),
        (DESK, PageOnCall(reason="waiting"), {"uncalled": True}),
        (DESK, SendMessage(place=DESK, body="", ref=f"{DEAD_LETTER}0badcafe", mentions=("@sue:x",)), {"untold": True}),
    ],
)
async def test_a_dead_letter_is_told_by_what_is_lost_with_it(
    rows: DispatcherHarness, owner: str, action: Action, heard: dict[str, Any]
) -> None:
    """Words that nobody has read, a card, a call: the desk hears of it aloud. Other messages are a silent notice."""
    await _assert_told(rows, owner, action, heard)


async def _assert_told(
    rows: DispatcherHarness, owner: str, action: Action, heard: dict[str, Any], *, change: str = ""
) -> None:
    async def refused(_task: OutboxTask) -> None:
        raise PermanentFailure("M_TOO_LARGE")

    await rows.put("", owner=owner, action=action)
    if change:
        await rows.harness.database.commit(lambda transaction: transaction.execute(change))
    rows.run(refused)
    await rows.empty()
    (row,) = await rows.harness.database.fetch("SELECT kind, body FROM inbox WHERE owner = $1", DESK)
    event = serialization.decode(row["kind"], await rows.harness.vault.open(DESK, "inbox", row["body"]))
    assert event == DeadLetterRecorded(short_id=event.short_id, **heard)


async def test_a_text_that_dies_is_in_doubt(rows: DispatcherHarness) -> None:
    """When a bug takes a text, its thread hears that nobody knows: its receipt does not say "leaving" for ever."""

    async def bug(_task: OutboxTask) -> None:
        raise ValueError

    await rows.put("", action=SendSms(ref="say:$1", body="words", origin=Origin.ADVOCATE, epoch=1, since=0.0))
    rows.run(bug)
    await rows.empty()
    (row,) = await rows.harness.database.fetch("SELECT kind, body FROM inbox WHERE owner = 't1'")
    event = serialization.decode(row["kind"], await rows.harness.vault.open("t1", "inbox", row["body"]))
    assert (event.ref, event.outcome.value) == ("say:$1", "unknown")


async def test_a_full_disk_is_waited_for(rows: DispatcherHarness) -> None:
    """A row that was performed and could not be removed is performed again under the same transaction id."""
    txns: list[str] = []

    async def note(task: OutboxTask) -> None:
        txns.append(task.txn)
        rows.harness.database.full = len(txns) == 1

    rows.first = note
    await rows.put("first")
    rows.run()
    await rows.empty()
    assert txns == ["q1.0", "q1.0"]
    assert await rows.harness.count("dead_letter") == 0


async def _tried(rows: DispatcherHarness, body: str) -> bool | None:
    return rows.tried[body] > 0 or None


async def _done(rows: DispatcherHarness, count: int) -> bool | None:
    return len(rows.done) == count or None


async def test_nothing_leaves_before_it_is_on_the_disk(
    rows: DispatcherHarness, harness: BridgeHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided is written and not yet synced: others read it, and nobody outside hears of it."""
    disk = FakeDisk(tmp_path / "main.db", tmp_path / "kept")
    disk.install(monkeypatch)
    rows.run()
    with disk.stalled():
        await rows.put("words", sync=Sync.BEGIN)
        for _ in range(50):
            await asyncio.sleep(0)
        assert await harness.count("outbox") == 1
        assert rows.tried == {}
    await rows.empty()
    assert rows.done == ["words"]


async def test_what_is_on_the_disk_waits_for_no_later_commit(
    harness: BridgeHarness, rows: DispatcherHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written since, as the result of another row, need not be there before it leaves."""
    disk = FakeDisk(tmp_path / "main.db", tmp_path / "synced")
    disk.install(monkeypatch)
    await rows.put("words")

    async def left() -> bool | None:
        return bool(rows.tried) or None

    with disk.stalled():
        await harness.database.commit(lambda transaction: line_state.put(transaction, "later", "1"), sync=Sync.DEFER)
        rows.run()
        await wait_until("the row leaves", left)
    await rows.empty()
    assert rows.done == ["words"]
