"""Duty, trust and listening in: what people say at the desk about themselves and each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, ConfirmIdentity, SignOut
from bot.model.desk import Desk
from bot.model.events import Event, IdentityChanged, IdentityConfirmed, MemberJoined, ReactionAdded
from bot.model.thread_desk_events import AuthorSignedOut, ListenRequested, ThreadQueued
from tests.bot.examples import as_usual, at, at_desk, of, staffed_desk, then, told, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, EVE, MEMBERS, NOW, OWNERS, PACK, SUE
from tests.every_row import every_row

T1, T2 = OWNERS[:2]


@pytest.mark.practice(4)
def test_off_is_refused_with_threads_in_hand() -> None:
    """Nobody goes off duty with a thread in their hands; the refusal names it and what to do (practice 4)."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(DESK, ANA, "!off")
    world.settle()
    assert as_usual(world.desk.member(ANA)) == replace(MEMBERS[0], on_duty_since=NOW)
    assert "First hand over (!transfer) or !release: amber heron." in world.seen(DESK)
    world.say(T1, ANA, f"!transfer {BEN}")
    world.settle()
    world.say(DESK, ANA, "!off")
    world.settle()
    assert as_usual(world.desk.member(ANA)) == replace(MEMBERS[0], on_duty_since=NOW), "an offer is no handover yet"
    world.join(T1, BEN)
    world.say(T1, BEN, "!accept")
    world.settle()
    world.say(DESK, ANA, "!off")
    assert world.assignee(T1) == BEN
    assert as_usual(world.desk.member(ANA)) == replace(MEMBERS[0], on_duty=False, on_duty_since=NOW)


def shown(*users: str, first: bool = False) -> Desk:
    """Return a desk at which new identities were reported."""
    desk = staffed_desk()
    for user in users:
        desk = then(desk, IdentityChanged(user=user, master_key=f"key of {user}", first=first)).aggregate
    return desk


@pytest.mark.practice(13)
@pytest.mark.parametrize("first", [True, False])
def test_a_supervisor_confirms_the_identity_that_was_shown(first: bool) -> None:
    """`!trust` by a supervisor confirms exactly the key that was reported last, once."""
    desk = then(shown(BEN, ANA, first=first), IdentityChanged(user=BEN, master_key="newest")).aggregate
    step = then(desk, at_desk("!trust @ben", sender=SUE))
    assert [(a.user, a.master_key) for a in of(ConfirmIdentity, step)] == [(BEN, "newest")]
    assert "confirmed by sue" in words(step)
    again = then(step.aggregate, at_desk("!trust @ben", sender=SUE, event_id="$m2"))
    assert of(ConfirmIdentity, again) == []
    assert "Nobody of that name" in words(again)


@pytest.mark.parametrize("confirms", [at_desk("!trust @ben", sender=SUE), IdentityConfirmed(user=BEN)])
def test_who_can_read_nothing_is_not_on_duty(confirms: Event) -> None:
    """An alarm must not ring a person alone who cannot read it; confirmed, they are on duty as before."""
    desk = then(staffed_desk(), IdentityChanged(user=BEN, master_key="new")).aggregate
    assert [member.user for member in desk.roster if member.on_duty] == [ANA, SUE]
    assert "ben 0/5 · off, not confirmed yet" in desk.board
    again = then(desk, confirms, at(600)).aggregate.member(BEN)
    assert (again.on_duty, again.on_duty_since) == (True, NOW + 600)


@pytest.mark.parametrize("is_seen_first", [True, False])
def test_a_newcomer_is_on_duty_once_confirmed(is_seen_first: bool) -> None:
    """Nobody on duty but a newcomer whom nobody has confirmed is nobody on duty, whatever is seen first of them."""
    events: list[Event] = [IdentityChanged(user=EVE, master_key="new", first=True), MemberJoined(place=DESK, user=EVE)]
    desk = staffed_desk()
    for event in events if is_seen_first else reversed(events):
        desk = then(desk, event).aggregate
    newcomer = desk.member(EVE)
    assert newcomer is not None
    assert not newcomer.on_duty
    confirmed = then(desk, at_desk("!trust @eve", sender=SUE), at(0, roster=desk.roster)).aggregate
    assert confirmed.member(EVE).on_duty


