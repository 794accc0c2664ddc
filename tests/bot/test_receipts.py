"""What became of a text: one receipt at a time, never backwards, and words where a person has to know."""

from __future__ import annotations

import pytest

from bot.actions import Mark
from bot.events import Outcome, TextOutcome
from bot.receipts import RANK, SHOWN
from tests.bot.examples import alarms, at, due, held, marks, of, said, then, words
from tests.bot.strategies import UNDO


@pytest.mark.parametrize(
    ("outcomes", "receipts"),
    [
        ("accepted", "SENT"),
        ("accepted delivered", "SENT DELIVERED"),
        ("accepted failed", "SENT NOT_SENT"),
        ("rejected", "NOT_SENT"),
        ("opted_out", "NOT_SENT"),
        ("unknown", "UNKNOWN"),
        ("unknown delivered", "UNKNOWN DELIVERED"),
        ("late", "HELD"),
        ("refused", "NOT_SENT"),
        ("delivered accepted", "DELIVERED"),
        ("accepted accepted", "SENT"),
        ("accepted unknown", "SENT"),
        ("accepted delivered failed", "SENT DELIVERED"),
        ("accepted failed delivered", "SENT NOT_SENT"),
    ],
)
def test_a_receipt_moves_forward(outcomes: str, receipts: str) -> None:
    """One receipt at a time; a report that is late, doubled or out of order does not take it back."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    seen = []
    for outcome in outcomes.split():
        step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome(outcome), code="30003"), at(20))
        thread = step.aggregate
        seen += [mark.receipt.name for mark in of(Mark, step)]
    assert seen == receipts.split()


def test_each_outcome_has_a_receipt_and_a_failure_has_words() -> None:
    """Every outcome is shown; whatever is neither sent nor delivered is told in words, with the carrier's code."""
    assert SHOWN.keys() == set(Outcome)
    assert RANK.keys() >= set(SHOWN.values())
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    for outcome in Outcome:
        step = then(thread, TextOutcome(ref="say:$m1", outcome=outcome, code="30003"))
        assert bool(words(step)) == (outcome not in (Outcome.ACCEPTED, Outcome.DELIVERED))
        assert ("30003" in words(step)) == (outcome in (Outcome.REJECTED, Outcome.FAILED))
    assert alarms(then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN))) == ["unknown_send"]
    assert alarms(then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.OPTED_OUT))) == ["opted_out"]


def test_what_became_of_an_automatic_answer_is_told() -> None:
    """An automatic answer has no message to mark; when it did not get through, the room is told in words."""
    for outcome in Outcome:
        step = then(held(), TextOutcome(ref="answer:a", outcome=outcome))
        assert marks(step) == {}
        assert bool(words(step)) == (outcome not in (Outcome.ACCEPTED, Outcome.DELIVERED))
