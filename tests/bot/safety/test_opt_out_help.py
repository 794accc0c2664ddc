"""HELP where a carrier forces an answer: one line of the agency's own, at once, and a person is called all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.decide import decide
from bot.display.thread_card import list_auto_replies
from bot.model.actions import Origin, SendSms
from bot.model.desk import Thread
from bot.model.events import Event, Outcome, TextOutcome
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned
from bot.model.transactional_actions import RecordAudit
from policies.pack import TextName
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
