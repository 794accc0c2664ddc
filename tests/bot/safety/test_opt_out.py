"""STOP and START: honoured exactly, confirmed once, and loud where people are."""

from __future__ import annotations

import pytest

from bot import guard
from bot.model.actions import DESK, DeliveryReceipt, Origin, SendSms
from bot.model.desk import Thread
from bot.model.events import Event, Outcome, TextOutcome
from bot.model.thread_desk_events import ThreadQueued
from policies.pack import TextName
from tests.bot.examples import alarms, arrived, at, due, held, marks, of, said, texts, then, told, waiting, words
from tests.bot.strategies import NOW, PACK, STARTS, STOPS, SUE, UNDO
from tests.every_row import every_row

STOP_WORDS = ["STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "stop  all", "\nStop!\n"]
CONVERSATION = [
    "please make him STOP",
    "STOP him",
    "stop it. now",
    "he won't stop",
    "don't stop",
    "the end",
    "STOP?! I mean HELP",
    "stopp",
    "S T O P",
    "alto ahí",
    "cancel my appointment",
]


@every_row("body", [*STOPS, *STOP_WORDS])
def test_a_stop_is_the_whole_message(body: str) -> None:
    """Each STOP word, whatever its case and spaces, stops the thread, is confirmed once and raises an alarm."""
    step = then(held(), arrived(body, id="s"))
    assert step.aggregate.consent.stopped
    assert [(text.body, text.origin) for text in of(SendSms, step)] == [
        (PACK.say(TextName.STOP, "en"), Origin.STOP_CONFIRMATION)
    ]
    assert alarms(step) == ["stopped"]
    again = then(step.aggregate, arrived(body, id="s2"), at(5))
    assert texts(again) == []
    assert alarms(again) == ["stopped"]


@every_row("body", CONVERSATION)
def test_stop_in_a_sentence_is_conversation(body: str) -> None:
    """A STOP word inside other words stops nothing: a person is talking to us."""
    step = then(held(), arrived(body, id="s"))
    assert not step.aggregate.consent.stopped
    assert texts(step) == []
    assert alarms(step) == []


def test_a_stop_cancels_what_waits_and_silences_the_thread() -> None:
    """Words in their undo window do not leave after a STOP, the assignee is told, and new words are refused."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, arrived("STOP", id="s"), at(3))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert texts(due(step.aggregate, UNDO)) == []
    assert marks(then(step.aggregate, said("but", event_id="$m2"), at(4))) == {"$m2": DeliveryReceipt.NOT_SENT}


def test_a_text_after_a_stop_is_shown_and_not_answered() -> None:
    """Whatever comes after a STOP is in the room and an alarm at the desk; nothing is sent."""
    thread = then(waiting(), arrived("STOP", id="s")).aggregate
    for body in ("hi?", "ES", "Liked “ok”"):
        step = then(thread, arrived(body, id="t"), at(60))
        assert texts(step) == []
        assert body in words(step)
        assert alarms(step) == ["text_after_stop"]


@pytest.mark.parametrize("body", STARTS)
def test_a_start_ends_a_stop(body: str) -> None:
    """START resumes at once, without an answer of its own; the assignee is heard again."""
    thread = then(held(), arrived("STOP", id="s")).aggregate
    step = then(thread, arrived(body, id="t"), at(60))
    assert texts(step) == []
    assert alarms(step) == ["resumed"]
    assert texts(due(then(step.aggregate, said("hello", at=NOW + 60), at(60)).aggregate, 60 + UNDO)) == ["hello"]


def test_a_confirmation_does_not_outlive_its_stop() -> None:
    """A confirmation that was delayed leaves neither after START nor beside the one of a second STOP."""
    step = then(held(), arrived("STOP", id="s1"))
    (first,) = of(SendSms, step)
    assert guard.may_send(PACK, step.aggregate, first, NOW, ()) is None
    resumed = then(step.aggregate, arrived("START", id="t"), at(5)).aggregate
    assert guard.may_send(PACK, resumed, first, NOW + 5, ()) is not None
    step = then(resumed, arrived("STOP", id="s2"), at(10))
    (second,) = of(SendSms, step)
    assert guard.may_send(PACK, step.aggregate, first, NOW + 10, ()) is not None
    assert guard.may_send(PACK, step.aggregate, second, NOW + 10, ()) is None


def test_a_stop_as_the_first_word() -> None:
    """A first text that is STOP is confirmed and waits at the desk like any other; it is not greeted."""
    step = then(Thread(id="t1", designation="amber heron"), arrived("STOP"))
    assert texts(step) == [PACK.say(TextName.STOP, "en")]
    assert [event for event in told(step.actions, DESK) if isinstance(event, ThreadQueued)]


def test_a_late_stop_is_honoured_without_an_answer() -> None:
    """A STOP that reached us late stops the thread; its confirmation would be late and stays."""
    step = then(held(), arrived("STOP", id="s", seconds=-400))
    assert step.aggregate.consent.stopped
    assert texts(step) == []


def test_a_stop_from_whom_cannot_be_answered() -> None:
    """A short code that says STOP is heard and not answered."""
    step = then(held(answerable=False), arrived("STOP", id="s"))
    assert step.aggregate.consent.stopped
    assert texts(step) == []


def test_start_without_a_stop_is_a_text() -> None:
    """START as the first word is a text like any other: it is greeted."""
    step = then(Thread(id="t1", designation="amber heron"), arrived("START"))
    assert texts(step) == [PACK.say(TextName.GREETING, "en")]


@pytest.mark.parametrize(
    ("stops", "lifts"),
    [
        (arrived("STOP", id="s", seconds=9), arrived("START", id="t", seconds=10)),
        (said("!stopped", event_id="$s"), said("!resume", event_id="$t")),
        (said("!unsafe", event_id="$s"), said("!safe", event_id="$t", at=NOW + 10)),
        (said("!block 1 h", event_id="$s", sender=SUE), said("!block off", event_id="$t", sender=SUE)),
    ],
    ids=["STOP", "!stopped", "!unsafe", "!block"],
)
def test_what_waits_at_the_carrier_does_not_leave_after_the_stop_either(stops: Event, lifts: Event) -> None:
    """Words that a STOP, `!unsafe` or a block met on their way do not leave when that is over a moment later."""
    going = due(then(held(), said("hello")).aggregate, UNDO)
    (text,) = of(SendSms, going)
    stopped = then(going.aggregate, stops, at(9)).aggregate
    thread = then(stopped, lifts, at(10)).aggregate
    assert guard.may_send(PACK, stopped, text, NOW + 9, ()) not in (None, guard.RETRACTED)
    assert guard.may_send(PACK, thread, text, NOW + 11, ()) == guard.RETRACTED
    assert marks(then(thread, TextOutcome(ref=text.ref, outcome=Outcome.REFUSED), at(11))) == {
        "$m1": DeliveryReceipt.RETRACTED
    }
    assert marks(then(thread, said("are you there?", event_id="$m2"), at(12))) == {"$m2": DeliveryReceipt.LEAVING}
