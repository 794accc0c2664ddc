"""What rings nobody at the desk is a call outside, at most every quarter of an hour, and is never forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, PageOnCall, SendMessage
from bot.model.desk import Desk
from bot.model.events import Event, TimerDue
from bot.model.flood import PAGE_INTERVAL
from bot.model.line_incidents import DEAD_LETTER, DeadLetterRecorded, GapKind, TextsMissing
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, ThreadQueued
from bot.model.transactional_actions import SetTimer
from bot.staffing.alarms import ANYWAY, LATER
from tests.bot.examples import at, of, then
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, SUE

ALONE = tuple(replace(member, on_duty=False) for member in MEMBERS)
UNTOLD = DeadLetterRecorded(short_id="0badcafe", untold=True)


def paged_desk() -> Desk:
    """Return a desk with nobody on duty, for which the person on call was called a minute ago."""
    gap = TextsMissing(kind=GapKind.REFUSED)
    step = then(Desk(roster=ALONE), gap, at(-60, roster=ALONE))
    assert len(of(PageOnCall, step)) == 1
    desk: Desk = step.aggregate
    return desk


@pytest.mark.parametrize(
    "event",
    [
        AlarmRaised(designation="amber heron", alarm=AlarmKind.HELP),
        DeadLetterRecorded(short_id="0badcafe", designation="amber heron"),
        DeadLetterRecorded(short_id="0badcafe", uncalled=True),
    ],
)
def test_another_incident_within_the_quarter_of_an_hour_is_called_for_later(event: Event) -> None:
    """It may be worse than the first, and the person on call may have looked before it: it is late, and never lost."""
    step = then(paged_desk(), event, at(0, roster=ALONE))
    assert of(PageOnCall, step) == []
    (timer,) = [timer for timer in of(SetTimer, step) if timer.key == LATER]
    assert timer.due == NOW - 60 + PAGE_INTERVAL
    due = timer.due - NOW
    assert len(of(PageOnCall, then(step.aggregate, TimerDue(key=LATER), at(due, roster=ALONE)))) == 1
    came = replace(step.aggregate, roster=MEMBERS)
    assert of(PageOnCall, then(came, TimerDue(key=LATER), at(due))) == [], "whoever came has read it"


def test_what_the_desk_cannot_be_told_is_a_call() -> None:
    """A notice that cannot be shown makes no other notice; a person outside is called, also while people are on duty."""
    step = then(Desk(roster=MEMBERS), UNTOLD)
    assert [post for post in of(SendMessage, step) if post.ref != "board"] == []
    assert len(of(PageOnCall, step)) == 1
    again = then(step.aggregate, UNTOLD, at(5))
    assert of(PageOnCall, again) == []
    (timer,) = [timer for timer in of(SetTimer, again) if timer.key == ANYWAY]
    assert len(of(PageOnCall, then(again.aggregate, TimerDue(key=ANYWAY), at(timer.due - NOW)))) == 1


@pytest.mark.parametrize("changed", [{}, {"designation": "amber heron"}, {"uncalled": True}, {"keyless": True}])
def test_the_notice_of_a_dead_letter_is_known_as_one(changed: dict[str, str | bool]) -> None:
    """Otherwise a desk that takes no message would get one notice after the other, without end."""
    step = then(Desk(roster=MEMBERS), DeadLetterRecorded(short_id="0badcafe", **changed))  # type: ignore[arg-type]
    (post,) = [post for post in of(SendMessage, step) if post.ref != "board"]
    assert (post.place, post.ref) == (DESK, f"{DEAD_LETTER}0badcafe")


def test_danger_in_the_first_text_is_a_call_when_nobody_is_on_duty() -> None:
    """Whoever is in danger does not wait for the first reminder; others do."""
    for danger in (True, False):
        queued = ThreadQueued(thread="t1", designation="amber heron", since=NOW, danger=danger)
        assert len(of(PageOnCall, then(Desk(roster=ALONE), queued, at(0, roster=ALONE)))) == danger
        assert of(PageOnCall, then(Desk(roster=MEMBERS), queued)) == []


def test_whoever_does_not_read_is_not_the_only_one_who_is_called() -> None:
    """An advocate alone at night who has fallen asleep: the desk would ring them alone, so a person outside is called."""
    raised = AlarmRaised(designation="amber heron", alarm=AlarmKind.UNREAD, by=ANA)
    with_ben = then(Desk(roster=MEMBERS[:2]), raised, at(0, roster=MEMBERS[:2]))
    (alarm,) = [post for post in of(SendMessage, with_ben) if post.ref != "board"]
    assert (alarm.mentions, of(PageOnCall, with_ben)) == ((BEN,), [])
    alone = then(Desk(roster=MEMBERS[:1]), raised, at(0, roster=MEMBERS[:1]))
    assert len(of(PageOnCall, alone)) == 1


def test_a_supervisor_who_asks_for_one_calls_another() -> None:
    """The only supervisor on duty cannot be their own help: everybody else is called, and the person on call."""
    raised = AlarmRaised(designation="amber heron", alarm=AlarmKind.ESCALATED, by=SUE)
    step = then(Desk(roster=MEMBERS), raised)
    (alarm,) = [post for post in of(SendMessage, step) if post.ref != "board"]
    assert (alarm.mentions, len(of(PageOnCall, step))) == ((ANA, BEN), 1)
    by_ana = then(Desk(roster=MEMBERS), replace(raised, by=ANA))
    (alarm,) = [post for post in of(SendMessage, by_ana) if post.ref != "board"]
    assert (alarm.mentions, of(PageOnCall, by_ana)) == ((SUE,), [])
