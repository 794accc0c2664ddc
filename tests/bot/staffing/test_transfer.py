"""Handing over, calling in, taking and giving back: exactly one person is heard at any time."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from bot.lifecycle.recap import REMOVE_RECAP
from bot.model.actions import DESK, OFFICE, THREAD, DeliveryReceipt, Invite, KickMember, RedactMessage, SendMessage
from bot.model.desk import Thread
from bot.model.events import MemberJoined, MemberLeft, MessageRedacted, ReactionAdded, TimerDue
from bot.model.thread import TransferOffer
from bot.model.thread_desk_events import (
    AlarmRaised,
    Assigned,
    AssignmentKind,
    AssignmentRefused,
    ClaimRequested,
    MemberRemoved,
    OffDutyRequested,
    OfferChanged,
)
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from policies.pack import TextName
from tests.bot.examples import alarms, as_usual, at, due, held, marks, of, said, texts, then, told, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, OWNERS, PACK, SUE, UNDO
from tests.every_row import every_row

T1 = OWNERS[0]
HANDOVER = PACK.say(TextName.HANDOVER, "en")


def offered(to: str = BEN, sender: str = ANA) -> Thread:
    """Return a thread that is offered to a person, or to all."""
    thread: Thread = then(held(), said(f"!transfer {to}", event_id="$o", sender=sender)).aggregate
    return thread


def wanted(step: Any) -> list[ClaimRequested]:
    """Return what a step asks of the desk."""
    return [event for event in told(step.actions, DESK) if isinstance(event, ClaimRequested)]


@pytest.mark.practice(4)
@pytest.mark.parametrize("quiet", [False, True])
def test_an_offer_invites_and_changes_nothing_yet(quiet: bool) -> None:
    """Whoever is offered a thread is invited at once; the assignee stays; the handover text is at hand unless `quiet`."""
    step = then(held(), said(f"!transfer {BEN}{' quiet' if quiet else ''} she is at work", event_id="$o"))
    assert step.aggregate.assignment.assignee == ANA
    assert step.aggregate.assignment.offer == TransferOffer(to=BEN, by=ANA, until=NOW + 600, event_id="$o")
    assert [a.user for a in of(Invite, step)] == [BEN]
    assert [(post.mentions, post.notice) for post in of(SendMessage, step) if post.ref == "offer"] == [((BEN,), False)]
    assert [timer.due for timer in of(SetTimer, step)] == [NOW + 600]
    assert (HANDOVER in words(step)) != quiet
    assert [post.reactions for post in of(SendMessage, step) if post.ref == "offer"] == [("✅", "❌")], "one tap is enough"
    assert "to ben (she is at work): ✅" in words(step)
    assert texts(step) == []
    assert wanted(step) == []


def test_an_offer_to_all_is_a_card_at_the_desk() -> None:
    """Offered to everybody, the thread is on the desk's cards again, and nobody is invited before they take it."""
    step = then(held(), said("!transfer all"))
    assert told(step.actions, DESK) == [OfferChanged(thread="t1", open=True)]
    assert of(Invite, step) == []


@every_row(
    ("event", "how"),
    [
        (said("!transfer nobody", event_id="$n"), "taken back"),
        (MessageRedacted(place=THREAD, sender=ANA, target="$o"), "taken back"),
        (said(f"!transfer {SUE}", event_id="$n"), "replaced"),
        (said("!transfer all", event_id="$n"), "replaced"),
        (said("!decline", sender=BEN, event_id="$n"), "declined by ben"),
        (ReactionAdded(place=THREAD, sender=BEN, event_id="$n", key="❌", target="offer", trusted=True), "declined by ben"),
        (TimerDue(key="offer"), "run out"),
        (MemberLeft(place=THREAD, user=BEN), "ben has gone"),
        (MemberRemoved(user=BEN), "ben has gone"),
    ],
)
def test_every_end_of_an_offer_is_told(event: Any, how: str) -> None:
    """Taken back, redacted, replaced, declined, expired or left: the room reads it, and whoever had it cannot accept."""
    step = then(offered(), event, at(600 if isinstance(event, TimerDue) else 10))
    assert how in words(step)
    assert "ana is still heard" in words(step)
    assert [timer.key for timer in of(CancelTimer, step)] == ["offer"]
    assert step.aggregate.assignment.assignee == ANA
    late = then(step.aggregate, said("!accept", sender=BEN, event_id="$a"), at(20))
    assert wanted(late) == []
    assert words(late)