@every_row(("sender", "who"), [(ANA, "@ben"), (BEN, "@ben"), (SUE, "@sue"), (SUE, "@nobody"), (SUE, ""), (EVE, "@ben")])
def test_who_confirms_nothing(sender: str, who: str) -> None:
    """Advocates confirm nobody, nobody confirms themselves, a stranger and an unknown name do nothing."""
    desk = shown(BEN, SUE)
    step = then(desk, at_desk(f"!trust {who}", sender=sender))
    assert of(ConfirmIdentity, step) == []
    assert step.aggregate.unconfirmed_identities == desk.unconfirmed_identities


def test_a_tap_confirms_nobody() -> None:
    """No reaction to anything changes whom we trust (design.md, "Identities, rooms, trust")."""
    desk = shown(BEN)
    for key in ("✅", "✋", "👍", "!trust @ben"):
        for target in ("", "board", "card:t1", "answer:$m1"):
            step = then(desk, ReactionAdded(place=DESK, sender=SUE, event_id="$r", key=key, target=target, trusted=True))
            assert step.aggregate.unconfirmed_identities == desk.unconfirmed_identities
            assert of(ConfirmIdentity, step) == []


def test_listening_in() -> None:
    """A supervisor is invited as a note-taker and told so; the assignee stays."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(DESK, SUE, "!listen Amber  Heron")
    assert world.assignee(T1) == ANA
    assert SUE in world.account[T1].invited
    for body in ("!listen", "!listen quiet maple"):
        step = then(world.desk, at_desk(body, sender=SUE), at(0, roster=world.desk.roster))
        assert not told(step.actions, T1)
        assert "!board" in words(step)
    assert ListenRequested(user=SUE) in told(then(world.desk, at_desk("!listen amber heron", sender=SUE)).actions, T1)


def test_signing_somebody_out() -> None:
    """A supervisor signs a person at the desk out everywhere; the desk reads who asked; an unknown name does nothing."""
    step = then(staffed_desk(), at_desk("!signout @ben", sender=SUE))
    assert [action.user for action in of(SignOut, step)] == [BEN]
    assert "at the word of sue" in words(step)
    assert [member.user for member in step.aggregate.roster if member.signed_out_at] == [BEN]
    desk = then(staffed_desk(), ThreadQueued(thread="t1", designation="amber heron", since=NOW)).aggregate
    assert told(then(desk, at_desk("!signout @ben", sender=SUE)).actions, "t1") == [AuthorSignedOut(user=BEN)]
    for body, sender in (("!signout @nobody", SUE), ("!signout", SUE), ("!signout @ben", ANA), ("!signout @ben", EVE)):
        assert of(SignOut, then(staffed_desk(), at_desk(body, sender=sender))) == []


def test_an_identity_that_changed_meanwhile_is_not_confirmed_unseen() -> None:
    """`!trust` without a fingerprint means what its author had read; with one it means that one."""
    desk = then(staffed_desk(), IdentityChanged(user=BEN, master_key="aaaa1111")).aggregate
    desk = then(desk, IdentityChanged(user=BEN, master_key="bbbb2222"), at(60)).aggregate
    step = then(desk, at_desk(f"!trust {BEN}", sender=SUE, at=NOW + 59), at(61))
    assert of(ConfirmIdentity, step) == []
    assert "changed while you wrote" in words(step)
    for said_it in (
        at_desk(f"!trust {BEN}", sender=SUE, at=NOW + 62),
        at_desk(f"!trust {BEN} bbbb 2222", sender=SUE, at=NOW + 59),
    ):
        assert of(ConfirmIdentity, then(desk, said_it, at(63))) == [ConfirmIdentity(user=BEN, master_key="bbbb2222")]
