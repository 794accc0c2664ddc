"""Handing over, calling in, taking and giving back: exactly one person is heard at any time."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.actions import DESK, THREAD, DeliveryReceipt, Invite, KickMember, SendMessage
from bot.model.desk import Thread
from bot.model.events import MemberJoined, MemberLeft, MessageRedacted, ReactionAdded, TimerDue
from bot.model.thread import TransferOffer
from bot.model.thread_desk_events import AlarmRaised, Assigned, AssignmentKind, ClaimRequested, MemberRemoved
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from policies.pack import TextName
from tests.bot.examples import alarms, at, due, held, marks, of, said, texts, then, told, words
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
