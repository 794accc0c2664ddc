"""The marks of a thread at the desk: on its card, on the board, in the order of who waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, EditMessage, SendMessage
from bot.model.desk import Desk
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, Assigned, ThreadMarked, ThreadQueued
from tests.bot.examples import at, at_desk, of, staffed_desk, then, told
from tests.bot.strategies import ANA, BEN, NAMED, NOW, OWNERS, SUE


def queued(desk: Desk, number: int = 0, **changed: object) -> Desk:
    """Return the desk with one more thread that waits, each later than the one before."""
    event = ThreadQueued(thread=OWNERS[number], designation=NAMED[number], since=NOW + number, **changed)  # type: ignore[arg-type] # fields of the event
    step: Step[Desk] = then(desk, event, at(number))
    return step.aggregate


def marked(desk: Desk, number: int = 0, *, danger: bool = True, language: str = "") -> ThreadMarked:
    """Return the event that marks a thread."""
    return ThreadMarked(thread=OWNERS[number], danger=danger, language=language)


@pytest.mark.practice(39)
def test_a_card_bears_the_marks_of_its_thread() -> None:
    """A sign of danger and a language stand on the first card and on the reminders; without them it is as it was."""
    event = ThreadQueued(thread=OWNERS[0], designation=NAMED[0], since=NOW, danger=True, language="es")
    step = then(staffed_desk(), event)
    (card,) = (post for post in of(SendMessage, step) if post.ref.startswith("card:"))
    assert card.body.splitlines()[0] == "✋ amber heron · waiting ⚠️ · es"
    again = then(step.aggregate, TimerDue(key=f"wait:{OWNERS[0]}:0"), at(120))
    (reminder,) = (post for post in of(SendMessage, again) if post.ref.startswith("wait:"))
    assert reminder.body == "✋ amber heron · still waiting, 2 min ⚠️ · es"
    plain = then(staffed_desk(), replace(event, danger=False, language=""))
    (card,) = (post for post in of(SendMessage, plain) if post.ref.startswith("card:"))
    assert card.body.splitlines()[0] == "✋ amber heron · waiting"


def test_who_waits_under_a_sign_of_danger_comes_first() -> None:
    """`!claim` without a name, and the board, begin with the thread that has a sign, however short it waits."""
    desk = queued(queued(queued(staffed_desk())), 1, danger=True)
    desk = queued(desk, 2)
    assert [entry.designation for entry in desk.waiting] == ["quiet maple", "amber heron", "plain river"]
    board = then(desk, at_desk("!board"), at(10))
    rows = [line for line in of(SendMessage, board)[-1].body.splitlines() if "queued" in line]
    assert [row.split(" · ")[0] for row in rows] == ["quiet maple ⚠️", "amber heron", "plain river"]
    claimed = then(desk, at_desk("!claim"), at(10))
    assert [event for event in told(claimed.actions, OWNERS[1]) if isinstance(event, Assigned)]


def test_a_sign_after_the_card_changes_it_and_calls_people_on_duty() -> None:
    """The card is edited, and one new message calls those on duty; it can be tapped like a card. Once."""
    desk = queued(staffed_desk())
    desk = then(desk, at_desk("!off", sender=BEN), at(1)).aggregate
    step = then(desk, marked(desk), at(5))
    (edit,) = (edit for edit in of(EditMessage, step) if edit.ref.startswith("card:"))
    assert edit.body.splitlines()[0] == "✋ amber heron · waiting ⚠️"
    (call,) = of(SendMessage, step)
    assert (call.place, call.notice, call.reactions, call.ref) == (DESK, False, ("✋",), f"wait:{OWNERS[0]}:danger")
    assert set(call.mentions) == {ANA, SUE}
    assert "waiting" in call.body
    assert of(SendMessage, then(step.aggregate, marked(desk), at(6))) == []
    assert of(SendMessage, then(step.aggregate, marked(desk, language="es"), at(7))) == []


def test_who_waits_and_says_a_word_for_help_stands_before_who_only_waits() -> None:
    """HELP brings the sign and a place in front, behind danger; once. A silent exit brings neither."""
    desk = queued(queued(queued(staffed_desk()), 1), 2)
    quiet = then(desk, AlarmRaised(designation="plain river", alarm=AlarmKind.LEFT_QUIETLY), at(5))
    assert [entry.designation for entry in quiet.aggregate.waiting] == ["amber heron", "quiet maple", "plain river"]
    help_said = AlarmRaised(designation="plain river", alarm=AlarmKind.HELP)
    step = then(desk, help_said, at(5))
    (edit,) = (edit for edit in of(EditMessage, step) if edit.ref.startswith("card:"))
    assert edit.body.splitlines()[0] == "✋ plain river · waiting ⚠️"
    assert "plain river: said a word for help" in "".join(post.body for post in of(SendMessage, step))
    assert [entry.designation for entry in step.aggregate.waiting] == ["plain river", "amber heron", "quiet maple"]
    assert [e for e in of(EditMessage, then(step.aggregate, help_said, at(6))) if e.ref.startswith("card:")] == []
    both = then(step.aggregate, marked(desk, 1), at(7)).aggregate
    assert [entry.designation for entry in both.waiting] == ["quiet maple", "plain river", "amber heron"]
    claimed = then(step.aggregate, at_desk("!claim"), at(8))
    assert [event for event in told(claimed.actions, OWNERS[2]) if isinstance(event, Assigned)]
    assert "plain river ⚠️" not in claimed.aggregate.board