@every_row(
    ("event", "closed"),
    [
        (said("!transfer nobody", event_id="$n"), True),
        (MessageRedacted(place=THREAD, sender=SUE, target="$o"), True),
        (MessageRedacted(place=THREAD, sender=ANA, target="$o"), False),
        (said(f"!transfer {BEN}", event_id="$n"), True),
        (TimerDue(key="offer"), True),
        (MemberLeft(place=THREAD, user=SUE), True),
        (MemberRemoved(user=SUE), True),
        (Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED), True),
        (Assigned(assignee=SUE, how=AssignmentKind.TAKEN_OVER), True),
    ],
)
def test_the_desk_hears_that_an_offer_to_all_is_over(event: Any, closed: bool) -> None:
    """However an offer to everybody ends, its card at the desk ends with it."""
    thread = offered("all", sender=SUE)
    step = then(thread, event, at(600))
    assert (OfferChanged(thread="t1", open=False) in told(step.actions, DESK)) == closed
    assert (step.aggregate.assignment.offer != thread.assignment.offer) == closed


@every_row("yes", [True, False])
@every_row("sender", [ANA, BEN, SUE])
def test_only_whom_it_is_offered_to_answers(sender: str, yes: bool) -> None:
    """Nobody accepts or declines for another person, by word or by tap."""
    word = said("!accept" if yes else "!decline", sender=sender)
    tap = ReactionAdded(place=THREAD, sender=sender, event_id="$r", key="✅" if yes else "❌", target="offer", trusted=True)
    for event in (word, tap):
        step = then(offered(), event)
        assert bool(wanted(step)) == (yes and sender == BEN)
        assert (step.aggregate.assignment.offer is None) == (sender == BEN)
        assert step.aggregate.assignment.assignee == ANA


@pytest.mark.parametrize(
    ("key", "target", "trusted"), [("👍", "offer", True), ("✅", "card", True), ("✅", "offer", False)]
)
def test_a_tap_that_is_no_answer(key: str, target: str, trusted: bool) -> None:
    """Another sign, a tap elsewhere and a tap without a confirmed device take nothing; the last is told why."""
    step = then(offered(), ReactionAdded(place=THREAD, sender=BEN, event_id="$r", key=key, target=target, trusted=trusted))
    assert step.aggregate == offered()
    assert ("verify your device" in words(step)) != trusted


@pytest.mark.practice(4)
def test_an_accepted_offer_is_accepted_once() -> None:
    """Whoever accepts twice asks once, and what is accepted cannot be taken back or declined any more."""
    step = then(offered(), said("!accept", sender=BEN))
    assert wanted(step) == [ClaimRequested(thread="t1", user=BEN, how=AssignmentKind.ACCEPTED)]
    for event in (said("!accept", sender=BEN, event_id="$2"), said("!decline", sender=BEN, event_id="$2")):
        assert "Nothing is offered here" in words(then(step.aggregate, event))
    assert then(step.aggregate, MessageRedacted(place=THREAD, sender=ANA, target="$o")).actions == (
        REMOVE_RECAP,
        RedactMessage(place=THREAD, ref="answer:$o"),
    )


