"""A second word that crosses what holds words: it is about what its author had read, and lets nothing else leave."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.actions import DeliveryReceipt
from bot.model.desk import Thread
from bot.model.events import Event, Outcome, Relation, TextOutcome
from bot.model.feature import Step
from tests.bot.examples import arrived, at, due, held, marks, said, texts, then, words
from tests.bot.strategies import ANA, BEN, LONG, NOW, UNDO, WARNED
from tests.every_row import every_row

SIGNS: list[Event] = [
    arrived("he's here", id="b", seconds=5),
    arrived("stop texting me", id="b", seconds=5),
    arrived("who is this", id="b", seconds=5),
]
STOPS: list[Event] = [said("!stop", sender=BEN, event_id="$x", at=NOW + 5), said("unsafe", event_id="$x", at=NOW + 5)]
"""What a person of the room says to stop what waits: no doubt stands for it."""


def say(thread: Thread, body: str, seconds: float, *, later: float = 0.0, **changed: Any) -> Step[Any]:
    """Let Ana say something at that time; it is decided so many seconds later."""
    return then(thread, said(body, sender=ANA, at=NOW + seconds, **changed), at(seconds + later))


def stopped(event: Event, *, warned: bool = True) -> Thread:
    """Return a thread with words that were held at once, if there are such, and others that this event stopped."""
    thread = say(held(), WARNED[0], 0, event_id="$a").aggregate if warned else held()
    step: Step[Thread] = then(say(thread, "I am here", 2, event_id="$b").aggregate, event, at(5))
    assert marks(step)["$b"] is DeliveryReceipt.HELD
    return step.aggregate


@pytest.mark.parametrize("event", [*SIGNS, *STOPS])
def test_alone_it_is_about_the_last_words_that_were_held_before_it(event: Event) -> None:
    """What was stopped while `!anyway` was typed stays held, and nothing of it counts as read."""
    step = say(stopped(event), "!anyway", 4, later=1, event_id="$s")
    assert "$b" not in marks(step)
    assert "I am here" not in texts(due(step.aggregate, 60))
    assert "$b" in [words.event_id for words in step.aggregate.sending.held]
    assert step.aggregate.signs.answered == frozenset()
    by_sign = event in SIGNS
    assert texts(due(step.aggregate, 60)) == ([] if by_sign else [WARNED[0]])
    assert ("If you are sure: !anyway" in words(step)) == by_sign, "the earlier words are asked about"
    following = say(step.aggregate, "ok", 7, event_id="$c")
    assert marks(following) == {"$c": DeliveryReceipt.HELD if by_sign else DeliveryReceipt.LEAVING}


@every_row("target", ["", "$b"])
@every_row("event", [*SIGNS, *STOPS])
def test_words_that_were_held_since_leave_by_the_next_one(event: Event, target: str) -> None:
    """Its author reads that it crossed; once they have, one more word lets them leave."""
    about: dict[str, Any] = {"relation": Relation.OTHER_REPLY, "target": target} if target else {}
    step = say(stopped(event, warned=False), "!anyway", 4, later=1, event_id="$s", **about)
    assert marks(step) == {"$s": DeliveryReceipt.NOTE}
    assert "while you said it" in words(step)
    assert texts(due(step.aggregate, 60)) == []
    sure = say(step.aggregate, "!anyway", 6, event_id="$s2", **about)
    assert marks(sure)["$b"] is DeliveryReceipt.LEAVING
    assert texts(due(sure.aggregate, 6 + UNDO)) == ["I am here"]


def test_it_does_not_answer_a_question_that_it_crosses() -> None:
    """Words that are asked about once more need a word from after that question, though they have been held for long."""
    thread = then(say(held(), WARNED[0], 0).aggregate, SIGNS[0], at(5)).aggregate
    question = say(thread, "!anyway", 6, later=1, event_id="$s")
    assert "break off" in words(question)
    crossing = say(question.aggregate, "!anyway", 6.5, later=1, event_id="$s2")
    assert "while you said it" in words(crossing)
    assert (texts(due(crossing.aggregate, 60)), crossing.aggregate.signs.answered) == ([], frozenset())
    sure = say(crossing.aggregate, "!anyway", 9, event_id="$s3")
    assert texts(due(sure.aggregate, 9 + UNDO)) == [WARNED[0]]


def test_long_words_that_are_asked_about_twice_need_two_answers() -> None:
    """`!anyway` from before the second question answers none."""
    thread = say(held(), LONG + WARNED[0], 0).aggregate
    question = say(thread, "!long", 1, later=2, event_id="$s")
    assert "phone number" in words(question)
    crossing = say(question.aggregate, "!anyway", 2, later=1, event_id="$s2")
    assert texts(due(crossing.aggregate, 60)) == []
    sure = say(crossing.aggregate, "!anyway", 5, event_id="$s3")
    assert texts(due(sure.aggregate, 5 + UNDO)) == [LONG + WARNED[0]]


def test_what_became_unknown_while_it_was_typed_is_not_sent_twice() -> None:
    """`!again` is about the earlier message that is unknown, and not about the later one, which nobody has read of yet."""
    thread = held()
    for event_id, body, seconds in (("$a", "hello", 0), ("$b", "I am listening", 20)):
        thread = due(say(thread, body, seconds, event_id=event_id).aggregate, seconds + UNDO).aggregate
        outcome = TextOutcome(ref=f"say:{event_id}", outcome=Outcome.UNKNOWN)
        thread = then(thread, outcome, at(seconds + UNDO + 2)).aggregate
    step = say(thread, "!again", 29, later=1, event_id="$s")
    assert [pending.body for pending in step.aggregate.sending.pending] == ["hello"]
