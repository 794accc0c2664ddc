"""Seeing the number takes two people, a reason, and encrypted words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from bot.decide import decide
from bot.model.actions import DESK, PageOnCall, RevealNumber, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Desk, DeskMember, Facts, QueueEntry, Role, Thread
from bot.model.events import Event, MessageSent, Relation
from bot.model.feature import Step
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, RevealConfirmed, RevealRequested
from policies.pack import BreakGlass
from tests.bot.examples import FACTS, alarms, at, at_desk, held, of, said, staffed_desk, then, told, words
from tests.bot.hypothesis_settings import USUAL
from tests.bot.lifecycle.test_audit_trail import noted
from tests.bot.strategies import ANA, BEN, EVE, MEMBERS, NOW, PACK, SUE, any_event, facts, threads, with_settings
from tests.every_row import every_row

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
    assert told(step.actions, DESK) == [RevealRequested(thread="t1", designation="amber heron", by="", over=True)]
    assert noted(step) == [AuditKind.REVEAL_GRANTED]
    assert step.aggregate.reveal_request is None


@every_row(
    ("thread", "event", "known", "why"),
    [
        (asked(), said("!reveal yes"), FACTS, "Only a supervisor"),
        (held(), said("!reveal yes", sender=SUE), FACTS, "Nobody asks"),
        (asked(), said("!reveal yes", sender=SUE), at(601), "too long ago"),
        (asked(), said("!reveal yes", sender=SUE), at(-3600), "too long ago"),
        (held(), said("!reveal"), FACTS, "Say why"),
        (held(), said("!reveal because", sender=BEN), FACTS, "the advocate of the thread and supervisors"),
        (asked(), said("!reveal again", sender=SUE), TWO, "has asked"),
    ],
)
def test_what_does_not_show_it(thread: Thread, event: MessageSent, known: Facts, why: str) -> None:
    """One person alone, the wrong one, too late, or without a reason: a sentence says why."""
    step = then(thread, event, known)
    assert not of(RevealNumber, step)
    assert why in words(step)


NIGHT = replace(FACTS, roster=(MEMBERS[0], MEMBERS[1], replace(MEMBERS[2], on_duty=False)))
"""Ana and Ben are on duty, and no supervisor is."""


def asking(*owners: str) -> Desk:
    """Return a desk at which numbers of these threads are asked for."""
    named = {"t1": "amber heron", "t2": "quiet maple"}
    rows = tuple(QueueEntry(thread=t, designation=named[t], since=NOW, assignee=ANA) for t in named)
    desk: Desk = replace(staffed_desk(), threads=rows)
    for owner in owners:
        desk = then(desk, RevealRequested(thread=owner, designation=named[owner], by=ANA)).aggregate
    return desk


@pytest.mark.parametrize(
    ("desk", "event", "owner"),
    [
        (asking("t1"), at_desk("!reveal yes", sender=SUE), "t1"),
        (asking("t1", "t2"), at_desk("!reveal yes", sender=SUE), ""),
        (asking("t1", "t2"), at_desk("!reveal yes quiet maple", sender=SUE), "t2"),
        (
            asking("t1", "t2"),
            at_desk("!reveal yes", sender=SUE, ref="reveal:t2", relation=Relation.OTHER_REPLY, target="$alert"),
            "t2",
        ),
        (asking(), at_desk("!reveal yes", sender=SUE), ""),
    ],
)
def test_yes_at_the_desk_where_people_say_it(desk: Desk, event: MessageSent, owner: str) -> None:
    """Without a designation when one number is asked for, as a reply to the alert, or with the designation."""
    step = then(desk, event)
    confirmed = [name for name in ("t1", "t2") if told(step.actions, name)]
    assert confirmed == ([owner] if owner else [])
    assert owner or words(step)


@pytest.mark.parametrize(
    ("on_call", "said_plainly"), [(True, "Whoever is on call is being called"), (False, "please phone somebody")]
)
def test_without_a_supervisor_it_is_said_and_paged(on_call: bool, said_plainly: str) -> None:
    """Nobody waits ten minutes for a supervisor who is not there: room and desk say so, and the person on call is paged."""
    known = replace(NIGHT, on_call=on_call)
    step = then(held(), said("!reveal took pills"), known)
    assert "No supervisor is on duty" in words(step)
    assert said_plainly in words(step)
    [event] = told(step.actions, DESK)
    alert = then(replace(staffed_desk(), roster=NIGHT.roster), event, known)
    assert len(of(PageOnCall, alert)) == 1
    assert of(SendMessage, alert)[0].mentions == (BEN,)
    assert "No supervisor is on duty" in words(alert)
    assert not of(PageOnCall, then(staffed_desk(), event)), "a supervisor is on duty"
    alone = then(held(), said("!reveal me", sender=SUE))
    assert "No other supervisor is on duty" in words(alone)


def night(thread: Thread, event: Event, mode: BreakGlass, known: Facts = NIGHT) -> Step[Thread]:
    return decide(with_settings(break_glass=mode), known, thread, event)


def test_a_second_advocate_says_yes_where_the_agency_allows_it() -> None:
    """Only while no supervisor is on duty, only by policy, and never quietly: audit, alarm, page."""
    yes = said("!reveal yes", sender=BEN)
    assert not of(RevealNumber, night(asked(), yes, BreakGlass.NEVER))
    assert not of(RevealNumber, night(asked(), yes, BreakGlass.SECOND, FACTS)), "a supervisor is on duty"
    off = replace(NIGHT, roster=(MEMBERS[0], replace(MEMBERS[1], on_duty=False)))
    assert not of(RevealNumber, night(asked(), yes, BreakGlass.SECOND, off)), "who is off duty is nobody's second"
    assert not of(RevealNumber, night(asked(), said("!reveal yes"), BreakGlass.ALONE)), "who asks does not confirm"
    step = night(asked(), yes, BreakGlass.SECOND)
    assert of(RevealNumber, step) == [RevealNumber(users=(ANA, BEN), designation="amber heron")]
    assert noted(step) == [AuditKind.REVEAL_BREAK_GLASS]
    assert alarms(step) == ["break_glass"]
    loud = then(staffed_desk(), AlarmRaised(designation="amber heron", alarm=AlarmKind.BREAK_GLASS))
    assert of(PageOnCall, loud)
    assert of(SendMessage, loud)[0].mentions == (SUE,)


def test_alone_with_a_reason_where_the_agency_allows_it() -> None:
    """`!reveal alone why` shows the number to one person, by policy, while no supervisor is on duty, and loudly."""
    alone = said("!reveal alone she took pills")
    for mode in (BreakGlass.NEVER, BreakGlass.SECOND):
        assert not of(RevealNumber, night(held(), alone, mode))
    for refused in (said("!reveal alone"), said("!reveal alone she took pills", sender=BEN)):
        assert not of(RevealNumber, night(held(), refused, BreakGlass.ALONE))
    assert not of(RevealNumber, night(held(), alone, BreakGlass.ALONE, FACTS)), "a supervisor is on duty"
    step = night(held(), alone, BreakGlass.ALONE)
    assert of(RevealNumber, step) == [RevealNumber(users=(ANA,), designation="amber heron")]
    assert noted(step) == [AuditKind.REVEAL_BREAK_GLASS]
    assert alarms(step) == ["break_glass"]
    assert "pills" not in words(step)


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