@pytest.mark.parametrize("how", [AssignmentKind.ACCEPTED, AssignmentKind.TAKEN_OVER, AssignmentKind.RETURNED])
@pytest.mark.practice(4)
def test_a_change_of_assignee_cancels_what_has_not_left_and_says_so(how: AssignmentKind) -> None:
    """The words of the assignee before do not leave; the new assignee is named; the former one stays in the room."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, Assigned(assignee=BEN, how=how), at(3))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert "the advocate changed" in words(step)
    assert "ben is the advocate now" in words(step)
    assert of(KickMember, step) == []
    assert texts(due(step.aggregate, UNDO)) == []
    assert marks(then(step.aggregate, said("but", event_id="$m2"), at(4))) == {"$m2": DeliveryReceipt.NOTE}
    assert step.aggregate.assignment.taken_from == (ANA if how is AssignmentKind.TAKEN_OVER else None)


@pytest.mark.practice(24)
@pytest.mark.parametrize(
    ("event", "is_held"),
    [
        (Assigned(assignee=BEN, how=AssignmentKind.RETURNED), True),
        (Assigned(assignee=BEN, answer_by=NOW + 60), True),
        (Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED), False),
        (Assigned(assignee=BEN, how=AssignmentKind.TAKEN_OVER), False),
    ],
)
def test_a_note_of_a_person_who_is_given_the_thread_is_asked_about(event: Assigned, is_held: bool) -> None:
    """Ben writes a note in the room, and becomes the advocate in the moment before he presses Enter: he is asked first."""
    thread = then(held(), MemberJoined(place=THREAD, user=BEN), at(-500)).aggregate
    step = then(then(thread, event).aggregate, said("be careful, more later", sender=BEN), at(1))
    assert marks(step) == {"$m1": DeliveryReceipt.HELD if is_held else DeliveryReceipt.LEAVING}
    released = then(step.aggregate, said("!anyway", sender=BEN, event_id="$y", at=NOW + 9), at(9)).aggregate
    again = then(released, said("and eat something", sender=BEN, event_id="$m2"), at(20))
    assert marks(again) == {"$m2": DeliveryReceipt.LEAVING}, "it is asked once"


def test_what_is_out_of_date_changes_nothing() -> None:
    """A decision of the desk about an assignee that has gone meanwhile is not followed: the thread waits already."""
    waits = then(held(), MemberLeft(place=THREAD, user=ANA)).aggregate
    for how in (AssignmentKind.ACCEPTED, AssignmentKind.TAKEN_OVER, AssignmentKind.RETURNED):
        step = then(waits, Assigned(assignee=BEN, how=how))
        assert step.aggregate == waits
        assert "went back to the queue" in words(step)
    assert then(waits, Assigned(assignee=BEN)).aggregate.assignment.assignee == BEN


@pytest.mark.practice(40)
def test_escalating_calls_the_supervisors_on_duty() -> None:
    """Supervisors on duty are invited and the desk is told loudly; the reason stays in the room.

    With none on duty the assignee is told whether anybody outside is called: nobody waits for a call that nobody makes.
    """
    step = then(held(), said("!escalate he is at the door"))
    assert [a.user for a in of(Invite, step)] == [SUE]
    assert alarms(step) == ["escalated"]
    assert "at the door" not in repr(told(step.actions, DESK))
    assert "ana says why: he is at the door" in words(step), "who is called may not be able to read colleagues' words"
    nobody = then(held(), said("!escalate"), at(0, roster=MEMBERS[:2]))
    assert of(Invite, nobody) == []
    assert "calls nobody outside" in words(nobody)
    on_call = then(held(), said("!escalate"), at(0, roster=MEMBERS[:2], on_call=True))
    assert "Whoever is on call is being called" in words(on_call)
    herself = then(held(), said("!escalate", sender=SUE), at(0, on_call=True))
    assert of(Invite, herself) == []
    assert "No other supervisor is on duty. Whoever is on call is being called" in words(herself)
    (raised,) = [a.event for a in of(SendEvent, herself) if isinstance(a.event, AlarmRaised)]
    assert raised.by == SUE


@pytest.mark.practice(25)
def test_an_interpreter_has_a_seat_for_two_hours() -> None:
    """An interpreter reads and writes notes for two hours; who left before, or became the assignee, is not removed then."""
    step = then(held(), said(f"!with {BEN} interpreter"))
    assert [timer.due for timer in of(SetTimer, step) if timer.key == f"seat:{BEN}"] == [NOW + 7200]
    sits = then(step.aggregate, MemberJoined(place=THREAD, user=BEN)).aggregate
    assert marks(then(sits, said("hola", sender=BEN))) == {"$m1": DeliveryReceipt.NOTE}
    assert [a.user for a in of(KickMember, then(sits, TimerDue(key=f"seat:{BEN}"), at(7200)))] == [BEN]
    assignee = then(sits, Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED)).aggregate
    assert then(assignee, TimerDue(key=f"seat:{BEN}"), at(7200)).actions == ()
    without_ben = then(sits, MemberLeft(place=THREAD, user=BEN)).aggregate
    assert then(without_ben, TimerDue(key=f"seat:{BEN}"), at(7200)).actions == ()


def test_quiet_is_a_word_of_its_own() -> None:
    """`quiet` right behind the name leaves the handover text out; in a note it is a word like any other."""
    step = then(held(), said(f"!transfer {BEN} it is quiet now, she sleeps", event_id="$o"))
    assert HANDOVER in words(step)


def test_nobody_loses_a_seat_that_is_not_an_interpreters() -> None:
    """Two hours end an interpreter's seat only: the assignee never has one, nor who was asked in once more without it."""
    step = then(held(), said(f"!with {ANA} interpreter", sender=SUE))
    assert step.aggregate.assignment.interpreters == frozenset()
    assert "ana is the advocate" in words(step)
    assert of(KickMember, then(step.aggregate, TimerDue(key=f"seat:{ANA}"), at(7_300))) == []
    thread = then(held(), said(f"!with {BEN} interpreter")).aggregate
    again = then(thread, said(f"!with {BEN}", event_id="$m2"), at(60))
    assert CancelTimer(key=f"seat:{BEN}") in again.actions
    assert of(KickMember, then(again.aggregate, TimerDue(key=f"seat:{BEN}"), at(7_300))) == []


def test_nobody_off_duty_is_asked_in() -> None:
    """Whoever is off duty is not called into a room; the refusal says so."""
    off = tuple(replace(seat, on_duty=seat.user != BEN) for seat in MEMBERS)
    step = then(held(), said("!with @ben"), at(0, roster=off))
    assert of(Invite, step) == []
    assert "ben is off duty" in words(step)


