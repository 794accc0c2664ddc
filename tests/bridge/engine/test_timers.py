"""Timers outlive the process, fire once, and say when the machine's clock was set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.model.events import TimerDue
from bot.model.transactional_actions import CancelTimer, SetTimer
from bot.sending import unsent_texts
from bridge.engine import timers
from bridge.engine.timers import FREEZE, FREEZE_HOLD, MAX_FREEZES, MAX_SLEEP, Timers
from bridge.outbound.startup_hold import MAX_HOLD
from bridge.services import WakeUps
from bridge.storage import serialization
from bridge.tables import clock_trust
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness, ManualClock


class WatchedTimers(Timers):
    """Timers that say when a look at what is due has ended."""

    looks: asyncio.Queue[None]

    async def fire_due(self) -> float:
        try:
            return await super().fire_due()
        finally:
            self.looks.put_nowait(None)


class TimersHarness:
    """Timers alone, on a real store; `woken` are owners the engine was told of."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.harness = harness
        self.system_time, self.monotonic = ManualClock(harness.clock.at), ManualClock(1000.0)
        self.woken: list[str] = []
        self.rest = asyncio.Event()
        self.rest.set()
        self.asked_to_rest = asyncio.Event()
        self.caught_up = asyncio.Event()
        self.caught_up.set()
        self.timers = WatchedTimers(
            harness.services_with(WakeUps(engine=self.woken.append)),
            wait_until_idle=self._rested,
            late_after=harness.pack.settings.late_after_seconds,
            is_caught_up=self.caught_up.is_set,
            system_time=self.system_time.now,
            monotonic=self.monotonic.now,
        )
        self.timers.looks = asyncio.Queue()

    async def look(self) -> None:
        """Have the timers look at the clock and at every row once, from now on; what does not fire then does not fire."""
        while not self.timers.looks.empty():
            self.timers.looks.get_nowait()
        for _ in range(2):  # the first one to end may have begun before
            self.timers.loop.wake()
            await self.timers.looks.get()

    async def _rested(self) -> None:
        self.asked_to_rest.set()
        await self.rest.wait()

    async def set(self, key: str, due: float, *, owner: str = "t1") -> None:
        """Write a timer's row, as the engine does."""
        await self.harness.vault.create(owner)
        await self.harness.database.commit(lambda transaction: timers.write(transaction, owner, SetTimer(key=key, due=due)))
        self.timers.loop.wake()

    async def fired(self) -> list[tuple[str, str]]:
        """Owner and key of every fired timer that is in an inbox, in order."""
        rows = await self.harness.database.fetch("SELECT owner, kind, body FROM inbox WHERE kind = 'TimerDue' ORDER BY seq")
        pairs = []
        for row in rows:
            event: TimerDue = serialization.decode(
                row["kind"], await self.harness.vault.open(row["owner"], "inbox", row["body"])
            )
            pairs.append((row["owner"], event.key))
        return pairs

    async def jumps(self) -> list[int]:
        """Return the jumps that the desk was told of, in seconds."""
        rows = await self.harness.database.fetch("SELECT kind, body FROM inbox WHERE owner = 'desk' ORDER BY seq")
        return [
            serialization.decode(r["kind"], await self.harness.vault.open("desk", "inbox", r["body"])).seconds for r in rows
        ]


@pytest.fixture
async def timers_harness(tmp_path: Path) -> AsyncIterator[TimersHarness]:
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.engine.load()
    wrapper = TimersHarness(harness)
    running = asyncio.create_task(wrapper.timers.loop.run())
    yield wrapper
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await harness.close()


async def test_words_wait_after_a_freeze_until_it_is_read_what_their_author_did(timers_harness: TimersHarness) -> None:
    """Words wait for a moment, other timers do not, and so they do after another freeze soon after."""
    harness, key = timers_harness.harness, min(unsent_texts.TIMERS)
    await timers_harness.look()
    for number in range(1, 2 * MAX_FREEZES + 1):
        timers_harness.monotonic.at += MAX_SLEEP + FREEZE + 0.01
        await timers_harness.set(key, harness.clock.at)
        await timers_harness.set("silence", harness.clock.at, owner="t2")
        await timers_harness.look()
        expected = [("t1", key), ("t2", "silence")] * number
        assert sorted(await timers_harness.fired()) == sorted(expected[1:])
        for _ in range(2):
            timers_harness.monotonic.at += FREEZE_HOLD / 2
            await timers_harness.look()
        assert sorted(await timers_harness.fired()) == sorted(expected)


@pytest.mark.parametrize("answers", [False, True])
async def test_words_wait_for_a_homeserver_that_does_not_answer(timers_harness: TimersHarness, answers: bool) -> None:
    """Their author may have taken them back there: they leave when it answers, or after the longest hold of a start."""
    timers_harness.caught_up.clear()
    now = timers_harness.harness.clock.at
    for key in ("send", "reply", "silence"):
        await timers_harness.set(key, now)
    await timers_harness.look()
    assert await timers_harness.fired() == [("t1", "silence")]
    if answers:
        timers_harness.caught_up.set()
    else:
        timers_harness.harness.clock.at += MAX_HOLD
        timers_harness.system_time.at += MAX_HOLD
    await timers_harness.look()
    assert sorted(await timers_harness.fired()) == [("t1", "reply"), ("t1", "send"), ("t1", "silence")]


