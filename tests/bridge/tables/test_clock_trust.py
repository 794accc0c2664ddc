"""A machine whose clock was set destroys nothing by its age before a person has looked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.lifecycle.retention import CLOSE
from bot.model.line_incidents import ClockJumped
from bot.model.transactional_actions import SetTimer
from bridge.engine import timers as module
from bridge.engine.timers import Timers
from bridge.runtime.crash_points import nowhere
from bridge.storage import serialization
from bridge.tables import clock_trust
from bridge.tables.clock_trust import Reading
from tests.fakes.nerves import Nerves

DAY = 86_400


@pytest.fixture
async def nerves(tmp_path: Path) -> AsyncIterator[Nerves]:
    made = Nerves(tmp_path)
    await made.open()
    await made.vault.create("t1")
    await made.vault.create("desk")
    yield made
    await made.end()


class Machine:
    """A machine whose clock can be set, and that can be started again."""

    def __init__(self, at: float) -> None:
        self.wall, self.passed, self.boot = at, 1000.0, "first"

    def reading(self) -> Reading:
        return Reading(self.wall, self.passed, self.boot)

    def timers(self, nerves: Nerves) -> Timers:
        return Timers(
            store=nerves.store,
            vault=nerves.vault,
            clock=nerves.clock,
            wake_engine=lambda _owner: None,
            crash=nowhere,
            rested=nerves.rested,
            machine=lambda: self.wall,
            readings=self.reading,
        )


async def set_timer(nerves: Nerves, key: str, due: float) -> None:
    await nerves.store.commit(lambda conn: module.put(conn, "t1", SetTimer(key=key, due=due)))


async def fired(nerves: Nerves) -> list[str]:
    rows = await nerves.store.fetch("SELECT kind, body FROM inbox WHERE owner = 't1' ORDER BY seq")
    return [serialization.decode(r["kind"], await nerves.vault.open("t1", "inbox", r["body"])).key for r in rows]


async def alerts(nerves: Nerves) -> list[int]:
    rows = await nerves.store.fetch("SELECT kind, body FROM inbox WHERE owner = 'desk' ORDER BY seq")
    told = [serialization.decode(r["kind"], await nerves.vault.open("desk", "inbox", r["body"])) for r in rows]
    return [event.seconds for event in told if isinstance(event, ClockJumped)]


async def drain(timers: Timers) -> None:
    await timers._watch_clock()
    while await timers.tick() == 0.0:
        pass


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day on", "a day back"])
async def test_what_destroys_waits_and_what_does_not_goes_on(nerves: Nerves, jump: float) -> None:
    """After the clock was set by a day either way a text's window still ends; a thread is closed only after `!time ok`."""
    machine = Machine(nerves.clock.at)
    timers = machine.timers(nerves)
    await set_timer(nerves, "send", nerves.clock.at + 8)
    await set_timer(nerves, CLOSE, nerves.clock.at + 8)
    machine.wall += jump
    nerves.clock.at += 8
    await drain(timers)
    assert await fired(nerves) == ["send"]
    assert [abs(seconds) // 3600 for seconds in await alerts(nerves)] in ([24], [23])
    await drain(timers)
    assert await fired(nerves) == ["send"]
    await nerves.store.commit(clock_trust.trust)
    await drain(timers)
    assert await fired(nerves) == ["send", CLOSE]


@pytest.mark.parametrize(
    ("seconds", "jump", "boot", "doubted"),
    [
        (3600.0, 0.0, "first", False),
        (3600.0, DAY, "first", True),
        (3600.0, -DAY, "first", True),
        (3600.0, 0.0, "second", False),
        (3600.0, DAY, "second", True),
        (3600.0, -DAY, "second", True),
    ],
)
async def test_a_jump_between_two_runs_is_found(
    nerves: Nerves, seconds: float, jump: float, boot: str, doubted: bool
) -> None:
    """Set while the program did not run, over a restart of the machine too: doubted at the start, before anything goes."""
    machine = Machine(nerves.clock.at)
    await machine.timers(nerves)._doubt.note()
    machine.wall += seconds + jump
    machine.passed = machine.passed + seconds if boot == machine.boot else 50.0
    machine.boot = boot
    await machine.timers(nerves).settle()
    assert await clock_trust.doubted(nerves.store) is doubted
    assert (len(await alerts(nerves)) == 1) is doubted


async def test_the_first_start_doubts_nothing(nerves: Nerves) -> None:
    """With nothing to compare with there is no doubt, and the clock is noted once a minute, not more often."""
    machine = Machine(nerves.clock.at)
    timers = machine.timers(nerves)
    await timers.settle()
    assert not await clock_trust.doubted(nerves.store)
    await timers._doubt.note()
    machine.passed += 59
    await timers._doubt.note()
    noted = await nerves.store.fetchval("SELECT value FROM line WHERE name = 'clock_last'")
    assert noted == f"{machine.wall} 1000.0 first"


@pytest.mark.parametrize(
    ("last", "now", "jump"),
    [
        ("1000.0 500.0 b", (1100.0, 600.0, "b"), 0),
        ("1000.0 500.0 b", (1000.0 + DAY, 600.0, "b"), DAY - 100),
        ("100000.0 500.0 b", (100000.0 - DAY, 600.0, "b"), -DAY - 100),
        ("1000.0 500.0 b", (1000.0 + 3600, 10.0, "c"), 0),
        ("1000.0 500.0 b", (1000.0 + 2 * DAY, 10.0, "c"), 2 * DAY),
        ("100000.0 500.0 b", (10000.0, 10.0, "c"), -90000),
        ("1000.0 500.0 ", (1100.0, 600.0, ""), 0),
    ],
)
def test_a_clock_that_was_set_while_nobody_ran_is_found(last: str, now: tuple[float, float, str], jump: int) -> None:
    """With the same start of the machine exactly; over a restart of it, a step back or more than half a day is doubted."""
    assert clock_trust.jumped(last, Reading(*now)) == jump
