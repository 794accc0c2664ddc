"""The silence ladder: cues to the assignee, in the room only, ended by any text of theirs (practice 35)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import SendMessage, SendSms
from bot.model.desk import Thread
from bot.model.events import Outcome, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.thread import ConsentFlags
from bot.model.thread_desk_events import Assigned, AssignmentKind
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from tests.bot.examples import arrived, at, due, held, of, said, texts, then, words
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, UNDO

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


@pytest.mark.parametrize(("minutes", "said_so"), [(20, "15 min"), (50, "45 min"), (60 * 24 * 7, "60 min")])
def test_after_a_downtime_only_the_last_cue_is_said(minutes: int, said_so: str) -> None:
    """Several have become due: the room reads one, and the timer is set for the next one, if there is any."""
    thread, _ = answered()
    step = then(thread, TimerDue(key="silence"), at(10 + minutes * MINUTE))
    assert words(step).startswith(f"No answer for {said_so}")
    assert all(due_at > NOW + 10 + minutes * MINUTE for due_at in timers(step))
    assert bool(timers(step)) is (minutes < 60)


def test_whoever_closes_reads_of_no_silence() -> None:
    """No answer is expected then; when the closing is taken back, the ladder goes on."""
    closing = then(answered()[0], said("!close", event_id="$c", at=NOW + 100), at(100)).aggregate
    step = then(closing, TimerDue(key="silence"), at(310))
    assert (words(step), timers(step)) == ("", [closing.lifecycle.closes_at])
    back = then(step.aggregate, said("!reopen", event_id="$r"), at(320)).aggregate
    assert "No answer" in words(then(back, TimerDue(key="silence"), at(timers(step)[0] - NOW)))


@pytest.mark.practice(30)
@pytest.mark.parametrize(("duty", "called"), [(True, (ANA,)), (False, ())])
def test_the_offer_to_park_calls_the_assignee_only_on_duty(duty: bool, called: tuple[str, ...]) -> None:
    """Mentions are for people on duty only (practice 30)."""
    thread, _ = answered()
    thread = replace(thread, silence=replace(thread.silence, cue_count=3))
    seats = (replace(MEMBERS[0], on_duty=duty), *MEMBERS[1:])
    (post,) = of(SendMessage, then(thread, TimerDue(key="silence"), at(3610, roster=seats)))
    assert post.mentions == called


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


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.OPTED_OUT, Outcome.LATE, Outcome.REFUSED, Outcome.UNKNOWN])
def test_what_did_not_leave_begins_nothing(outcome: Outcome) -> None:
    """Nobody is silent about words that they may never have got."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    assert timers(then(thread, TextOutcome(ref="say:$m1", outcome=outcome), at(10))) == []


def test_an_automatic_answer_begins_nothing() -> None:
    """The greeting is nobody's words: no ladder follows it."""
    step = then(held(), TextOutcome(ref="greeting:first", outcome=Outcome.ACCEPTED))
    assert timers(step) == []


def test_it_goes_on_with_the_next_assignee_and_pauses_without_one() -> None:
    """The ladder belongs to the thread: it speaks to a new assignee, and to nobody while the thread is on the queue."""
    thread, _ = answered()
    other = then(thread, Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED), at(60)).aggregate
    assert "No answer" in words(then(other, TimerDue(key="silence"), at(310)))
    queued = then(thread, said("!release", event_id="$r"), at(60)).aggregate
    assert then(queued, TimerDue(key="silence"), at(310)).actions == ()


def test_it_does_not_ask_to_text_an_unsafe_or_stopped_phone() -> None:
    """Where nothing may leave, silence is no news."""
    thread, _ = answered()
    for quiet in (
        replace(thread, flags=ConsentFlags(unsafe=True)),
        replace(thread, consent=replace(thread.consent, stopped=True)),
    ):
        assert then(quiet, TimerDue(key="silence"), at(310)).actions == ()
    assert texts(then(thread, TimerDue(key="silence"), at(310))) == []
