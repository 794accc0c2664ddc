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
from tests.bot.strategies import ANA, NOW, OWNERS

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
