"""Whoever asks for the next one gets it, and who comes first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import DESK
from bot.model.desk import Desk
from bot.model.events import ReactionAdded
from bot.model.thread_desk_events import Assigned, DuressFlagChanged, ThreadMarked, ThreadQueued
from tests.bot.examples import at, at_desk, staffed_desk, then, told, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, OWNERS, with_settings

T1, T2 = OWNERS[:2]
WAITS = ThreadQueued(thread=T1, designation="amber heron", since=NOW)


def asks(desk: Desk, sender: str = ANA) -> Desk:
    """Return the desk after a person asked for whoever comes next."""
    result: Desk = then(desk, at_desk("!claim", sender=sender)).aggregate
    return result


@pytest.mark.parametrize(("seconds", "assignees"), [(0.0, [ANA]), (30.0, [ANA]), (30.5, [])])
def test_a_claim_on_an_empty_queue_stands_for_half_a_minute(seconds: float, assignees: list[str]) -> None:
    """Whoever comes within thirty seconds is given to whoever asked, with a card; later they wait like anybody."""
    step = then(asks(staffed_desk()), WAITS, at(seconds))
    assert [event.assignee for event in told(step.actions, T1) if isinstance(event, Assigned)] == assignees
    assert "amber heron · waiting" in words(step)
    second = then(step.aggregate, replace(WAITS, thread=T2, designation="quiet maple"), at(seconds))
    assert told(second.actions, T2) == [], "one question has one answer"


def test_first_come_first_served() -> None:
    """Of two who asked, the first gets the next thread and the second the one after."""
    desk = asks(asks(staffed_desk()), BEN)
    step = then(desk, WAITS, at(5))
    assert told(step.actions, T1) == [Assigned(assignee=ANA, designation="amber heron")]
    step = then(step.aggregate, replace(WAITS, thread=T2, designation="quiet maple"), at(6))
    assert told(step.actions, T2) == [Assigned(assignee=BEN, designation="quiet maple")]


@pytest.mark.practice(39)
@pytest.mark.parametrize(
    "mark", [ThreadMarked(thread=T2, danger=True, language=""), DuressFlagChanged(thread=T2, duress=True)]
)
@pytest.mark.parametrize("by", ["word", "board"])
def test_danger_and_duress_come_before_who_waits_longer(mark: Any, by: str) -> None:
    """`!claim` takes a thread with a sign of danger, or duress, before one that came earlier; so does the board."""
    desk = then(staffed_desk(), WAITS, at(1)).aggregate
    desk = then(desk, replace(WAITS, thread=T2, designation="quiet maple", since=NOW + 60), at(60)).aggregate
    marked = then(desk, mark, at(61)).aggregate
    for state, first, other in ((desk, "amber heron", "quiet maple"), (marked, "quiet maple", "amber heron")):
        if by == "board":
            lines = then(state, at_desk("!board"), at(62)).aggregate.board.splitlines()
            order = [line.startswith(first) for line in lines if line.startswith((first, other))]
            assert order[0], lines
        else:
            claimed = then(state, at_desk("!claim"), at(62))
            owner = T1 if first == "amber heron" else T2
            assert told(claimed.actions, owner) == [Assigned(assignee=ANA, designation=first)]


def test_whoever_asked_and_went_gets_nothing() -> None:
    """Off duty, gone from the desk, or at the cap by now: the next thread waits for another person."""
    desk = then(asks(staffed_desk()), at_desk("!off")).aggregate
    assert told(then(desk, WAITS, at(5)).actions, T1) == []
    without_ana = replace(asks(staffed_desk()), roster=MEMBERS[1:])
    assert told(then(without_ana, WAITS, at(5)).actions, T1) == []


@pytest.mark.practice(34)
def test_at_the_cap_nobody_is_promised_the_next() -> None:
    """Whoever may not have one more is not told that the next one is theirs (practice 34)."""
    world = Simulation(with_settings(cap=1), threads=2)
    world.open(T1, ANA)
    world.say(DESK, ANA, "!claim")
    world.settle()
    assert "which is the most" in world.seen(DESK)
    world.text(T2, "hi")
    assert world.assignee(T2) is None


@pytest.mark.parametrize("by", ["word", "hand"])
def test_off_duty_nobody_takes_a_thread(by: str) -> None:
    """Whoever is off duty is told to say `!on` first; then they may."""
    desk = then(then(staffed_desk(), WAITS).aggregate, at_desk("!off")).aggregate
    hand = ReactionAdded(place=DESK, sender=ANA, event_id="$r", key="✋", target=f"card:{T1}", trusted=True)
    event = at_desk("!claim amber heron") if by == "word" else hand
    step = then(desk, event)
    assert told(step.actions, T1) == []
    assert "!on" in words(step)
    assignment = Assigned(assignee=ANA, designation="amber heron")
    assert told(then(then(desk, at_desk("!on")).aggregate, event).actions, T1) == [assignment]
