"""What rings nobody at the desk is a call outside, at most every quarter of an hour, and is never forgotten."""

from __future__ import annotations

from dataclasses import replace

from bot.model.actions import PageOnCall, SendMessage
from bot.model.desk import Desk
from bot.model.events import TimerDue
from bot.model.line_incidents import DeadLetterRecorded
from bot.model.thread_desk_events import ThreadQueued
from bot.model.transactional_actions import SetTimer
from bot.staffing.alarms import ANYWAY
from tests.bot.examples import at, of, then
from tests.bot.strategies import MEMBERS, NOW

ALONE = tuple(replace(member, on_duty=False) for member in MEMBERS)
UNTOLD = DeadLetterRecorded(short_id="0badcafe", untold=True)


def test_what_the_desk_cannot_be_told_is_a_call() -> None:
    """A notice that cannot be shown makes no other notice; a person outside is called, also while people are on duty."""
    step = then(Desk(roster=MEMBERS), UNTOLD)
    assert [post for post in of(SendMessage, step) if post.ref != "board"] == []
    assert len(of(PageOnCall, step)) == 1
    again = then(step.aggregate, UNTOLD, at(5))
    assert of(PageOnCall, again) == []
    (timer,) = [timer for timer in of(SetTimer, again) if timer.key == ANYWAY]
    assert len(of(PageOnCall, then(again.aggregate, TimerDue(key=ANYWAY), at(timer.due - NOW)))) == 1


def test_danger_in_the_first_text_is_a_call_when_nobody_is_on_duty() -> None:
    """Whoever is in danger does not wait for the first reminder; others do."""
    for danger in (True, False):
        queued = ThreadQueued(thread="t1", designation="amber heron", since=NOW, danger=danger)
        assert len(of(PageOnCall, then(Desk(roster=ALONE), queued, at(0, roster=ALONE)))) == danger
        assert of(PageOnCall, then(Desk(roster=MEMBERS), queued)) == []
