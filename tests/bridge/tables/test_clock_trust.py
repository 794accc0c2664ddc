"""A machine whose clock was set destroys nothing by its age before a person has looked."""

from __future__ import annotations

import pytest

from bot.lifecycle.retention import CLOSE
from bot.model.line_incidents import ClockJumped
from bot.model.transactional_actions import SetTimer
from bridge.engine import timers as module
from bridge.engine.timers import Timers
from bridge.services import WakeUps
from bridge.storage import serialization
from bridge.tables import clock_trust
from bridge.tables.clock_trust import ClockSample
from tests.fakes.bridge_harness import BridgeHarness

DAY = 86_400
YEAR = 365 * DAY


@pytest.fixture
async def harness(harness: BridgeHarness) -> BridgeHarness:
    await harness.vault.create("t1")
    await harness.vault.create("desk")
    return harness


class FakeMachine:
    """A machine whose clock can be set, and that can be started again."""

    def __init__(self, at: float) -> None:
        self.wall, self.passed, self.boot = at, 1000.0, "first"

    def reading(self) -> ClockSample:
        return ClockSample(self.wall, self.passed, self.boot)

    def timers(self, harness: BridgeHarness, woken: list[str] | None = None) -> Timers:
        return Timers(
            harness.services_with(WakeUps(engine=(woken if woken is not None else []).append)),
            wait_until_idle=harness.wait_until_idle,
            late_after=harness.pack.settings.late_after_seconds,
            system_time=lambda: self.wall,
            sample=self.reading,
        )


async def set_timer(harness: BridgeHarness, key: str, due: float) -> None:
    await harness.database.commit(lambda transaction: module.write(transaction, "t1", SetTimer(key=key, due=due)))


async def fired(harness: BridgeHarness) -> list[str]:
    rows = await harness.database.fetch("SELECT kind, body FROM inbox WHERE owner = 't1' ORDER BY seq")
    return [serialization.decode(r["kind"], await harness.vault.open("t1", "inbox", r["body"])).key for r in rows]


async def alerts(harness: BridgeHarness) -> list[int]:
    rows = await harness.database.fetch("SELECT kind, body FROM inbox WHERE owner = 'desk' ORDER BY seq")
    events = [serialization.decode(r["kind"], await harness.vault.open("desk", "inbox", r["body"])) for r in rows]
    return [event.seconds for event in events if isinstance(event, ClockJumped)]


async def drain(timers: Timers) -> None:
    await timers._check_clock()
    while await timers.fire_due() == 0.0:
        pass


async def drain_or_start_again(machine: FakeMachine, harness: BridgeHarness, timers: Timers) -> Timers:
    """Fire what is due; where the line begins again to go by the machine's clock, fire it in the next run."""
    try:
        await drain(timers)
    except module.SystemClockCorrected:
        harness.clock.at = machine.wall
        timers = machine.timers(harness)
        await timers.recover()
        await drain(timers)
    return timers


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day on", "a day back"])
async def test_what_destroys_waits_and_what_does_not_goes_on(harness: BridgeHarness, jump: float) -> None:
    """After the clock was set by a day either way a text's window still ends; a thread is closed only after `!time ok`."""
    machine = FakeMachine(harness.clock.at)
    timers = machine.timers(harness)
    await set_timer(harness, "send", harness.clock.at + 8)
    await set_timer(harness, CLOSE, harness.clock.at + 8)
    machine.wall += jump
    harness.clock.at += 8
    timers = await drain_or_start_again(machine, harness, timers)
    assert await fired(harness) == ["send"]
    assert [abs(seconds) // 3600 for seconds in await alerts(harness)] in ([24], [23])
    await drain(timers)
    assert await fired(harness) == ["send"]
    await harness.database.commit(clock_trust.trust)
    await drain_or_start_again(machine, harness, timers)
    assert await fired(harness) == ["send", CLOSE]


@pytest.mark.parametrize(
    ("seconds", "jump", "boot", "doubted"),
    [
        (3600.0, 0.0, "first", False),
        (3600.0, DAY, "first", True),
        (3600.0, -DAY, "first", True),
        (3600.0, 0.0, "second", False),
        (3600.0, DAY, "second", True),
        (3600.0, -DAY, "second", True),
        (3600.0, YEAR, "second", True),
        (3600.0, -YEAR, "second", True),
    ],
)
async def test_a_jump_between_two_runs_is_found(
    harness: BridgeHarness, seconds: float, jump: float, boot: str, doubted: bool
) -> None:
    """Set while the program did not run, over a restart of the machine too: doubted at the start, before anything goes."""
    machine = FakeMachine(harness.clock.at)
    await machine.timers(harness)._clock_check.record_sample()
    machine.wall += seconds + jump
    machine.passed = machine.passed + seconds if boot == machine.boot else 50.0
    machine.boot = boot
    harness.clock.at = machine.wall
    woken: list[str] = []
    await machine.timers(harness, woken).recover()
    assert ("desk" in woken) >= doubted, "the engine has read the inbox before"
    assert await clock_trust.is_distrusted(harness.database) is doubted
    assert (len(await alerts(harness)) == 1) is doubted


async def test_a_kill_after_the_clock_was_put_back_tells_the_desk_no_second_time(harness: BridgeHarness) -> None:
    """What was told stands in the commit that told it: a death a moment later finds no new jump."""
    machine = FakeMachine(harness.clock.at)
    timers = machine.timers(harness)
    await timers.run_once()
    machine.wall -= DAY
    await timers.run_once()
    harness.clock.at = machine.wall
    for _ in range(2):
        await machine.timers(harness).recover()
    assert len(await alerts(harness)) == 1
