"""What somebody is told the first time, and once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import DESK, OFFICE, SendMessage
from bot.model.desk import Desk
from bot.model.events import ReactionAdded
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned, QuietChosen, Situation, SituationMet
from bot.model.transactional_actions import SendEvent
from bot.staffing.first_times import NEXT_REACTION, STEPS
from tests.bot import examples
from tests.bot.examples import arrived, at_desk, held, of, said, then, waiting, words
from tests.bot.strategies import ANA, BEN

NEWCOMERS = tuple(replace(member, met=()) for member in examples.FACTS.roster)
FACTS = replace(examples.FACTS, roster=NEWCOMERS)


def staffed_desk() -> Desk:
    """Return a desk whose people have met nothing yet."""
    return replace(examples.staffed_desk(), roster=NEWCOMERS)


def met(step: Step[Any]) -> set[tuple[str, Situation]]:
    """Return whom the desk hears of, and in which situation."""
    events = [send.event for send in of(SendEvent, step)]
    return {(event.user, event.situation) for event in events if isinstance(event, SituationMet)}


def told(desk: Desk, situation: Situation = Situation.NOTE, user: str = ANA) -> Step[Desk]:
    """Let the desk hear of a situation."""
    return then(desk, SituationMet(user=user, situation=situation))


@pytest.mark.parametrize(
    ("step", "situation"),
    [
        pytest.param(then(waiting(), Assigned(assignee=ANA), FACTS), Situation.CLAIM, id="claim"),
        pytest.param(then(held(), said("// she has to go soon"), FACTS), Situation.NOTE, id="note"),
        pytest.param(then(held(), said("call 212-555-0147 now"), FACTS), Situation.HELD, id="held"),
        pytest.param(then(held(), arrived("he has a knife", id="b"), FACTS), Situation.CUE, id="cue"),
    ],
)
def test_each_first_time_is_told_to_the_desk(step: Step[Any], situation: Situation) -> None:
    """A first thread, note, held word and cue are told, each of the person whom it is about."""
    assert (ANA, situation) in met(step)


@pytest.mark.parametrize("situation", Situation)
def test_it_is_said_once_in_the_office(situation: Situation) -> None:
    """One sentence, in the person's own office, which names nobody and so rings nobody; and never again."""
    step = told(staffed_desk(), situation)
    (post,) = [each for each in of(SendMessage, step) if each.place != DESK]
    assert post.place == OFFICE + ANA
    assert post.mentions == ()
    again = told(step.aggregate, situation)
    assert [each for each in of(SendMessage, again) if each.place != DESK] == []
    assert of(SendMessage, told(step.aggregate, situation, BEN))


def test_a_first_conversation_is_led_by_taps() -> None:
    """Each step comes when the one before it was tapped, in one's own office, and the last has nothing to tap."""
    step = told(staffed_desk(), Situation.CLAIM)
    for number in range(1, len(STEPS)):
        (post,) = [each for each in of(SendMessage, step) if each.place == OFFICE + ANA]
        assert post.reactions == (NEXT_REACTION,)
        assert f"{number} of {len(STEPS)}" in post.body
        tap = ReactionAdded(place=post.place, sender=ANA, event_id=f"$r{number}", key="▶", target=post.ref, trusted=False)
        assert of(SendMessage, then(step.aggregate, replace(tap, sender=BEN))) == []
        assert of(SendMessage, then(step.aggregate, replace(tap, place=DESK))) == []
        assert of(SendMessage, then(step.aggregate, replace(tap, key="✋"))) == []
        step = then(step.aggregate, tap)
    (last,) = [each for each in of(SendMessage, step) if each.place == OFFICE + ANA]
    assert last.reactions == ()
    tap = ReactionAdded(place=last.place, sender=ANA, event_id="$r", key="▶️", target=last.ref, trusted=True)
    assert of(SendMessage, then(step.aggregate, tap)) == []


def test_quiet_ends_it_and_begins_it_again() -> None:
    """`!quiet` at the desk or in a thread's room ends the sentences; `!quiet no` begins them from the first."""
    told_once = told(staffed_desk()).aggregate
    quiet = then(told_once, at_desk("!quiet")).aggregate
    assert [each for each in of(SendMessage, told(quiet, Situation.HELD)) if each.place != DESK] == []
    again = then(quiet, at_desk("!quiet no", event_id="$m2")).aggregate
    assert "Your first 📝" in words(told(again))
    in_thread = then(held(), said("!quiet"))
    (chosen,) = [send.event for send in of(SendEvent, in_thread) if isinstance(send.event, QuietChosen)]
    assert chosen == QuietChosen(user=ANA, quiet=True)
    assert then(told_once, chosen).aggregate.member(ANA).quiet is True
    unclear = then(quiet, at_desk("!quiet perhaps", event_id="$m3"))
    assert unclear.aggregate.member(ANA).quiet is True
    assert "!quiet no" in words(unclear)
