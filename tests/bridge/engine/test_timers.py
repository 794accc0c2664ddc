"""Timers outlive the process, fire once, and say when the machine's clock was set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.model.events import Event, TimerDue
from bot.model.feature import Step
from bot.model.transactional_actions import DropTimer, SetTimer
from bridge.engine import engine, timers
from bridge.engine.timers import BATCH, Timers
from bridge.runtime.crash_points import nowhere
from bridge.storage import serialization
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves, SetClock


class Bench:
    """Timers alone, on a real store; `woken` are owners the engine was told of."""

    def __init__(self, nerves: Nerves) -> None:
        self.nerves = nerves
        self.machine = SetClock(nerves.clock.at)
        self.woken: list[str] = []
        self.rest = asyncio.Event()
        self.rest.set()
        self.timers = Timers(
            store=nerves.store,
            vault=nerves.vault,
            clock=nerves.clock,
            wake_engine=self.woken.append,
            crash=nowhere,
            rested=self._rested,
            machine=self.machine.wall,
        )

    async def _rested(self) -> None:
        await self.rest.wait()

    async def set(self, key: str, due: float, *, owner: str = "t1") -> None:
        """Write a timer's row, as the engine does."""
        await self.nerves.vault.create(owner)
        await self.nerves.store.commit(lambda conn: timers.put(conn, owner, SetTimer(key=key, due=due)))
        self.timers.changed()

    async def fired(self) -> list[tuple[str, str]]:
        """Owner and key of every fired timer that is in an inbox, in order."""
        rows = await self.nerves.store.fetch("SELECT owner, kind, body FROM inbox WHERE kind = 'TimerDue' ORDER BY seq")
        told = []
        for row in rows:
            event: TimerDue = serialization.decode(
                row["kind"], await self.nerves.vault.open(row["owner"], "inbox", row["body"])
            )
            told.append((row["owner"], event.key))
        return told

    async def jumps(self) -> list[int]:
        """Return the jumps that the desk was told of, in seconds."""
        rows = await self.nerves.store.fetch("SELECT kind, body FROM inbox WHERE owner = 'desk' ORDER BY seq")
        return [
            serialization.decode(r["kind"], await self.nerves.vault.open("desk", "inbox", r["body"])).seconds for r in rows
        ]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.engine.load()
    made = Bench(nerves)
    running = asyncio.create_task(made.timers.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await nerves.end()


async def test_timers_without_a_key_keep_nobody_waiting(bench: Bench) -> None:
    """As many timers as fit into a batch, of an owner whose key is gone, are put off; others fire."""
    due = bench.nerves.clock.at - 10
    await bench.nerves.vault.create("gone")
    gone = [SetTimer(key=f"key{n}", due=due) for n in range(BATCH)]

    async def commit(conn: Any) -> None:
        for timer in gone:
            await timers.put(conn, "gone", timer)

    await bench.nerves.vault.destroy("gone")
    await bench.nerves.store.commit(commit)
    await bench.set("silence", due + 5)
    await until("the other fires", lambda: _some(bench), within=5, every=0.01)
    assert await bench.fired() == [("t1", "silence")]
    late = bench.nerves.clock.at + timers.WITHOUT_KEY
    rows = await bench.nerves.store.fetch("SELECT owner, due FROM timer")
    assert [(row["owner"], row["due"]) for row in rows] == [("gone", late)] * BATCH


async def test_who_waits_is_known(bench: Bench) -> None:
    """While a timer of that key is set for anybody, something waits; afterwards nothing does."""
    assert not await bench.timers.waiting("send")
    await bench.set("send", bench.nerves.clock.at + 10)
    assert await bench.timers.waiting("send")
    assert not await bench.timers.waiting("idle")


async def test_a_timer_fires_when_it_is_due_and_once(bench: Bench) -> None:
    """Not before, not twice; whoever it belongs to is woken."""
    await bench.set("send", bench.nerves.clock.at + 10)
    await asyncio.sleep(0.1)
    assert await bench.fired() == []
    bench.nerves.clock.at += 10
    bench.machine.at += 10
    bench.timers.changed()
    await until("it fired", lambda: _some(bench), within=5, every=0.01)
    bench.timers.changed()
    await asyncio.sleep(0.1)
    assert await bench.fired() == [("t1", "send")]
    assert bench.woken == ["t1"]
    assert await bench.nerves.count("timer") == 0


async def test_the_same_key_replaces(bench: Bench) -> None:
    """Setting a timer again moves it, for that owner only."""
    now = bench.nerves.clock.at
    await bench.set("send", now + 10)
    await bench.set("send", now + 10, owner="t2")
    await bench.set("send", now + 1000)
    bench.nerves.clock.at = bench.machine.at = now + 11
    bench.timers.changed()
    await until("the other one fired", lambda: _some(bench), within=5, every=0.01)
    await asyncio.sleep(0.1)
    assert await bench.fired() == [("t2", "send")]
    assert await bench.nerves.store.fetchval("SELECT due FROM timer WHERE owner = 't1'") == now + 1000


async def test_a_timer_that_was_due_in_the_downtime_fires_at_the_start(tmp_path: Path) -> None:
    """What became due while nothing ran is due at once after the start, and a dropped timer is not."""
    first = Nerves(tmp_path)
    await first.open()
    await first.engine.load()
    bench = Bench(first)
    await bench.set("send", first.clock.at + 10)
    await bench.set("gone", first.clock.at + 10)
    await first.store.commit(lambda conn: timers.put(conn, "t1", DropTimer(key="gone")))
    await first.end()
    again = Nerves(tmp_path, clock=SetClock(first.clock.at + 3600))
    await again.open()
    later = Bench(again)
    running = asyncio.create_task(later.timers.run())
    await until("it fired", lambda: _some(later), within=5, every=0.01)
    assert await later.fired() == [("t1", "send")]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await again.end()


async def test_a_timer_set_by_a_decision_fires_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that a decision sets is seen at once, whatever the timers were sleeping for."""

    def decide(_pack: Any, facts: Any, aggregate: Any, event: Event) -> Step[Any]:
        heard.append(type(event).__name__)
        return Step(aggregate, () if isinstance(event, TimerDue) else (SetTimer(key="x", due=facts.now),))

    heard: list[str] = []
    monkeypatch.setattr(engine, "decide", decide)
    monkeypatch.setattr(timers, "LONGEST_SLEEP", 600.0)
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.run()
    await asyncio.sleep(0.1)
    await nerves.arrive("hello", message_id="1")
    await until("the timer was decided", lambda: _heard(heard), every=0.01)
    assert heard == ["TextArrived", "TimerDue"]
    await nerves.end()


async def test_more_than_a_batch_fires(bench: Bench) -> None:
    """However many are due at once, each fires once, the earliest first."""
    now = bench.nerves.clock.at
    await bench.nerves.vault.create("t1")

    async def many(conn: Any) -> None:
        for n in range(BATCH + 20):
            await timers.put(conn, "t1", SetTimer(key=f"k{n:03}", due=now - 1000 + n))

    await bench.nerves.store.commit(many)
    bench.timers.changed()
    await until("all fired", lambda: _fired(bench, BATCH + 20), within=10, every=0.02)
    assert await bench.fired() == [("t1", f"k{n:03}") for n in range(BATCH + 20)]


async def test_the_next_batch_waits_until_the_last_one_is_decided(bench: Bench) -> None:
    """However many are due at once, only a few stand before a text that comes now."""
    now = bench.nerves.clock.at
    await bench.nerves.vault.create("t1")

    async def many(conn: Any) -> None:
        for n in range(3 * BATCH):
            await timers.put(conn, "t1", SetTimer(key=f"k{n:03}", due=now - 1000 + n))

    bench.rest.clear()
    await bench.nerves.store.commit(many)
    bench.timers.changed()
    await until("the first ones fired", lambda: _fired(bench, BATCH), within=10, every=0.02)
    await asyncio.sleep(0.2)
    assert len(await bench.fired()) == BATCH
    bench.rest.set()
    await until("all fired", lambda: _fired(bench, 3 * BATCH), within=10, every=0.02)


async def test_the_engine_rests_when_hardly_anybody_waits(tmp_path: Path) -> None:
    """What has time goes on only while few owners wait for a decision."""
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.engine.load()
    await asyncio.wait_for(nerves.engine.rested(), 5)
    owners = [f"t{n}" for n in range(engine.FEW + 1)]
    for owner in owners:
        nerves.engine.wake(owner)
    rests = asyncio.create_task(nerves.engine.rested())
    await asyncio.sleep(0.05)
    assert not rests.done()
    await nerves.run()
    await asyncio.wait_for(rests, 5)
    await nerves.end()


async def test_a_jump_of_the_clock_is_told_once(bench: Bench) -> None:
    """When the machine's clock was set by more than a minute the desk hears it once, and timers keep their length."""
    await bench.set("send", bench.nerves.clock.at + 600)
    bench.machine.at += 7200
    bench.timers.changed()
    await until("the desk was told", lambda: _jumped(bench), within=5, every=0.01)
    for _ in range(3):
        bench.timers.changed()
        await asyncio.sleep(0.05)
    assert await bench.jumps() == [7200]
    assert await bench.fired() == []
    assert "desk" in bench.woken


async def test_small_corrections_are_not_told(bench: Bench) -> None:
    """What time synchronisation does all day is no jump."""
    bench.machine.at += 59
    bench.timers.changed()
    await asyncio.sleep(0.1)
    assert await bench.jumps() == []


async def test_a_full_disk_delays_timers_and_the_telling(bench: Bench) -> None:
    """While nothing can be written nothing fires; afterwards everything does, once."""
    bench.nerves.store.full = False
    await bench.set("send", bench.nerves.clock.at + 1)
    bench.nerves.store.full = True
    bench.nerves.clock.at += 2
    bench.machine.at += 2 + 90
    bench.timers.changed()
    await until("it was tried", lambda: _refused(bench), within=5, every=0.01)
    assert await bench.fired() == []
    bench.nerves.store.full = False
    await until("it fired", lambda: _some(bench), within=5, every=0.01)
    assert await bench.fired() == [("t1", "send")]
    assert await bench.jumps() == [90]


async def _some(bench: Bench) -> bool | None:
    return bool(await bench.fired()) or None


async def _fired(bench: Bench, count: int) -> bool | None:
    return len(await bench.fired()) >= count or None


async def _jumped(bench: Bench) -> bool | None:
    return bool(await bench.jumps()) or None


async def _refused(bench: Bench) -> bool | None:
    return bench.nerves.store.refused > 0 or None


async def _heard(heard: list[str]) -> bool | None:
    return "TimerDue" in heard or None
