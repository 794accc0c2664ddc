"""Hold: every deleter of one thread stops, it is seen, and only supervisors say so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.decide import decide
from bot.lifecycle.retention import DESTRUCTIVE
from bot.model.actions import DESK, THREAD, EraseMessage, RedactMessage, SendSms
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Facts, QueueEntry, Thread
from bot.model.events import Event, Relation, TextArrived, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import LegalHoldChanged
from bot.model.transactional_actions import EraseTexter, ParkThread, SetLegalHold
from tests.bot.examples import at, at_desk, held, of, said, staffed_desk, then, told, words
from tests.bot.hypothesis_settings import COMMON
from tests.bot.lifecycle.test_audit_trail import noted
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, NOW, PACK, SUE, any_event, facts, threads

FROZEN = at(0, on_legal_hold=True)


def on_hold() -> Thread:
    return replace(held(), on_legal_hold=True)


def test_a_supervisor_holds_and_everybody_sees_it() -> None:
    """`!hold` freezes, is on the card, at the desk and in the audit; the desk hears it in a new message."""
    step = then(held(), said("!hold", sender=SUE))
    assert of(SetLegalHold, step) == [SetLegalHold(on=True)]
    assert AuditKind.HOLD in noted(step)
    assert "ON HOLD" in words(step)
    assert [edit for edit in step.actions if getattr(edit, "ref", "") == "card" and "ON HOLD" in getattr(edit, "body", "")]
    [event] = told(step.actions, DESK)
    assert event == LegalHoldChanged(thread="t1", designation="amber heron", on_hold=True)
    desk = replace(staffed_desk(), threads=(QueueEntry(thread="t1", designation="amber heron", since=NOW, assignee=ANA),))
    desk_step = then(desk, event)
    assert "amber heron" in words(desk_step)
    assert "ON HOLD" in words(desk_step)
    assert "amber heron · ON HOLD · with ana" in words(then(desk_step.aggregate, at_desk("!board")))


@pytest.mark.parametrize("body", ["!hold", "!unhold"])
def test_an_advocate_can_neither_hold_nor_lift(body: str) -> None:
    """A hold is a supervisor's."""
    for thread, known in ((held(), at(0)), (on_hold(), FROZEN)):
        step = then(thread, said(body), known)
        assert not of(SetLegalHold, step)
        assert "supervisors" in words(step)


@settings(COMMON, max_examples=300)
@given(thread=threads, event=any_event | st.sampled_from(sorted(DESTRUCTIVE)).map(lambda k: TimerDue(key=k)), known=facts)
def test_nothing_of_a_held_thread_is_taken_away(thread: Thread, event: Event, known: Facts) -> None:
    """Whatever happens, a thread on hold is not parked, not ended, and nothing is taken out of its room."""
    step = decide(PACK, replace(known, on_legal_hold=True), thread, event)
    lifted = of(SetLegalHold, step)
    assert not of(ParkThread, step)
    assert not of(EraseTexter, step)
    if not lifted and step.aggregate.on_legal_hold:
        assert not [a for a in step.actions if isinstance(a, RedactMessage | EraseMessage) and a.place == THREAD]


@pytest.mark.parametrize("body", ["!close now", "!redact"])
def test_orders_that_destroy_are_refused_with_the_reason(body: str) -> None:
    """Whoever wants to destroy hears that there is a hold."""
    changed: dict[str, Any] = {"target": "$m2", "relation": Relation.OTHER_REPLY} if body == "!redact" else {}
    step = then(on_hold(), said(body, sender=SUE, **changed), FROZEN)
    assert "on hold" in words(step)


def frozen(seconds: float) -> Facts:
    """Return the facts of a thread on hold some seconds later."""
    return at(seconds, on_legal_hold=True)


def redacted(thread: Thread, sender: str, seconds: float) -> Step[Thread]:
    """Say `!redact` as a reply to Ana's message."""
    event = said("!redact", event_id="$r", sender=sender, target="$m1", relation=Relation.OTHER_REPLY, at=NOW + seconds)
    step: Step[Thread] = then(thread, event, frozen(seconds))
    assert not [a for a in step.actions if isinstance(a, RedactMessage | EraseMessage) and a.place == THREAD]
    assert "on hold" in words(step)
    return step


def test_a_hold_from_outside_is_followed_at_the_next_event() -> None:
    """What the database says wins over what the thread believed, and the desk hears of it."""
    event = TextArrived(id="b", body="hello again", at=NOW)
    step = then(held(), event, FROZEN)
    assert step.aggregate.on_legal_hold
    assert LegalHoldChanged(thread="t1", designation="amber heron", on_hold=True) in told(step.actions, DESK)
    back = then(step.aggregate, event)
    assert not back.aggregate.on_legal_hold
    assert LegalHoldChanged(thread="t1", designation="amber heron", on_hold=False) in told(back.actions, DESK)


def test_a_hold_outlives_the_conversation() -> None:
    """Through a close and the hold's end: closed while on hold it waits; once lifted it goes."""
    world = Simulation(PACK)
    world.open("t1", ANA)
    world.say("t1", SUE, "!hold")
    world.say("t1", ANA, "!close")
    world.settle()
    for _ in range(30):
        world.pass_time(3600)
        world.settle()
    assert world.threads["t1"].designation == "amber heron"
    assert "ON HOLD" in world.shown[DESK, "board"]
    world.say("t1", SUE, "!unhold")
    world.settle()
    for _ in range(3):
        world.pass_time(3600)
        world.settle()
    assert world.threads["t1"].designation == ""
    assert "ON HOLD" not in world.shown[DESK, "board"]


def test_subpoena_is_a_checklist_and_no_export() -> None:
    """`!subpoena` shows steps, in a thread as at the desk, sends nothing and gives nothing."""
    for step in (then(held(), said("!subpoena")), then(staffed_desk(), at_desk("!subpoena"))):
        assert "counsel" in words(step)
        assert "no export" in words(step)
        assert not of(SendSms, step)
    bare = replace(PACK, playbooks={})
    assert "call counsel now" in words(decide(bare, at(0), held(), said("!subpoena")))
