"""The bridge is killed once at every named point of a claim and of an answer's way to the phone."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from bridge.engine.timers import FREEZE, MAX_SLEEP
from bridge.outbound.startup_hold import MAX_HOLD
from bridge.runtime.crash_points import CrashPoint
from tests.bridge.crash.agency import Agency, crashed
from tests.bridge.crash.story import MOMENTS, Moment, run_story
from tests.e2e.carrier_api import handset
from tests.e2e.polling import StepFailed, wait_until
from tests.e2e.staff_client import TimelineItem

pytestmark = [pytest.mark.crash, pytest.mark.e2e, pytest.mark.timeout(1800), pytest.mark.asyncio(loop_scope="module")]
ROLE = "advocate"
LOG_BYTES = 50_000
"""A limit of a file's size above the log's and below the database's: no commit succeeds."""


@pytest.mark.parametrize(
    ("point", "moment"),
    [(point, moment) for point, moments in MOMENTS.items() for moment in moments if moment is not Moment.TEXT],
    ids=lambda chosen: chosen.name,
)
async def test_nothing_is_lost_or_doubled(agency: Agency, point: CrashPoint, moment: Moment) -> None:
    """Killed here and started again: every text once and in order, the answer at most once, with one true receipt.

    What is on its way is empty in the end, nothing died, and no key and no room is left that belongs to nobody
    (ARCHITECTURE.md, "Invariants"). The answer is missing or in doubt only where the carrier had to be asked blindly.
    """
    await run_story(agency, point, moment)


@pytest.mark.parametrize("point", [CrashPoint.TIMER_DUE, CrashPoint.TIMER_FIRED], ids=lambda point: point.name)
async def test_words_taken_back_while_nobody_ran_stay_here(agency: Agency, point: CrashPoint) -> None:
    """Said, the bridge dies when they should leave, their author redacts them, it starts again: they do not leave.

    What is said afterwards does, so nothing was only late.
    """
    line, scene, number = agency.line, agency.scene, handset()
    talk = await scene.start_conversation(agency.person, number, f"hello before {point.name}")
    deaths = line.crashes
    line.crash_at(point)
    line.may_start.clear()
    try:
        said = await agency.person.say(talk.room, "meant for another room")
        await wait_until("the bridge died", lambda: crashed(line, deaths), within=30, every=0.01)
        await agency.person.redact(talk.room, said)
    finally:
        line.cancel_crash()
        line.may_start.set()
    await line.up()
    await agency.person.say(talk.room, "still here")
    await scene.carrier.wait_for_delivery(number, "still here")
    assert "meant for another room" not in await scene.carrier.texts_delivered(number)


async def test_words_taken_back_while_the_bridge_was_frozen_stay_here(agency: Agency) -> None:
    """Said, the bridge is stopped for longer than the undo window, their author redacts them, it goes on."""
    pid = agency.line.pid
    await _take_back_during(
        agency, partial(os.kill, pid, signal.SIGSTOP), partial(os.kill, pid, signal.SIGCONT), MAX_SLEEP + FREEZE + 1
    )


@pytest.mark.sqlite_only
async def test_words_taken_back_while_the_disk_was_full_stay_here(agency: Agency) -> None:
    """Said, no commit succeeds for longer than words wait for a homeserver, their author redacts them, there is space."""
    limit = partial(resource.prlimit, agency.line.pid, resource.RLIMIT_FSIZE)
    full, free = (LOG_BYTES, resource.RLIM_INFINITY), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    await _take_back_during(agency, partial(limit, full), partial(limit, free), MAX_HOLD + 2)


async def _take_back_during(agency: Agency, begin: Callable[[], object], end: Callable[[], object], seconds: float) -> None:
    """Redact words during an outage that begins while they wait and lasts for some seconds: they do not leave.

    What is said afterwards does, so nothing was only late.
    """
    scene, number = agency.scene, handset()
    talk = await scene.start_conversation(agency.person, number, "hello before the outage")

    async def words_waiting() -> TimelineItem | None:
        item = await agency.person.say(talk.room, f"meant for another room {numbers.pop()}")
        with suppress(StepFailed):
            await wait_until("the words wait", waiting, within=1, every=0.01)
        begin()
        if await waiting():
            return item
        end()  # they left already, on a busy machine
        return None

    async def waiting() -> bool | None:
        return bool(agency.line.rows("SELECT 1 FROM timer WHERE key = 'send'")) or None

    numbers = list(range(100))
    item = await wait_until("words wait while nothing goes on", words_waiting)
    try:
        await agency.person.redact(talk.room, item)
        await asyncio.sleep(seconds)
    finally:
        end()
    await agency.person.say(talk.room, "still here")
    await scene.carrier.wait_for_delivery(number, "still here")
    assert item.body not in await scene.carrier.texts_delivered(number)
