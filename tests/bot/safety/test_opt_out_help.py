"""HELP where a carrier forces an answer: one line of the agency's own, at once, and a person is called all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot import guard
from bot.decide import decide
from bot.display.thread_card import list_auto_replies
from bot.model.actions import Origin, SendSms
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.events import Event, Outcome, TextOutcome
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned
from bot.model.transactional_actions import RecordAudit
from policies.pack import TextName
from tests.bot.codeword_example import agreed, locked
from tests.bot.examples import FORCED, alarms, arrived, at, held, of, texts, then, waiting, words
from tests.bot.strategies import ANA, NOW, PACK
from tests.every_row import every_row

LINE = PACK.say(TextName.LATER)


def forced(thread: Thread, event: Event, seconds: float = 0.0) -> Step[Thread]:
    """Decide on a line whose carrier forces an answer."""
    return decide(FORCED, at(seconds), thread, event)


@every_row("thread", [Thread(id="t1", designation="amber heron"), waiting(), held()])
@every_row("body", ["HELP", "help!", "Info"])
def test_help_is_answered_only_where_a_carrier_forces_it(thread: Thread, body: str) -> None:
    """By default nothing; where it is forced the line leaves as the answer to this text, shown, and the alarm is raised."""
    assert texts(then(thread, arrived(body, id="h"))) == []
    step = forced(thread, arrived(body, id="h"))
    (text,) = of(SendSms, step)
    assert (text.body, text.origin, text.ref, text.since) == (LINE, Origin.AUTO_REPLY, "help_answer:h", NOW)
    shown = words(step) if thread.assignment.epoch else "\n".join(list_auto_replies(step.aggregate))
    assert f"Answered by itself (neutral): {LINE}" in shown
    assert alarms(step) == ["info" if body == "Info" else "help"]
    acceptance = forced(step.aggregate, TextOutcome(ref=text.ref, outcome=Outcome.ACCEPTED), 1)
    assert [audit.kind.value for audit in of(RecordAudit, acceptance)] == ["help_answer"]


@every_row("body", ["911", "SOS", "HELP ME", "ayuda", "help me please", "he said help"])
def test_no_other_word_for_help_is_answered(body: str) -> None:
    """Carriers force HELP and INFO, as whole messages. What a person in danger may write beside goes to a person alone."""
    assert LINE not in texts(forced(held(), arrived(body, id="h")))


@pytest.mark.parametrize(
    "changed",
    [
        {"consent": {"stopped": True}},
        {"flags": {"unsafe": True}},
        {"answerable": False},
        {"consent": {"blocked_until": 2e9}},
    ],
    ids=["stopped", "unsafe", "unanswerable", "blocked"],
)
def test_what_silences_a_phone_silences_this(changed: dict[str, Any]) -> None:
    """After a STOP, for an unsafe or a blocked phone, and where nobody can be answered, nothing leaves."""
    thread = held()
    slices = {n: replace(getattr(thread, n), **how) if isinstance(how, dict) else how for n, how in changed.items()}
    assert texts(forced(replace(thread, **slices), arrived("HELP", id="h"))) == []


def test_it_is_immediate_and_does_not_repeat() -> None:
    """What comes late or in a flood is not answered, nor is the same word again within twelve hours."""
    assert texts(forced(held(), arrived("HELP", id="h", seconds=-301))) == []
    new = Thread(id="t1", designation="amber heron")
    assert texts(forced(new, arrived("HELP", id="h", rate_limited=True))) == []
    flood = forced(new, arrived("hi", rate_limited=True)).aggregate
    assert texts(forced(flood, arrived("HELP", id="h", seconds=5), 5)) == []
    flood = forced(flood, Assigned(assignee=ANA), 6).aggregate
    assert texts(forced(flood, arrived("HELP", id="h", seconds=9), 9)) == [LINE]
    thread = forced(held(), arrived("HELP", id="h")).aggregate
    for hours, count in ((1, 0), (13, 1)):
        step = forced(thread, arrived("INFO", id=f"i{hours}", seconds=hours * 3600), hours * 3600.0)
        assert texts(step) == [LINE] * count


def test_it_takes_nothing_from_the_first_answer() -> None:
    """Whoever begins with HELP is greeted at their next text, and a promise that turned false is still taken back."""
    thread = forced(Thread(id="t1", designation="amber heron"), arrived("HELP", id="h")).aggregate
    greeted = forced(thread, arrived("are you there", id="b", seconds=20), 20)
    assert texts(greeted) == [PACK.say(TextName.GREETING)]
    thread = forced(greeted.aggregate, arrived("INFO", id="c", seconds=13 * 3600), 13 * 3600.0).aggregate
    nobody = replace(at(13 * 3600 + 9.0), roster=())
    step = decide(FORCED, nobody, thread, arrived("hello?", id="d", seconds=13 * 3600 + 9.0))
    assert texts(step) == [PACK.say(TextName.UNAVAILABLE)]


def test_under_duress_it_leaves_as_without() -> None:
    """The phone gets the same line after the duress word as after the right one (practice 10)."""
    both = [
        forced(thread, arrived("HELP", id="h", seconds=9), 9) for thread in (agreed(spent=True), locked(SendLock.DURESS))
    ]
    assert [texts(step) for step in both] == [[LINE], [LINE]]


@pytest.mark.parametrize("body", ["stop texting me", "he's here", "BYE"])
def test_it_follows_a_text_that_asks_for_no_answer_only_where_it_is_asked_for_later(body: str) -> None:
    """What waits for the carrier when they break off is refused; to a HELP of afterwards the line leaves."""
    step = forced(held(), arrived("HELP", id="h"))
    (answer,) = of(SendSms, step)
    after = forced(step.aggregate, arrived(body, id="x", seconds=5), 5).aggregate
    assert guard.may_send(FORCED, after, answer, NOW + 6, ()) is not None
    after = forced(held(), arrived(body, id="x", seconds=5), 5).aggregate
    assert texts(forced(after, arrived("HELP", id="h", seconds=10), 10)) == [LINE]
