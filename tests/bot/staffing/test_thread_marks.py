"""The marks of a thread at the desk: on its card, on the board, in the order of who waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, EditMessage, SendMessage
from bot.model.desk import Desk
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import (
    AlarmKind,
    AlarmRaised,
    Assigned,
    DuressFlagChanged,
    OfferChanged,
    ThreadMarked,
    ThreadQueued,
)
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


def test_a_language_alone_changes_the_card_and_calls_nobody() -> None:
    """Who speaks Spanish sees it on the card; it is no reason to ring."""
    desk = queued(staffed_desk())
    step = then(desk, marked(desk, danger=False, language="es"), at(5))
    assert [e.body.splitlines()[0] for e in of(EditMessage, step) if e.ref.startswith("card:")] == [
        "✋ amber heron · waiting · es"
    ]
    assert of(SendMessage, step) == []


def test_a_thread_with_an_advocate_is_marked_on_the_board_alone() -> None:
    """Its advocate has the cue in the room; the desk is not called, and what is offered to all shows the mark."""
    desk = queued(staffed_desk())
    desk = then(desk, at_desk("!claim"), at(1)).aggregate
    step = then(desk, marked(desk), at(5))
    assert of(SendMessage, step) == []
    assert [e for e in of(EditMessage, step) if e.ref.startswith("card:")] == []
    assert "amber heron ⚠️ · with ana" in step.aggregate.board
    offered = then(step.aggregate, OfferChanged(thread=OWNERS[0], open=True), at(6))
    assert [p.body.splitlines()[0] for p in of(SendMessage, offered) if p.ref.startswith("card:")] == [
        "✋ amber heron · ana offers it to everybody ⚠️"
    ]


def test_the_mark_stays_when_a_thread_goes_back_to_the_queue() -> None:
    """Who waits again is as much in danger as before, though the thread does not say it again."""
    desk = then(queued(staffed_desk(), danger=True, language="es"), at_desk("!claim"), at(1)).aggregate
    back = ThreadQueued(thread=OWNERS[0], designation=NAMED[0], since=NOW + 9, requeued=True)
    (entry,) = then(desk, back, at(9)).aggregate.waiting
    assert (entry.danger, entry.language) == (True, "es")


def test_duress_stands_before_danger_on_the_board() -> None:
    """Among open threads duress is first, then signs of danger, then the others."""
    desk = staffed_desk()
    for number, user in enumerate((ANA, BEN, SUE)):
        desk = queued(desk, number)
        desk = then(desk, at_desk("!claim", sender=user), at(number + 3)).aggregate
    desk = then(desk, marked(desk, 1), at(20)).aggregate
    desk = then(desk, DuressFlagChanged(thread=OWNERS[2], duress=True), at(30)).aggregate
    rows = [line.split(" · ")[0] for line in desk.board.splitlines() if " · with " in line]
    assert rows == ["plain river", "quiet maple ⚠️", "amber heron"]


def test_marks_of_a_thread_that_is_gone_change_nothing() -> None:
    """A mark that comes after the end of a conversation is nobody's."""
    desk = queued(staffed_desk())
    step = then(desk, ThreadMarked(thread="t9", danger=True, language=""), at(5))
    assert step.aggregate.threads == desk.threads
    assert of(SendMessage, step) == []


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


def test_who_asks_what_this_is_does_not_stand_like_a_cry_for_help() -> None:
    """INFO is told at the desk as a notice, and brings no sign, no place in front and no alarm on the board."""
    desk = queued(queued(staffed_desk()), 1)
    step = then(desk, AlarmRaised(designation="quiet maple", alarm=AlarmKind.INFO), at(5))
    (said,) = (post for post in of(SendMessage, step) if "quiet maple" in post.body)
    assert (said.body, said.mentions) == ("quiet maple: asks what this is. A person answers.", ())
    assert [entry.designation for entry in step.aggregate.waiting] == ["amber heron", "quiet maple"]
    assert step.aggregate.board.startswith("Alone: 2 · no sign of danger")
    assert "⚠️" not in step.aggregate.board


def test_the_board_comes_again_when_one_who_waits_asks_for_help() -> None:
    """Clients go on showing an old board: a word for help of one who waits posts it again, as danger does."""
    desk = queued(queued(staffed_desk()), 1)
    step = then(desk, AlarmRaised(designation="quiet maple", alarm=AlarmKind.HELP), at(5))
    (board,) = (edit for edit in of(EditMessage, step) if edit.ref == "board")
    assert (board.fresh, board.body.splitlines()[0]) == (True, "⚠️ Asking for help: 1 · alone: 2")
