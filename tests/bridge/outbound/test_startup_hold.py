"""What stood when the bridge stopped leaves only once it is known what was said and texted meanwhile."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.model.actions import DESK, DeliveryReceipt
from bot.model.events import MemberJoined, MessageRedacted, MessageSent
from bridge.matrix.room_keys import inbound_table
from bridge.matrix.room_keys.inbound_table import Needs
from bridge.outbound.startup_hold import StartupHold
from bridge.storage.database import Transaction
from bridge.storage.errors import Unavailable
from bridge.tables import inbox
from tests.bridge.outbound.test_sms_sender import ADA, queued, receipts, say, talk
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.packs import shipped

WORDS = "meant for another room"
OTHER = "+12065550188"
ROOM = "!thread:quietline.localhost"


async def died(tmp_path: Path, *, queue: bool) -> tuple[BridgeHarness, str]:
    """Have a bridge stop with words of the assignee in their undo window, or on their way to the carrier."""
    first = BridgeHarness(tmp_path)
    first.pack = shipped("base", "rehearsal")
    await first.open()
    owner = await talk(first)
    if queue:
        await queued(first, owner, WORDS)
    else:
        await say(first, owner, WORDS)
        await wait_until("they wait", lambda: _waits(first, owner), every=0.01)
    await first.close()
    return first, owner


async def starting(first: BridgeHarness, *heard: asyncio.Event, max_hold: float = 600.0) -> BridgeHarness:
    """Start again on the same files, half a minute later; nothing leaves unheard within any test's time."""
    again = BridgeHarness(first.directory, clock=first.clock)
    again.pack = first.pack
    first.clock.at += 30
    again.hold_until, again.max_hold = heard, max_hold
    await again.open()
    await again.run()
    return again


@pytest.mark.parametrize("queue", [False, True], ids=["in the window", "at the carrier"])
async def test_words_taken_back_while_nobody_ran_do_not_leave(tmp_path: Path, *, queue: bool) -> None:
    """What the first sync brings is decided upon before anything of before leaves: here, that its author redacted it."""
    first, owner = await died(tmp_path, queue=queue)
    synced = asyncio.Event()
    again = await starting(first, synced)
    if queue:
        await again.wait_until_put_off()
    # Another person's text takes its whole way meanwhile: timers that were not held would have fired before its answer.
    await again.receive_text("hello", message_id="9", sender=OTHER)
    await wait_until("the new texter is greeted", lambda: _greeted(again), every=0.02)
    assert {to for to, _ in again.carrier.sent} == {OTHER}
    if queue:
        await again.deliver(
            owner, MessageSent(place="thread", sender=ADA, event_id="$2", body="!unsafe", at=again.clock.now())
        )
    else:
        await again.deliver(owner, MessageRedacted(place="thread", sender=ADA, target="$1"))
    synced.set()
    await again.wait_until_drained()
    assert {to for to, _ in again.carrier.sent} == {OTHER}
    assert receipts(again)[-1] is (DeliveryReceipt.NOT_SENT if queue else DeliveryReceipt.RETRACTED)
    await again.close()


@pytest.mark.parametrize("needs", ["key", "device"])
async def test_a_message_that_cannot_be_read_yet_is_waited_for(tmp_path: Path, needs: Needs) -> None:
    """It waits for its key, or for its sender's devices, which are all queried at a start: it may be an `!unsafe`."""
    first, owner = await died(tmp_path, queue=False)
    synced = asyncio.Event()
    again = await starting(first, synced)
    await again.note_room(ROOM, owner)
    message = partial(
        inbound_table.add_waiting, event_id="$2", room_id=ROOM, session_id="", sender=ADA, event="{}", needs=needs
    )
    await again.database.commit(partial(message, deadline_ms=0))
    synced.set()
    await again.receive_text("hello", message_id="9", sender=OTHER)
    await wait_until("the new texter is greeted", lambda: _greeted(again), every=0.02)
    assert {to for to, _ in again.carrier.sent} == {OTHER}
    said = MessageSent(place="thread", sender=ADA, event_id="$2", body="!unsafe", at=again.clock.now())
    inbox_row = await inbox.seal(again.vault, owner, said)

    async def read(transaction: Transaction) -> None:
        await inbound_table.delete_waiting(transaction, "$2")
        await inbox.append(transaction, inbox_row)

    await again.database.commit(read)
    again.engine.queue.wake(owner)
    await again.wait_until_drained()
    assert {to for to, _ in again.carrier.sent} == {OTHER}
    assert receipts(again)[-1] is DeliveryReceipt.NOT_SENT
    await again.close()


async def test_what_was_said_is_waited_for_until_the_desk_has_decided_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread passes a `!take` on to the desk, which decides whose words the texter gets.

    A database that is away for a moment ends no waiting.
    """
    harness = BridgeHarness(tmp_path)
    await harness.open()
    hold, looks, oldest_seq = StartupHold(harness.services, max_hold=600.0), list[int | None](), inbox.oldest_seq

    async def look(reader: Any) -> int | None:
        looks.append(await oldest_seq(reader))
        if len(looks) == 1:
            raise Unavailable("SQLITE_BUSY")
        return looks[-1]

    async def is_looked_at(place: int) -> bool:
        return hold.released.is_set() or place in looks[1:]

    async def decide(transaction: Transaction) -> None:
        await inbox.delete(transaction, (await oldest_seq(transaction)) or 0)
        await inbox.append(transaction, inbox_row)

    monkeypatch.setattr(inbox, "oldest_seq", look)
    inbox_row = await inbox.seal(harness.vault, DESK, MemberJoined(place=DESK, user=ADA))
    await harness.database.commit(partial(inbox.append, row=inbox_row))
    running = asyncio.create_task(hold.run())
    for place in (1, 2):
        await wait_until("it is waited for", partial(is_looked_at, place), every=0.01)
        assert not hold.released.is_set()
        await harness.database.commit(decide)
    await running
    await harness.close()


async def test_a_homeserver_that_is_down_does_not_hold_an_answer_back(tmp_path: Path) -> None:
    """When nothing is heard for a while, what stood leaves all the same (decisions/carriers.md, "Order and transports")."""
    first, _owner = await died(tmp_path, queue=False)
    again = await starting(first, asyncio.Event(), max_hold=0.3)
    assert again.carrier.sent == []
    await again.wait_until_drained()
    assert [body for _, body in again.carrier.sent] == [WORDS]
    await again.close()


async def test_nothing_waits_longer_than_for_what_is_heard(tmp_path: Path) -> None:
    """As soon as sync and listing are decided upon, what stood leaves: nobody waits for the clock."""
    first, _owner = await died(tmp_path, queue=True)
    synced = asyncio.Event()
    again = await starting(first, synced)
    synced.set()
    await again.wait_until_drained()
    assert [body for _, body in again.carrier.sent] == [WORDS]
    await again.close()


async def test_a_new_texter_is_not_held_up(tmp_path: Path) -> None:
    """Whoever had nothing waiting is answered at once, although others are held and nothing is heard yet."""
    first, owner = await died(tmp_path, queue=True)
    again = await starting(first, asyncio.Event())
    other = await again.receive_text("hello", message_id="9", sender=OTHER)
    await wait_until("the new texter is greeted", lambda: _greeted(again), every=0.02)
    assert {to for to, _ in again.carrier.sent} == {OTHER}
    assert other != owner
    await again.close()


async def _waits(harness: BridgeHarness, owner: str) -> bool | None:
    return bool((await harness.thread(owner)).sending.pending) or None


async def _greeted(harness: BridgeHarness) -> bool | None:
    return bool(harness.carrier.sent) or None
