"""A second word that crosses what holds words: it is about what its author had read, and lets nothing else leave."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.actions import DeliveryReceipt
from bot.model.desk import Thread
from bot.model.events import Event
from bot.model.feature import Step
from tests.bot.examples import arrived, at, due, held, marks, said, texts, then, words
from tests.bot.strategies import ANA, BEN, NOW, WARNED

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
