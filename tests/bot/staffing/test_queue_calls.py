"""Nobody waits alone: who is called, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, PageOnCall, SendMessage
from bot.model.events import TimerDue
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, ThreadQueued
from bot.model.transactional_actions import CancelTimer
from tests.bot.examples import at, at_desk, of, staffed_desk, then, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, OWNERS, PACK, SUE

T1, T2 = OWNERS[:2]
WAITS = ThreadQueued(thread=T1, designation="amber heron", since=NOW)


@pytest.mark.practice(30)
def test_the_ladder() -> None:
    """At two minutes everybody on duty is called, at five the supervisors, at ten everybody and the person on call."""
    world = Simulation(PACK, threads=1)
    world.tell(DESK, at_desk("!off", sender=BEN))
    world.text(T1, "hi, are you there?")
    world.settle()
    started_at, called = world.now, []
    for _ in range(4000):
        posts, pages = len(world.rooms), world.pages
        world.pass_time(1)
        world.settle()
        new = [post for _, post in world.rooms[posts:] if isinstance(post, SendMessage) and post.mentions]
        called += [(world.now - started_at, set(post.mentions), world.pages - pages) for post in new]
    assert called == [(120, {ANA, SUE}, 0), (300, {SUE}, 0), (600, {ANA, SUE}, 1)]


@pytest.mark.practice(30)
def test_whoever_still_waits_is_called_for_again_and_again() -> None:
    """After the last step of the ladder: each hour people on duty and the person on call, for as long as nobody comes."""
    world = Simulation(PACK, threads=1)
    world.text(T1, "hi, are you there?")
    world.settle()
    world.pass_time(120)
    world.settle()
    world.pass_time(180)
    world.settle()
    world.pass_time(300)
    world.settle()
    for hours in range(1, 30):
        posts, pages = len(world.rooms), world.pages
        world.pass_time(PACK.settings.unclaimed_again)
        world.settle()
        calls = [post for _, post in world.rooms[posts:] if isinstance(post, SendMessage) and post.mentions]
        assert [(set(post.mentions), "still waiting" in post.body) for post in calls] == [({ANA, BEN, SUE}, True)], hours
        assert world.pages - pages == 1
    world.tap(DESK, ANA, "✋", f"wait:{T1}:3")
    assert world.assignee(T1) == ANA, "each reminder can be tapped"


@pytest.mark.practice(30)
def test_with_nobody_on_duty_whoever_is_on_call_is_called_at_once() -> None:
    """When nobody here is on duty, the first reminder already calls the person on call, and mentions nobody."""
    seats = tuple(replace(seat, on_duty=False) for seat in MEMBERS)
    for roster in (seats, ()):
        desk = then(replace(staffed_desk(), roster=roster), WAITS).aggregate
        step = then(desk, TimerDue(key=f"wait:{T1}:0"), at(120, roster=roster))
        assert len(of(PageOnCall, step)) == 1
        assert [post.mentions for post in of(SendMessage, step) if post.ref != "board"] == [()]


def test_whoever_is_taken_is_not_called_out() -> None:
    """A claim drops the reminders; one that was due already says nothing."""
    desk = then(staffed_desk(), WAITS).aggregate
    step = then(desk, at_desk("!claim"))
    assert {timer.key for timer in of(CancelTimer, step)} >= {f"wait:{T1}:{rung}" for rung in range(3)}
    late = then(step.aggregate, TimerDue(key=f"wait:{T1}:1"), at(300))
    assert "still waiting" not in words(late)
    assert of(PageOnCall, late) == []


def test_a_call_says_nothing() -> None:
    """What leaves Matrix when a person is called is a word about why, and no designation."""
    desk = replace(staffed_desk(), roster=MEMBERS[:2])
    waits = then(desk, WAITS).aggregate
    pages = of(PageOnCall, then(waits, TimerDue(key=f"wait:{T1}:2"), at(600)))
    alarm = AlarmRaised(designation="amber heron", alarm=AlarmKind.ESCALATED)
    pages += of(PageOnCall, then(desk, alarm, at(0, roster=desk.roster)))
    assert [page.reason for page in pages] == ["waiting", "escalated"]
