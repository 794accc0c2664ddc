"""The tally: one tap, counters without a way back, and each kind once."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bot.lifecycle.tally import KINDS
from bot.model.actions import THREAD
from bot.model.events import Outcome, ReactionAdded, TextOutcome, TimerDue
from bot.model.transactional_actions import IncrementCounter, ParkThread
from tests.bot.examples import arrived, at, due, held, of, said, texts, then, words
from tests.bot.strategies import ANA, BEN, NOW, PACK, SUE, UNDO
from tests.every_row import every_row


def tap(key: str, **changed: object) -> ReactionAdded:
    """Return a tap under the question."""
    usual = {"place": THREAD, "sender": ANA, "event_id": "$t", "key": key, "target": "tally", "trusted": True}
    return ReactionAdded(**(usual | changed))  # type: ignore[arg-type]


@pytest.mark.practice(21)
@every_row(("kind", "key"), KINDS.items())
def test_a_tap_counts_once_and_knows_no_conversation(kind: str, key: str) -> None:
    """A tap adds one to a month, a language and a kind, and to nothing else; a second one adds nothing; nothing is sent."""
    step = then(held(), tap(key))
    (one,) = of(IncrementCounter, step)
    assert one == IncrementCounter(month="2027-01", language="en", kind=kind)
    assert {field.name for field in fields(IncrementCounter)} == {"month", "language", "kind"}
    assert texts(step) == []
    assert of(IncrementCounter, then(step.aggregate, tap(key))) == []
    assert of(IncrementCounter, then(step.aggregate, said(f"!tally {kind}"))) == []


def test_a_drill_is_not_counted() -> None:
    """Neither by a tap nor by a word, which is told so: the report is about texters."""
    practising = held(drill="d1")
    assert of(IncrementCounter, then(practising, tap("🏠"))) == []
    step = then(practising, said("!tally shelter"))
    assert of(IncrementCounter, step) == []
    assert "not counted" in words(step)


def test_a_word_counts_like_a_tap() -> None:
    """`!tally shelter` counts; an unmet language is counted by its letters, and free words are counted as nothing."""
    assert [one.kind for one in of(IncrementCounter, then(held(), said("!tally Shelter")))] == ["shelter"]
    (unmet,) = of(IncrementCounter, then(held(), said("!tally unmet VI", sender=SUE)))
    assert (unmet.language, unmet.kind) == ("vi", "unmet_language")
    for nonsense in ("", " something", " unmet", " unmet Vietnamese", " shelter her name is Ann", " unmet v1"):
        step = then(held(), said(f"!tally{nonsense}"))
        assert of(IncrementCounter, step) == []
        assert "Say !tally and one of" in words(step)
    assert of(IncrementCounter, then(held(), said("!tally shelter", sender=BEN))) == []


def test_who_had_gone_when_we_answered_is_counted() -> None:
    """Our first words came and no text after them: counted once, when it is over. Any text of theirs, and it is not."""
    no_reply = due(then(held(), said("I am here")).aggregate, UNDO).aggregate
    no_reply = then(no_reply, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(UNDO)).aggregate
    back = then(no_reply, arrived("thank you", id="b", seconds=60), at(60)).aggregate
    for thread, kinds in ((no_reply, ["gone_when_answered"]), (back, []), (held(), [])):
        closing = then(thread, said("!close", event_id="$c", at=NOW + 90), at(90)).aggregate
        step = then(closing, TimerDue(key="close"), at(90 + PACK.settings.close_undo))
        assert of(ParkThread, step)
        assert [one.kind for one in of(IncrementCounter, step)] == kinds