@pytest.mark.parametrize(
    ("thread", "sender", "why"),
    [
        (held(), BEN, "nothing is offered here, or it has run out"),
        (offered(), SUE, "it is offered to somebody else"),
        (offered("all"), BEN, "it is offered to everybody"),
    ],
)
def test_no_tap_on_an_offer_is_passed_over_in_silence(thread: Thread, sender: str, why: str) -> None:
    """Whoever taps an offer that is over, or for others, hears that it changed nothing."""
    for key in ("✅", "❌"):
        step = then(
            thread, ReactionAdded(place=THREAD, sender=sender, event_id="$t", key=key, target="offer", trusted=True)
        )
        assert why in words(step)
        assert step.aggregate == thread
        assert wanted(step) == []


def test_a_supervisor_puts_the_thread_of_somebody_absent_into_the_queue() -> None:
    """`!release queue` of a supervisor lets a thread wait again, whoever is its assignee and whoever was."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(T1, SUE, "!release")
    assert world.assignee(T1) == ANA
    assert "!release queue takes it from its advocate" in world.seen(T1)
    world.say(T1, SUE, "!take")
    world.settle()
    world.say(T1, SUE, "!release queue")
    assert world.assignee(T1) is None
    world.say(DESK, BEN, "!claim")
    world.settle()
    world.say(T1, SUE, "!release queue")
    assert world.assignee(T1) is None


@pytest.mark.parametrize("how", ["waits", "is offered"])
def test_a_thread_is_claimed_in_its_own_room(how: str) -> None:
    """`!claim` in the room of a thread that waits, or is offered to all, makes one its assignee; two have one winner."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(T1, ANA, "!release" if how == "waits" else "!transfer all")
    world.settle()
    world.say(T1, BEN, "!claim")
    world.say(T1, SUE, "!claim")
    assert world.assignee(T1) == BEN
    assert ("ben was quicker" in world.seen(T1)) != ("It is with ben" in world.seen(T1))
    world.say(T1, SUE, "!claim")
    world.say(T1, BEN, "!claim")
    assert world.assignee(T1) == BEN
    assert "This thread is with you already." in world.seen(T1)


def test_off_in_a_threads_room_is_the_desks_to_allow() -> None:
    """`!off` works from a room as well; whoever has a thread in their hands stays, also when it comes in that moment."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(T1, ANA, "!off")
    world.settle()
    assert "you have 1 open" in world.seen(T1)
    world.say(T1, BEN, "!off")
    world.settle()
    assert [(seat.user, seat.on_duty) for seat in world.desk.roster] == [(ANA, True), (BEN, False), (SUE, True)]
    world.tell(DESK, OffDutyRequested(user=ANA))
    world.settle()
    assert as_usual(world.desk.member(ANA)) == replace(MEMBERS[0], on_duty_since=NOW, last_thread="")
    assert "ana stays on duty" in world.seen(DESK)


@pytest.mark.practice(32)
def test_care_is_where_colleagues_do_not_see_it() -> None:
    """`!debrief` is answered in one's office only."""
    step = then(held(), said("!debrief", sender=BEN))
    assert [post.place for post in of(SendMessage, step)] == [OFFICE + BEN]


def test_the_desk_refuses_in_a_sentence() -> None:
    """Whom the desk does not make the assignee is named in the room with the reason."""
    step = then(held(), AssignmentRefused(user=BEN, reason="they are off duty."))
    assert words(step) == "ben is not the advocate: they are off duty."
    assert step.aggregate == held()


def test_nobody_tells_the_thread_but_the_desk() -> None:
    """No command or tap in a thread's room makes a person the assignee by itself: it asks the desk."""
    for sender, body in product((ANA, BEN, SUE), ("!accept", "!take", "!speak", "!listen", f"!transfer {BEN}")):
        step = then(offered(), said(body, sender=sender))
        assert step.aggregate.assignment.assignee == ANA
        assert all(isinstance(a.event, ClaimRequested | OfferChanged) for a in of(SendEvent, step))


@pytest.mark.parametrize(
    ("command", "to"),
    [
        ("!transfer to ben", BEN),
        ("!transfer a Ben, está cansada", BEN),
        ("!transfer everyone", ""),
        ("!transfer todos", ""),
    ],
)
def test_a_colleague_is_named_as_people_name_one(command: str, to: str) -> None:
    """A word between the command and the name does not refuse the offer, after which the next words would be held."""
    offer = then(held(), said(command)).aggregate.assignment.offer
    assert offer is not None
    assert offer.to == to
    assert "ben is asked in" in words(then(held(), said("!with to ben")))
