"""Duty, trust and listening in: what people say at the desk about themselves and each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, ConfirmIdentity, ShowDevices, SignOut
from bot.model.desk import Desk
from bot.model.events import (
    Event,
    IdentityChanged,
    IdentityConfirmed,
    MemberJoined,
    PowerLevelsChanged,
    ReactionAdded,
)
from bot.model.thread_desk_events import AssigneeSpoke, AuthorSignedOut, ListenRequested, ThreadQueued
from tests.bot.examples import as_usual, at, at_desk, due, held, of, said, staffed_desk, then, told, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, EVE, MEMBERS, NOW, OWNERS, PACK, SUE, UNDO
from tests.every_row import every_row

T1, T2 = OWNERS[:2]
SWITCHED = PACK.settings.undo_after_switch_seconds


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


@pytest.mark.practice(25)
def test_the_board_shows_who_speaks_what() -> None:
    """`!languages es` is the sender's own word about themselves; it stands on the board until they take it back."""
    desk = then(staffed_desk(), at_desk("!languages ES, fr es"), at(1)).aggregate
    assert [member.languages for member in desk.roster] == [("es", "fr"), (), ()]
    assert "ana 0/5 · es fr, ben 0/5" in words(then(desk, at_desk("!board"), at(2)))
    for wrong in ("!languages", "!languages elvish", "!languages a b c d e f g", "!languages none es fr de it pt ru"):
        step = then(desk, at_desk(wrong), at(3))
        assert step.aggregate.roster == desk.roster
        assert "!languages none" in words(step)
    assert then(desk, at_desk("!languages none"), at(4)).aggregate.member(ANA) == MEMBERS[0]


def test_a_assignee_that_was_taken_does_not_keep_anybody_on_duty() -> None:
    """Whose assignee was taken may go; then the supervisor's `!release` is for the queue and `!listen` says why not."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(T1, SUE, "!take")
    world.settle()
    world.say(DESK, ANA, "!off")
    assert world.assignee(T1) == SUE
    world.say(T1, SUE, "!listen")
    assert world.assignee(T1) == SUE
    assert "ana is off duty: !transfer it, or !release it to the queue." in world.seen(T1)
    world.say(T1, ANA, "!speak")
    assert world.assignee(T1) == SUE
    world.say(T1, SUE, "!release")
    assert world.assignee(T1) is None


def test_off_duty_a_supervisor_takes_nothing() -> None:
    """A supervisor who is off duty says `!on` before `!take`; the room reads why."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(DESK, SUE, "!off")
    world.settle()
    world.say(T1, SUE, "!take")
    assert world.assignee(T1) == ANA
    assert "sue is not the advocate: sue is off duty. !on at the desk changes that." in world.seen(T1)


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


def test_an_identity_that_was_confirmed_on_the_server_waits_no_more() -> None:
    """The desk reads who was confirmed and where, and `!trust` of it finds nobody; others go on waiting."""
    step = then(shown(BEN, ANA), IdentityConfirmed(user=BEN))
    assert "ben's identity is confirmed by the technician" in words(step)
    assert dict(step.aggregate.unconfirmed_identities).keys() == {ANA}
    assert dict(step.aggregate.reported).keys() == {ANA}
    assert of(ConfirmIdentity, then(step.aggregate, at_desk("!trust @ben", sender=SUE))) == []


@pytest.mark.parametrize("confirms", [at_desk("!trust @ben", sender=SUE), IdentityConfirmed(user=BEN)])
def test_who_can_read_nothing_is_not_on_duty(confirms: Event) -> None:
    """An alarm must not ring a person alone who cannot read it; confirmed, they are on duty as before."""
    desk = then(staffed_desk(), IdentityChanged(user=BEN, master_key="new")).aggregate
    assert [member.user for member in desk.roster if member.on_duty] == [ANA, SUE]
    assert "ben 0/5 · off, not confirmed yet" in desk.board
    again = then(desk, confirms, at(600)).aggregate.member(BEN)
    assert (again.on_duty, again.on_duty_since) == (True, NOW + 600)


@pytest.mark.parametrize("confirms", [at_desk("!trust @ben", sender=SUE), IdentityConfirmed(user=BEN)])
def test_who_was_off_duty_stays_off_duty(confirms: Event) -> None:
    """A confirmation puts nobody on duty who went home."""
    desk = then(staffed_desk(), at_desk("!off", sender=BEN)).aggregate
    desk = then(desk, IdentityChanged(user=BEN, master_key="new")).aggregate
    assert not then(desk, confirms).aggregate.member(BEN).on_duty


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


