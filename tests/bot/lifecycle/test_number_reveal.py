"""Seeing the number takes two people, a reason, and encrypted words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from bot.decide import decide
from bot.model.actions import DESK, Post, Reveal
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Facts, Line, Role, Seat, Thread
from bot.model.events import Event, Said
from bot.model.thread_desk_events import RevealAsked, RevealConfirmed
from tests.bot.effort import USUAL
from tests.bot.examples import FACTS, at, at_desk, held, of, said, staffed_desk, then, told, words
from tests.bot.lifecycle.test_audit_trail import noted
from tests.bot.strategies import ANA, BEN, EVE, NOW, PACK, SEATS, SUE, any_event, facts, threads

ZOE = "@zoe:line.example"
TWO = replace(FACTS, roster=(*SEATS, Seat(user=ZOE, role=Role.SUPERVISOR)))


def asked() -> Thread:
    thread: Thread = then(held(), said("!reveal she asked us to call her")).aggregate
    return thread


def test_the_voice_asks_and_the_desk_is_told() -> None:
    """A question stands, is noted, and calls the supervisors with the words to say; the reason does not go along."""
    step = then(held(), said("!reveal she asked us to call her"))
    assert step.aggregate.asked is not None
    assert noted(step) == [AuditKind.REVEAL_ASKED]
    assert not of(Reveal, step)
    [event] = told(step.actions, DESK)
    assert event == RevealAsked(thread="t1", designation="amber heron", by=ANA)
    [loud] = of(Post, then(staffed_desk(), event))
    assert "!reveal yes amber heron" in loud.body
    assert loud.mentions == (SUE,)
    assert "call her" not in loud.body


def test_a_second_person_says_yes_in_the_room() -> None:
    """Then the bridge is asked to show it to both, and the audit has it."""
    step = then(asked(), said("!reveal yes", sender=SUE))
    assert of(Reveal, step) == [Reveal(users=(ANA, SUE), designation="amber heron")]
    assert noted(step) == [AuditKind.REVEAL_GRANTED]
    assert step.aggregate.asked is None


def test_a_second_person_says_yes_at_the_desk() -> None:
    """It need not be in the room."""
    desk = replace(staffed_desk(), threads=(Line(thread="t1", designation="amber heron", since=NOW, voice=ANA),))
    step = then(desk, at_desk("!reveal yes Amber Heron", sender=SUE))
    [event] = told(step.actions, "t1")
    assert event == RevealConfirmed(user=SUE, designation="amber heron")
    assert of(Reveal, then(asked(), event))
    assert not of(Reveal, then(asked(), replace(event, designation="quiet maple"))), "another conversation was meant"
    for body in ("!reveal", "!reveal yes", "!reveal yes quiet maple", "!reveal because"):
        assert not told(then(desk, at_desk(body, sender=SUE)).actions, "t1")


@pytest.mark.parametrize(
    ("thread", "event", "known", "why"),
    [
        (asked(), said("!reveal yes"), FACTS, "Only a supervisor"),
        (held(), said("!reveal yes", sender=SUE), FACTS, "Nobody asks"),
        (asked(), said("!reveal yes", sender=SUE), at(601), "too long ago"),
        (held(), said("!reveal"), FACTS, "Say why"),
        (held(), said("!reveal because", sender=BEN), FACTS, "the voice of the thread and supervisors"),
        (asked(), said("!reveal again", sender=SUE), TWO, "has asked"),
        (held(), said("!reveal me", sender=SUE), FACTS, "a second person"),
    ],
)
def test_what_does_not_show_it(thread: Thread, event: Said, known: Facts, why: str) -> None:
    """One person alone, the wrong one, too late, or without a reason: a sentence says why."""
    step = then(thread, event, known)
    assert not of(Reveal, step)
    assert why in words(step)


def test_a_supervisor_who_asks_needs_another_one() -> None:
    """Two people means two, also among supervisors."""
    thread = then(held(), said("!reveal to call", sender=SUE), TWO).aggregate
    alone = then(thread, said("!reveal yes", sender=SUE), TWO)
    assert not of(Reveal, alone)
    assert "Somebody else" in words(alone)
    assert of(Reveal, then(thread, said("!reveal yes", sender=ZOE), TWO))[0].users == (SUE, ZOE)


def test_whoever_asked_must_still_be_there() -> None:
    """Somebody who is not the voice any more, or not at the desk, is not shown the number."""
    given_away = replace(asked(), voice=replace(asked().voice, holder=BEN))
    step = then(given_away, said("!reveal yes", sender=SUE))
    assert not of(Reveal, step)
    assert "not the voice any more" in words(step)


def test_no_drops_the_question() -> None:
    """After a no, a yes shows nothing."""
    thread = then(asked(), said("!reveal no", sender=SUE)).aggregate
    assert not of(Reveal, then(thread, said("!reveal yes", sender=SUE)))


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_only_two_people_and_words_show_a_number(thread: Thread, event: Event, known: Facts) -> None:
    """Whatever happens: shown only to two, one of them a supervisor who just said so, and never by a tap."""
    for reveal in of(Reveal, decide(PACK, known, thread, event)):
        assert isinstance(event, Said | RevealConfirmed)
        first, second = reveal.users
        assert first != second
        assert EVE not in reveal.users or known.role(EVE) is not None
        assert known.role(second) is Role.SUPERVISOR
        assert second == (event.sender if isinstance(event, Said) else event.user)
