"""Nobody waits alone: who is called, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import DESK, PageOnCall, SendMessage
from bot.model.desk import DeskMember
from bot.model.events import TimerDue
from bot.model.flood import Flood
from bot.model.line_incidents import DeadLetterRecorded
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, ThreadMarked, ThreadQueued
from bot.model.transactional_actions import CancelTimer, SetTimer
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


def test_reminders_that_are_due_together_are_posted_one_a_second() -> None:
    """Each thread is still called for, and one with a sign of danger at once: an answer at the desk waits for no burst."""
    desk, owners = staffed_desk(), [f"t{number}" for number in range(40)]
    for thread in owners:
        waits = ThreadQueued(thread=thread, designation=f"amber {thread}", since=NOW, danger=thread == "t2")
        desk = replace(then(desk, waits).aggregate, flood=Flood())
    due, reminded = {f"wait:{thread}:0": NOW + 120 for thread in owners}, list[tuple[float, str]]()
    while due:
        key = min(due, key=lambda key: due[key])
        at_second = due.pop(key) - NOW
        step = then(desk, TimerDue(key=key), at(at_second))
        desk = step.aggregate
        due |= {timer.key: timer.due for timer in of(SetTimer, step) if timer.key == key}
        reminded += [(at_second, post.ref) for post in of(SendMessage, step) if post.ref == key]
    assert {ref for _, ref in reminded} == {f"wait:{thread}:0" for thread in owners}
    assert (120, "wait:t2:0") in reminded, "a sign of danger waits for none"
    others = [second for second, ref in reminded if ref != "wait:t2:0"]
    assert len(set(others)) == len(others), "two reminders in one second"
    assert max(others) <= 120 + len(owners)


@pytest.mark.parametrize("rung", [0, 2])
def test_texters_whose_waits_end_in_one_minute_are_one_call_outside(rung: int) -> None:
    """Fifty pages say no more than one. Whoever waits too long a minute later is a call of their own."""
    off = tuple(replace(seat, on_duty=False) for seat in MEMBERS)
    desk = replace(staffed_desk(), roster=off if rung == 0 else MEMBERS)
    for thread in (T1, T2, "t3"):
        desk = replace(then(desk, replace(WAITS, thread=thread)).aggregate, flood=Flood())
    pages = []
    for thread, second in ((T1, 600), (T2, 602), ("t3", 661)):
        step = then(desk, TimerDue(key=f"wait:{thread}:{rung}"), at(second, roster=desk.roster))
        desk = step.aggregate
        assert [post.ref for post in of(SendMessage, step) if post.ref != "board"] == [f"wait:{thread}:{rung}"]
        pages.append(len(of(PageOnCall, step)))
    assert pages == [1, 0, 1]


def test_with_nobody_on_duty_only_the_person_on_call_is_called_again() -> None:
    """The desk is not filled with reminders that ring nobody; several who wait are one call outside."""
    off = tuple(replace(seat, on_duty=False) for seat in MEMBERS)
    desk = then(then(replace(staffed_desk(), roster=off), WAITS).aggregate, replace(WAITS, thread=T2)).aggregate
    step = then(desk, TimerDue(key=f"wait:{T1}:3"), at(9000, roster=off))
    assert ([post for post in of(SendMessage, step) if post.ref != "board"], len(of(PageOnCall, step))) == ([], 1)
    assert of(PageOnCall, then(step.aggregate, TimerDue(key=f"wait:{T2}:3"), at(9100, roster=off))) == []


def test_people_who_showed_no_sign_are_not_waited_for() -> None:
    """Where all on duty got a thread unasked and did not answer, the first reminder calls the person on call."""
    for away in (True, False):
        roster = tuple(replace(seat, away=away or seat.user == ANA) for seat in MEMBERS)
        desk = then(replace(staffed_desk(), roster=roster), WAITS).aggregate
        step = then(desk, TimerDue(key=f"wait:{T1}:0"), at(120, roster=roster))
        assert len(of(PageOnCall, step)) == away


def test_whoever_said_stop_is_not_called_for_again() -> None:
    """Until they text once more: nobody is woken each hour over a STOP."""
    desk = then(then(staffed_desk(), WAITS).aggregate, AlarmRaised(designation="amber heron", alarm=AlarmKind.STOPPED))
    step = then(desk.aggregate, TimerDue(key=f"wait:{T1}:3"), at(9000))
    assert ("still waiting" in words(step), of(PageOnCall, step)) == (False, [])
    assert [timer.key for timer in of(SetTimer, step) if timer.key.startswith("wait:")] == [f"wait:{T1}:3"]
    again = then(step.aggregate, AlarmRaised(designation="amber heron", alarm=AlarmKind.TEXT_AFTER_STOP), at(9001))
    assert "still waiting" in words(then(again.aggregate, TimerDue(key=f"wait:{T1}:3"), at(9999)))


def test_a_start_is_called_for_within_minutes() -> None:
    """Whoever said STOP while they waited, and then START, asks for a person again: no hour passes before anybody hears."""
    desk = then(then(staffed_desk(), WAITS).aggregate, AlarmRaised(designation="amber heron", alarm=AlarmKind.STOPPED))
    step = then(desk.aggregate, TimerDue(key=f"wait:{T1}:3"), at(9000))
    (timer,) = [timer for timer in of(SetTimer, step) if timer.key.startswith("wait:")]
    assert timer.due <= NOW + 9000 + PACK.settings.unclaimed_on_call
    again = then(step.aggregate, AlarmRaised(designation="amber heron", alarm=AlarmKind.RESUMED), at(9001))
    assert "still waiting" in words(then(again.aggregate, TimerDue(key=timer.key), at(timer.due - NOW)))


@pytest.mark.practice(30)
@pytest.mark.parametrize(
    "event",
    [
        AlarmRaised(designation="amber heron", alarm=AlarmKind.HELP),
        AlarmRaised(designation="amber heron", alarm=AlarmKind.TEXT_AFTER_STOP),
        ThreadMarked(thread=T1, danger=True, language=""),
        DeadLetterRecorded(short_id="0badcafe", new_texter=True),
        DeadLetterRecorded(short_id="0badcafe", uncalled=True),
    ],
)
def test_what_rings_nobody_calls_outside(event: Any) -> None:
    """A word for help, a sign of danger, or words that could not be shown, at night: the desk alone tells nobody."""
    off = tuple(replace(seat, on_duty=False) for seat in MEMBERS)
    desk = then(staffed_desk(), WAITS).aggregate
    assert of(PageOnCall, then(desk, event, at(9000))) == [], "those on duty are rung"
    step = then(replace(desk, roster=off), event, at(9000, roster=off))
    assert len(of(PageOnCall, step)) == 1
    if isinstance(event, DeadLetterRecorded):  # a damaged file makes many
        assert of(PageOnCall, then(step.aggregate, event, at(9060, roster=off))) == []


def test_a_reminder_is_a_new_message_without_content() -> None:
    """A reminder says who waits for how long, loudly, and nothing else."""
    desk = then(staffed_desk(), WAITS).aggregate
    (post,) = [post for post in of(SendMessage, then(desk, TimerDue(key=f"wait:{T1}:0"), at(120))) if post.ref != "board"]
    assert (post.notice, post.ref) == (False, f"wait:{T1}:0")
    assert post.body.endswith("amber heron · still waiting, 2 min")


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


@pytest.mark.practice(30)
def test_an_escalation_calls_supervisors_on_duty_only() -> None:
    """With a supervisor on duty the desk's alarm mentions them and nobody is called outside."""
    tom = DeskMember(user="@tom:line.example", role=MEMBERS[2].role, on_duty=False)
    roster = (*MEMBERS, tom)
    alarm = AlarmRaised(designation="amber heron", alarm=AlarmKind.ESCALATED)
    step = then(replace(staffed_desk(), roster=roster), alarm, at(0, roster=roster))
    assert [post.mentions for post in of(SendMessage, step) if post.ref != "board"] == [(SUE,)]
    assert of(PageOnCall, step) == []


def test_no_reminder_is_set_twice() -> None:
    """A thread that waits has one reminder at a time: the next is set when one was said, and there is always a next."""
    desk = then(staffed_desk(), WAITS).aggregate
    for rung, after in ((0, [f"wait:{T1}:1"]), (1, [f"wait:{T1}:2"]), (2, [f"wait:{T1}:3"]), (3, [f"wait:{T1}:3"])):
        step = then(desk, TimerDue(key=f"wait:{T1}:{rung}"), at(600))
        assert [timer.key for timer in of(SetTimer, step) if timer.key.startswith("wait:")] == after