@pytest.mark.parametrize("is_seen_first", [True, False])
def test_a_newcomer_without_an_identity_is_not_on_duty(is_seen_first: bool) -> None:
    """Their app has made none, so they read nothing: the desk hears it once they are a member, and `!trust` says it."""
    missing = IdentityChanged(user=EVE, first=True)
    events: list[Event] = [missing, MemberJoined(place=DESK, user=EVE)]
    desk, notices = staffed_desk(), list[str]()
    for event in events if is_seen_first else reversed(events):
        step = then(desk, event)
        desk = step.aggregate
        notices += [words(step)] if "has made no cryptographic identity" in words(step) else []
    newcomer = desk.member(EVE)
    assert newcomer is not None
    assert (newcomer.on_duty, len(notices)) == (False, 1)
    early = then(desk, at_desk("!trust @eve", sender=SUE), at(0, roster=desk.roster))
    assert of(ConfirmIdentity, early) == []
    assert "has made no cryptographic identity" in words(early)
    desk = then(desk, IdentityChanged(user=EVE, master_key="new", first=True)).aggregate
    assert not [member for member in desk.roster if member.user == EVE and member.on_duty]
    confirmed = then(desk, at_desk("!trust @eve", sender=SUE, event_id="$m2"), at(0, roster=desk.roster))
    assert [action.master_key for action in of(ConfirmIdentity, confirmed)] == ["new"]
    assert [member.on_duty for member in confirmed.aggregate.roster if member.user == EVE] == [True]


def test_who_has_a_thread_stays_on_duty() -> None:
    """Nobody who is off duty has a thread: the desk calls others to it when its texts are not read."""
    desk = staffed_desk()
    queued = ThreadQueued(thread="t1", designation="amber heron", since=NOW)
    desk = then(then(desk, queued).aggregate, at_desk("!claim", sender=BEN)).aggregate
    assert then(desk, IdentityChanged(user=BEN, master_key="new")).aggregate.member(BEN).on_duty


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


def test_devices() -> None:
    """`!devices` asks about oneself, or about a person here; a name that nobody has is answered."""
    for body, user in (("!devices", ANA), ("!devices @ben", BEN), (f"!devices {BEN}", BEN)):
        assert [(a.user, a.place, a.reply_to) for a in of(ShowDevices, then(staffed_desk(), at_desk(body)))] == [
            (user, DESK, "$m1")
        ]
    assert words(then(staffed_desk(), at_desk("!devices @nobody"))).startswith("That is nobody at the desk.")


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


@pytest.mark.parametrize(("spoke", "window"), [("", UNDO), ("t1", UNDO), ("t2", SWITCHED)])
def test_the_window_is_longer_after_another_thread(spoke: str, window: int) -> None:
    """When the assignee's words before were in another thread, there are sixteen seconds to notice.

    Rule: design.md, "Who is heard".
    """
    seats = (replace(MEMBERS[0], last_thread=spoke), *MEMBERS[1:])
    step = then(held(), said("hello"), at(0, roster=seats))
    assert [pending.send_at - NOW for pending in step.aggregate.sending.pending] == [window]
    assert (AssigneeSpoke(thread="t1", user=ANA) in told(step.actions, DESK)) == (spoke != "t1")
    assert due(step.aggregate, window - 0.1).actions[-1:] != ()


def test_from_thread_to_thread() -> None:
    """Back and forth, each first message waits sixteen seconds and each following one eight; notes count for nothing."""
    world = Simulation(PACK, threads=2)
    for owner in (T1, T2):
        world.open(owner, ANA)
    waits = []
    for owner, body in (
        *((T1, "ok"), (T1, "ok"), (T2, "// note"), (T1, "ok"), (T2, "ok"), (T2, "ok")),
        *((T1, "ok"), (T1, "!status"), (T2, "ok")),
    ):
        world.say(owner, ANA, body)
        world.settle()
        pending = world.threads[owner].sending.pending
        waits.append(pending[-1].send_at - world.now if pending else 0)
        world.pass_time(21)
        world.settle()
    assert waits == [UNDO, UNDO, 0, UNDO, SWITCHED, UNDO, SWITCHED, 0, SWITCHED]


@pytest.mark.parametrize("level", [-(10**9), -1, 0, 49, 10**30])
def test_levels_of_any_size(level: int) -> None:
    """Power levels are compared and nothing else: nonsense makes advocates, or supervisors, of those it names."""
    desk = then(staffed_desk(), PowerLevelsChanged(users=((ANA, level), (EVE, level), ("", level)))).aggregate
    assert [(seat.user, seat.role.value) for seat in desk.roster] == [
        (ANA, "supervisor" if level >= 50 else "advocate"),
        (BEN, "advocate"),
        (SUE, "advocate"),
    ]


@pytest.mark.parametrize(("said", "confirms"), [("abcd EFGH", True), ("abcdEFGH", True), ("abcdefgh", False), ("x", False)])
def test_a_fingerprint_must_be_the_one_that_was_shown(said: str, confirms: bool) -> None:
    """With a fingerprint an identity is confirmed only if it is that one, letter for letter, however it is spaced."""
    reported = then(staffed_desk(), IdentityChanged(user=BEN, master_key="abcdEFGH"))
    assert "abcd EFGH" in words(reported)
    step = then(reported.aggregate, at_desk(f"!trust @ben {said}", sender=SUE))
    assert bool(of(ConfirmIdentity, step)) == confirms
    assert confirms or "NOT the fingerprint" in words(step)
    assert bool(step.aggregate.unconfirmed_identities) != confirms


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
