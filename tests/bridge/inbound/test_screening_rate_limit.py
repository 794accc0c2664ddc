"""New threads beyond what the pack allows: kept like any other, without a room and without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.actions import DESK
from bot.model.events import MemberJoined, MessageSent, PowerLevelsChanged, TimerDue
from bridge.inbound.screening import NewThreadRateLimit
from tests.bot.hypothesis_settings import USUAL
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.provisioner_harness import ProvisionerHarness

SUE = "@sue:line.example"


@USUAL
@given(
    arrivals=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 2000)), max_size=60),
    per_number=st.integers(1, 3),
    per_minute=st.integers(1, 6),
)
def test_both_limits_hold_at_every_moment(arrivals: list[tuple[int, float]], per_number: int, per_minute: int) -> None:
    """Beyond is whoever comes when the last minute, or their last hour, has seen as many new threads as it may."""
    rate_limit = NewThreadRateLimit(per_number_per_hour=per_number, per_minute=per_minute)
    now = 0.0
    before: list[tuple[int, float]] = []
    for number, wait in arrivals:
        now += wait
        minute = [t for _, t in before if now - t < 60]
        hour = [t for n, t in before if n == number and now - t < 3600]
        expected = len(minute) >= per_minute or len(hour) >= per_number
        assert rate_limit.record_and_check(bytes([number]), now) == expected
        before.append((number, now))


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BridgeHarness]:
    bridge_harness = BridgeHarness(tmp_path)
    bridge_harness.rate_limit = NewThreadRateLimit(per_number_per_hour=5, per_minute=3)
    await bridge_harness.open()
    await bridge_harness.run()
    yield bridge_harness
    await bridge_harness.close()


async def test_a_flood_is_kept_and_not_answered(harness: BridgeHarness) -> None:
    """Of ten new texters in a second three are greeted; all ten have a thread, and every word is kept."""
    for n in range(10):
        await harness.receive_text(f"hello {n}", message_id=f"m{n}", sender=f"+1206555{n:04}")
    # Nobody is on duty, so the person on call is called: that row stands here.
    await harness.wait_until_drained(standing=1)
    assert await harness.count("thread") == 10
    assert len(harness.carrier.sent) == 3
    assert (
        sum(len(harness.messages_shown(row["id"])) for row in await harness.database.fetch("SELECT id FROM thread")) == 10
    )
    in_flood = await harness.database.fetchval("SELECT COUNT(*) FROM thread WHERE in_flood = 1")
    desk = harness.engine.desk
    assert (in_flood, len(desk.waiting), len(desk.flood.crowd)) == (7, 3, 7)


async def test_who_wrote_once_in_a_flood_is_closed_unread_at_a_supervisors_word(harness: BridgeHarness) -> None:
    """Their threads are parked without a text to a phone; who is in danger stays, words and all."""
    # Who is on call may be called meanwhile, or not: the reminders of ten minutes come before the closing or after it.
    pages = asyncio.create_task(harness.outbox.run("page", harness.show))
    await harness.deliver(DESK, MemberJoined(place=DESK, user=SUE), PowerLevelsChanged(users=((SUE, 50),)))
    for n in range(10):
        words = "he has a knife" if n == 7 else f"hello {n}"
        await harness.receive_text(words, message_id=f"m{n}", sender=f"+1206555{n:04}")
    await harness.wait_until_drained()
    danger, text_count = await harness.thread_id("+12065550007"), len(harness.carrier.sent)
    for n, words in enumerate(("!close-rest", "!close-rest yes")):
        await harness.deliver(DESK, MessageSent(place=DESK, sender=SUE, event_id=f"$c{n}", body=words, at=harness.clock.at))
    await harness.wait_until_drained()
    harness.clock.at += harness.pack.settings.close_undo
    await harness.deliver(DESK, TimerDue(key="close-rest"))
    await harness.wait_until_drained()
    parked = await harness.database.fetch("SELECT id FROM thread WHERE designation = ''")
    assert len(parked) == 6
    assert danger not in {row["id"] for row in parked}
    assert [entry.thread for entry in harness.engine.desk.waiting if entry.danger] == [danger]
    assert harness.messages_shown(danger) == ["he has a knife"]
    assert len(harness.carrier.sent) == text_count
    pages.cancel()
    await asyncio.gather(pages, return_exceptions=True)


async def test_rooms_are_made_for_whose_card_is_shown(tmp_path: Path) -> None:
    """A thread of a flood takes no warm room and gets none, until its card is shown or a person claims it."""
    harness = BridgeHarness(tmp_path)
    harness.rate_limit = NewThreadRateLimit(per_number_per_hour=5, per_minute=1)
    await harness.open()
    await harness.engine.load()
    house = ProvisionerHarness(harness)
    try:
        house.run()
        await house.furnished()
        for n in range(3):
            await harness.receive_text("hello", message_id=f"m{n}", sender=f"+1206555{n:04}")
        house.rooms.loop.wake()
        await house.furnished()
        with_room = "SELECT COUNT(*) FROM thread WHERE room_id IS NOT NULL"
        assert await harness.database.fetchval(with_room) == 1
        from bot.model.desk import QueueEntry

        rows = await harness.database.fetch("SELECT id, designation FROM thread WHERE room_id IS NULL")
        lines = tuple(
            QueueEntry(thread=row["id"], designation=row["designation"], since=0.0, has_card=n == 0)
            for n, row in enumerate(rows)
        )
        house.desk = type(house.desk)(threads=lines)
        house.rooms.loop.wake()

        async def made() -> bool | None:
            return await harness.database.fetchval(with_room) == 2 or None

        await wait_until("the shown one has a room", made, every=0.02)
        assert await harness.database.fetchval("SELECT room_id FROM thread WHERE id = $1", rows[0]["id"])
    finally:
        await house.stop()
        await harness.close()
