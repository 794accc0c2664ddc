"""Seeing the number takes two people, a reason, and encrypted words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from bot.decide import decide
from bot.model.actions import DESK, RevealNumber, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.desk import DeskMember, Facts, QueueEntry, Role, Thread
from bot.model.events import Event, MessageSent
from bot.model.thread_desk_events import RevealConfirmed, RevealRequested
from tests.bot.examples import FACTS, at, at_desk, held, of, said, staffed_desk, then, told, words
from tests.bot.hypothesis_settings import USUAL
from tests.bot.lifecycle.test_audit_trail import noted
from tests.bot.strategies import ANA, BEN, EVE, MEMBERS, NOW, PACK, SUE, any_event, facts, threads

ZOE = "@zoe:line.example"
TWO = replace(FACTS, roster=(*MEMBERS, DeskMember(user=ZOE, role=Role.SUPERVISOR)))


def asked() -> Thread:
    thread: Thread = then(held(), said("!reveal she asked us to call her")).aggregate
    return thread


def test_the_assignee_asks_and_the_desk_is_told() -> None:
    """A question stands, is noted, and calls the supervisors with the words to say; the reason does not go along."""
    step = then(held(), said("!reveal she asked us to call her"))
    assert step.aggregate.reveal_request is not None
    assert noted(step) == [AuditKind.REVEAL_ASKED]
    assert not of(RevealNumber, step)
    [event] = told(step.actions, DESK)
    assert event == RevealRequested(thread="t1", designation="amber heron", by=ANA)
    [loud] = of(SendMessage, then(staffed_desk(), event))
    assert "!reveal yes amber heron" in loud.body
    assert loud.mentions == (SUE,)
    assert "call her" not in loud.body


def test_a_second_person_says_yes_in_the_room() -> None:
    """Then the bridge is asked to show it to both, and the audit has it."""
    step = then(asked(), said("!reveal yes", sender=SUE))
    assert of(RevealNumber, step) == [RevealNumber(users=(ANA, SUE), designation="amber heron")]
    assert noted(step) == [AuditKind.REVEAL_GRANTED]
    assert step.aggregate.reveal_request is None


def test_a_second_person_says_yes_at_the_desk() -> None:
    """It need not be in the room."""
    desk = replace(staffed_desk(), threads=(QueueEntry(thread="t1", designation="amber heron", since=NOW, assignee=ANA),))
    step = then(desk, at_desk("!reveal yes Amber Heron", sender=SUE))
    [event] = told(step.actions, "t1")
    assert event == RevealConfirmed(user=SUE, designation="amber heron")
    assert of(RevealNumber, then(asked(), event))
    assert not of(RevealNumber, then(asked(), replace(event, designation="quiet maple"))), "another conversation was meant"
    for body in ("!reveal", "!reveal yes", "!reveal yes quiet maple", "!reveal because"):
        assert not told(then(desk, at_desk(body, sender=SUE)).actions, "t1")


@pytest.mark.parametrize(
    ("thread", "event", "known", "why"),
    [
        (asked(), said("!reveal yes"), FACTS, "Only a supervisor"),
        (held(), said("!reveal yes", sender=SUE), FACTS, "Nobody asks"),
        (asked(), said("!reveal yes", sender=SUE), at(601), "too long ago"),
        (held(), said("!reveal"), FACTS, "Say why"),
        (held(), said("!reveal because", sender=BEN), FACTS, "the advocate of the thread and supervisors"),
        (asked(), said("!reveal again", sender=SUE), TWO, "has asked"),
        (held(), said("!reveal me", sender=SUE), FACTS, "a second person"),
    ],
)
def test_what_does_not_show_it(thread: Thread, event: MessageSent, known: Facts, why: str) -> None:
    """One person alone, the wrong one, too late, or without a reason: a sentence says why."""
    step = then(thread, event, known)
    assert not of(RevealNumber, step)
    assert why in words(step)


def test_a_supervisor_who_asks_needs_another_one() -> None:
    """Two people means two, also among supervisors."""
    thread = then(held(), said("!reveal to call", sender=SUE), TWO).aggregate
    alone = then(thread, said("!reveal yes", sender=SUE), TWO)
    assert not of(RevealNumber, alone)
    assert "Somebody else" in words(alone)
    assert of(RevealNumber, then(thread, said("!reveal yes", sender=ZOE), TWO))[0].users == (SUE, ZOE)


def test_whoever_asked_must_still_be_there() -> None:
    """Somebody who is not the assignee any more, or not at the desk, is not shown the number."""
    given_away = replace(asked(), assignment=replace(asked().assignment, assignee=BEN))
    step = then(given_away, said("!reveal yes", sender=SUE))
    assert not of(RevealNumber, step)
    assert "not the advocate any more" in words(step)


def test_no_drops_the_question() -> None:
    """After a no, a yes shows nothing."""
    thread = then(asked(), said("!reveal no", sender=SUE)).aggregate
    assert not of(RevealNumber, then(thread, said("!reveal yes", sender=SUE)))


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_only_two_people_and_words_show_a_number(thread: Thread, event: Event, known: Facts) -> None:
    """Whatever happens: shown only to two, one of them a supervisor who just said so, and never by a tap."""
    for reveal in of(RevealNumber, decide(PACK, known, thread, event)):
        assert isinstance(event, MessageSent | RevealConfirmed)
        first, second = reveal.users
        assert first != second
        assert EVE not in reveal.users or known.role(EVE) is not None
        assert known.role(second) is Role.SUPERVISOR
        assert second == (event.sender if isinstance(event, MessageSent) else event.user)