async def test_a_timer_fires_when_it_is_due_and_once(timers_harness: TimersHarness) -> None:
    """Not before, not twice; whoever it belongs to is woken."""
    await timers_harness.set("send", timers_harness.harness.clock.at + 10)
    await timers_harness.look()
    assert await timers_harness.fired() == []
    timers_harness.harness.clock.at += 10
    timers_harness.system_time.at += 10
    for _ in range(2):
        await timers_harness.look()
    assert await timers_harness.fired() == [("t1", "send")]
    assert timers_harness.woken == ["t1"]
    assert await timers_harness.harness.count("timer") == 0


async def test_the_same_key_replaces(timers_harness: TimersHarness) -> None:
    """Setting a timer again moves it, for that owner only."""
    now = timers_harness.harness.clock.at
    await timers_harness.set("send", now + 10)
    await timers_harness.set("send", now + 10, owner="t2")
    await timers_harness.set("send", now + 1000)
    timers_harness.harness.clock.at = timers_harness.system_time.at = now + 11
    for _ in range(2):
        await timers_harness.look()
    assert await timers_harness.fired() == [("t2", "send")]
    assert await timers_harness.harness.database.fetchval("SELECT due FROM timer WHERE owner = 't1'") == now + 1000


async def test_a_timer_that_was_due_in_the_downtime_fires_at_the_start(tmp_path: Path) -> None:
    """What became due while nothing ran is due at once after the start, and a dropped timer is not."""
    first = BridgeHarness(tmp_path)
    await first.open()
    await first.engine.load()
    timers_harness = TimersHarness(first)
    await timers_harness.set("send", first.clock.at + 10)
    await timers_harness.set("gone", first.clock.at + 10)
    await first.database.commit(lambda transaction: timers.write(transaction, "t1", CancelTimer(key="gone")))
    await first.close()
    again = BridgeHarness(tmp_path, clock=ManualClock(first.clock.at + 3600))
    await again.open()
    later = TimersHarness(again)
    running = asyncio.create_task(later.timers.loop.run())
    await wait_until("it fired", lambda: _some(later), every=0.01)
    assert await later.fired() == [("t1", "send")]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await again.close()


async def test_a_jump_of_the_clock_is_told_once(timers_harness: TimersHarness) -> None:
    """When the machine's clock was set by more than a minute the desk hears it once, and timers keep their length."""
    await timers_harness.set("send", timers_harness.harness.clock.at + 600)
    timers_harness.system_time.at -= 7200
    for _ in range(4):
        await timers_harness.look()
    assert await timers_harness.jumps() == [-7200]
    assert await timers_harness.fired() == []
    assert "desk" in timers_harness.woken


async def test_a_pause_of_the_machine_begins_the_line_again(tmp_path: Path) -> None:
    """Its clock is hours ahead, and ours stood still: no timer fires in this run, and no text leaves the outbox."""
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.run()
    await harness.receive_text("hello", message_id="m1")
    await harness.wait_until_drained()
    text_count = len(harness.carrier.sent)
    late = harness.pack.settings.late_after_seconds
    wrapper = TimersHarness(harness)
    wrapper.timers._late_after = late
    await wrapper.set("send", harness.clock.at)
    wrapper.system_time.at += late - 1
    await wrapper.timers._check_clock()
    wrapper.system_time.at += 7200
    harness.clock.offset = late + 7200
    for _ in range(2):
        with pytest.raises(timers.SystemClockCorrected):
            await wrapper.timers.run_once()
    assert await wrapper.fired() == []
    assert await wrapper.jumps() == [late - 1, 7200]
    await harness.receive_text("STOP", message_id="m2")
    await harness.wait_until_put_off()
    assert len(harness.carrier.sent) == text_count
    harness.clock.offset = 0.0
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == text_count + 1
    await harness.close()


async def _nothing(_conn: Any) -> None:
    pass


async def _some(timers_harness: TimersHarness) -> bool | None:
    return bool(await timers_harness.fired()) or None


async def _refused(timers_harness: TimersHarness) -> bool | None:
    return timers_harness.harness.database.rejected_commits > 0 or None


async def _heard(heard: list[str]) -> bool | None:
    return "TimerDue" in heard or None


@pytest.mark.parametrize("key", sorted({*timers.WAIT_FOR_CLOCK, "block"}))
async def test_what_waits_for_the_clock_fires_once_it_is_trusted(timers_harness: TimersHarness, key: str) -> None:
    """Data that would be erased, and a block that would end."""
    database = timers_harness.harness.database
    await database.commit(clock_trust.distrust)
    await timers_harness.set(key, timers_harness.harness.clock.at - 1)
    await timers_harness.look()
    assert timers_harness.woken == []
    await database.commit(clock_trust.trust)
    await timers_harness.look()
    assert timers_harness.woken == ["t1"]
