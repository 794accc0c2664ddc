"""What a thread tells the desk of a drill."""

from __future__ import annotations

from bot.model.desk import Thread
from bot.model.events import Outcome, TextOutcome
from bot.model.thread_desk_events import DrillEnded, DrillReported
from bot.model.transactional_actions import SendEvent
from policies.drills.script import DrillFact
from tests.bot.examples import arrived, due, held, of, said, then
from tests.bot.strategies import NOW

TAG = "0badcafe0bad"


def told(step: object) -> list[DrillReported]:
    """Return what the desk is told of a drill."""
    return [each.event for each in of(SendEvent, step) if isinstance(each.event, DrillReported)]  # type: ignore[arg-type] # a step


def test_a_texters_thread_tells_nothing() -> None:
    """Where no drill is, no event of one is sent."""
    thread = held()
    for event in (arrived("hello", id="b"), said("hi"), said("!unsafe", event_id="$m2")):
        assert told(then(thread, event)) == []


def test_a_text_from_a_drill_makes_the_thread_one() -> None:
    """What the carrier says of the handset stands with the conversation, and the greeting that left is told."""
    step = then(Thread(id="t1", designation="amber heron"), arrived("hello", drill=TAG))
    assert step.aggregate.drill == TAG
    (report,) = told(step)
    assert report.tag == TAG
    assert report.came == NOW
    assert len(report.sent) == 1


def test_words_that_reached_the_phone_are_told() -> None:
    """What was said is told when it is said, as sent when it leaves, and as an answer when the carrier took it."""
    waiting = then(held(drill=TAG), said("I am here"))
    thread = due(waiting.aggregate, 30)
    ((ref, body),) = [pair for report in told(thread) for pair in report.sent]
    assert [(*report.said, report.said_at) for report in told(waiting)] == [(ref, NOW)]
    assert body == "I am here"
    (report,) = told(then(thread.aggregate, TextOutcome(ref=ref, outcome=Outcome.ACCEPTED)))
    assert report.outcome == (ref, True)
    assert report.facts == (DrillFact.ANSWERED,)
    (refused,) = told(then(thread.aggregate, TextOutcome(ref=ref, outcome=Outcome.REJECTED)))
    assert refused.outcome == (ref, False)
    assert refused.facts == ()


def test_a_thread_closes_after_its_drill() -> None:
    """The end of a drill closes its own thread, with the undo time of every `!close`, and no other."""
    end = DrillEnded(tag=TAG)
    assert then(held(drill=TAG), end).aggregate.lifecycle.closes_at > 0
    assert then(held(), end).aggregate.lifecycle.closes_at == 0
    assert then(held(drill=f"{TAG}.2"), end).aggregate.lifecycle.closes_at == 0
