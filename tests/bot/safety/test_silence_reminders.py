"""The silence ladder: cues to the assignee, in the room only, ended by any text of theirs (practice 35)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import SendSms
from bot.model.desk import Thread
from bot.model.events import Outcome, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.thread import ConsentFlags
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from tests.bot.examples import arrived, at, due, held, of, said, texts, then, words
from tests.bot.strategies import NOW, UNDO

MINUTE = 60.0


def answered() -> tuple[Thread, Step[Thread]]:
    """Return a thread whose assignee's words the carrier took just then, and that decision."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(10))
    return step.aggregate, step


def timers(step: Step[Any]) -> list[float]:
    """Return when a step lets the ladder come again."""
    return [timer.due for timer in of(SetTimer, step) if timer.key == "silence"]


@pytest.mark.practice(35)
def test_the_ladder_speaks_at_5_15_45_and_60_minutes_in_the_room_only() -> None:
    """After the assignee's words: three cues, then the offer to park, each once; nothing for phone or desk."""
    thread, step = answered()
    cues = []
    for minutes in (5, 15, 45, 60):
        assert timers(step) == [NOW + 10 + minutes * MINUTE]
        step = then(thread, TimerDue(key="silence"), at(10 + minutes * MINUTE))
        thread = step.aggregate
        assert (of(SendSms, step), of(SendEvent, step)) == ([], [])
        cues.append(words(step))
    assert [cue.split(".")[0] for cue in cues] == [f"No answer for {n} min" for n in (5, 15, 45, 60)]
    assert ["!close" in cue for cue in cues] == [False, False, False, True]
    assert timers(step) == []
    assert then(thread, TimerDue(key="silence"), at(9000)).actions == ()


@pytest.mark.practice(35)
@pytest.mark.parametrize("body", ["hi", "", "STOP", "Liked “hello”"])
def test_any_text_of_theirs_ends_it(body: str) -> None:
    """A text, a keyword or a reaction drops the timer; what is due all the same says nothing."""
    thread, _ = answered()
    step = then(thread, arrived(body, id="b"), at(200))
    assert "silence" in [a.key for a in of(CancelTimer, step)]
    assert then(step.aggregate, TimerDue(key="silence"), at(310)).actions == ()


def test_it_begins_again_with_the_next_words() -> None:
    """New words of the assignee begin the ladder again, a delivery report of the old ones does not."""
    thread, _ = answered()
    thread = then(thread, TimerDue(key="silence"), at(310)).aggregate
    report = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.DELIVERED), at(320))
    assert timers(report) == []
    assert report.aggregate.silence.cue_count == 1
    thread = due(then(thread, said("still here", event_id="$m2", at=NOW + 330), at(330)).aggregate, 340).aggregate
    step = then(thread, TextOutcome(ref="say:$m2", outcome=Outcome.ACCEPTED), at(341))
    assert timers(step) == [NOW + 341 + 5 * MINUTE]
    assert step.aggregate.silence.cue_count == 0


def test_it_does_not_ask_to_text_an_unsafe_or_stopped_phone() -> None:
    """Where nothing may leave, silence is no news."""
    thread, _ = answered()
    for quiet in (
        replace(thread, flags=ConsentFlags(unsafe=True)),
        replace(thread, consent=replace(thread.consent, stopped=True)),
    ):
        assert then(quiet, TimerDue(key="silence"), at(310)).actions == ()
    assert texts(then(thread, TimerDue(key="silence"), at(310))) == []
