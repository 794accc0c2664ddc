"""What became of a text: one receipt at a time, never backwards, and words where a person has to know."""

from __future__ import annotations

import pytest

from bot.model.actions import THREAD, SendSms, ShowReceipt
from bot.model.events import MessageRedacted, Outcome, TextOutcome
from bot.sending.delivery_receipts import RANK, RECEIPTS
from tests.bot.examples import alarms, arrived, at, due, held, marks, of, said, then, words
from tests.bot.strategies import ANA, UNDO
from tests.every_row import every_row


@every_row(
    ("outcomes", "receipts"),
    [
        ("accepted", "SENT"),
        ("accepted delivered", "SENT DELIVERED"),
        ("accepted failed", "SENT NOT_SENT"),
        ("rejected", "NOT_SENT"),
        ("opted_out", "NOT_SENT"),
        ("unknown", "UNKNOWN"),
        ("unknown delivered", "UNKNOWN DELIVERED"),
        ("unknown accepted", "UNKNOWN SENT"),
        ("unknown accepted delivered", "UNKNOWN SENT DELIVERED"),
        ("unknown failed", "UNKNOWN NOT_SENT"),
        ("accepted opted_out", "SENT NOT_SENT"),
        ("unknown opted_out", "UNKNOWN NOT_SENT"),
        ("delivered opted_out", "DELIVERED"),
        ("late", "HELD"),
        ("refused", "NOT_SENT"),
        ("delivered accepted", "DELIVERED"),
        ("accepted accepted", "SENT"),
        ("accepted unknown", "SENT"),
        ("accepted delivered failed", "SENT DELIVERED"),
        ("accepted failed delivered", "SENT NOT_SENT DELIVERED"),
    ],
)
def test_a_receipt_moves_forward(outcomes: str, receipts: str) -> None:
    """One receipt at a time; a report that is late, doubled or out of order does not take it back."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    names = []
    for outcome in outcomes.split():
        step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome(outcome), code="30003"), at(20))
        thread = step.aggregate
        names += [mark.receipt.name for mark in of(ShowReceipt, step)]
    assert names == receipts.split()


def test_each_outcome_has_a_receipt_and_a_failure_has_words() -> None:
    """Every outcome is shown; whatever is neither sent nor delivered is told in words, with the carrier's code."""
    assert RECEIPTS.keys() == set(Outcome)
    assert RANK.keys() >= set(RECEIPTS.values())
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    for outcome in Outcome:
        step = then(thread, TextOutcome(ref="say:$m1", outcome=outcome, code="30003"))
        assert bool(words(step)) == (outcome not in (Outcome.ACCEPTED, Outcome.DELIVERED))
        assert ("30003" in words(step)) == (outcome in (Outcome.REJECTED, Outcome.FAILED))
    assert alarms(then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN))) == ["unknown_send"]
    assert alarms(then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.OPTED_OUT))) == ["opted_out"]


def test_a_refused_confirmation_of_a_stop_is_no_second_alarm() -> None:
    """A carrier that acts on STOP itself refuses the answer to it: the room shows that, and the desk is called once."""
    step = then(held(), arrived("STOP", id="x"))
    assert alarms(step) == ["stopped"]
    (confirmation,) = of(SendSms, step)
    refused = TextOutcome(ref=confirmation.ref, outcome=Outcome.OPTED_OUT, code="21610")
    after = then(step.aggregate, refused)
    assert alarms(after) == []
    assert "opted out" in words(after)
    resumed = then(after.aggregate, arrived("START", id="y"))
    assert alarms(then(resumed.aggregate, refused)) == ["opted_out"]


@pytest.mark.parametrize(
    ("outcome", "receipt", "answer"),
    [
        ("refused", "RETRACTED", ""),
        ("late", "RETRACTED", ""),
        ("rejected", "RETRACTED", ""),
        ("accepted", "SENT", "left already"),
        ("unknown", "UNKNOWN", "not sent again"),
    ],
)
def test_what_became_of_words_that_were_taken_back(outcome: str, receipt: str, answer: str) -> None:
    """Taken back on their way: the receipt says whether that was in time, and they are never offered again."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, MessageRedacted(place=THREAD, sender=ANA, target="$m1"), at(9)).aggregate
    step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome(outcome)), at(10))
    assert [mark.receipt.name for mark in of(ShowReceipt, step)] == [receipt]
    assert answer in words(step)
    assert bool(answer) == bool(words(step))
    assert step.aggregate.sending.held == ()


def test_what_became_of_an_automatic_answer_is_told() -> None:
    """An automatic answer has no message to mark; when it did not get through, the room is told in words."""
    for outcome in Outcome:
        step = then(held(), TextOutcome(ref="answer:a", outcome=outcome))
        assert marks(step) == {}
        assert bool(words(step)) == (outcome not in (Outcome.ACCEPTED, Outcome.DELIVERED))
