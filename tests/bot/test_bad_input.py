"""What goes wrong at a desk has one defined outcome each (design.md, "Who is heard")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import DESK, THREAD, PageOnCall, SendMessage
from bot.model.events import (
    IgnoreReason,
    MemberLeft,
    MessageIgnored,
    MessageRedacted,
    PowerLevelsChanged,
    ReactionAdded,
    Relation,
)
from bot.model.feature import Step
from bot.model.line_incidents import DeadLetterRecorded, RoomLoss, RoomLost
from bot.model.thread_desk_events import ThreadQueued
from tests.bot.examples import at, at_desk, edit, held, of, said, staffed_desk, then
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, EVE, MEMBERS, NOW, OWNERS, SUE, with_settings
from tests.every_row import every_row

T1, T2 = OWNERS[:2]


def line() -> Simulation:
    """Return a line with a cap of one: Ana is the assignee of one thread, and another waits."""
    world = Simulation(with_settings(cap=1), threads=2)
    world.open(T1, ANA)
    world.text(T2, "hi")
    world.settle()
    return world


def joins(world: Simulation, *users: str) -> None:
    """Let people be in the first thread's room."""
    for user in users:
        world.account[T1].invited.add(user)
        world.join(T1, user)
    world.settle()


def two_claims(world: Simulation) -> None:
    world.say(DESK, BEN, "!claim")
    world.say(DESK, SUE, "!claim quiet maple")


def two_hands(world: Simulation) -> None:
    world.tap(DESK, SUE, "✋", f"card:{T2}")
    world.tap(DESK, BEN, "✋", f"card:{T2}")


def accepts_and_declines(world: Simulation) -> None:
    world.say(T1, ANA, f"!transfer {BEN}")
    world.say(T1, BEN, "!accept")
    world.tap(T1, BEN, "❌", "offer")
    world.tap(T1, BEN, "✅", "offer")


def to_somebody_off(world: Simulation) -> None:
    world.say(DESK, BEN, "!off")
    world.settle()
    world.say(T1, ANA, f"!transfer {BEN}")


def over_the_cap(world: Simulation) -> None:
    world.tap(DESK, BEN, "✋", f"card:{T2}")
    world.settle()
    world.say(T1, ANA, f"!transfer {BEN}")


def after_expiry(world: Simulation) -> None:
    world.say(T1, ANA, f"!transfer {BEN}")
    world.settle()
    world.pass_time(600)
    world.say(T1, BEN, "!accept")
    world.tap(T1, BEN, "✅", "offer")


def by_somebody_who_left(world: Simulation) -> None:
    world.say(T1, SUE, "!take")
    world.tell(DESK, MemberLeft(place=DESK, user=BEN))
    world.settle()
    for body in ("!transfer all", "!take", "!escalate", "!release", "ok"):
        world.say(T1, BEN, body)
    world.say(DESK, BEN, "!claim")
    world.tap(DESK, BEN, "✋", f"card:{T2}")


def accepted_and_left(world: Simulation) -> None:
    world.say(T1, ANA, f"!transfer {BEN}")
    world.settle()
    world.say(T1, BEN, "!accept")
    world.work(T1)
    world.tell(DESK, MemberLeft(place=DESK, user=BEN))


def unsigned_taps(world: Simulation) -> None:
    world.say(T1, ANA, f"!transfer {BEN}")
    world.settle()
    world.tap(T1, BEN, "✅", "offer", trusted=False)
    world.tap(DESK, BEN, "✋", f"card:{T2}", trusted=False)


def unsigned_words(world: Simulation) -> None:
    for owner, place in ((T1, THREAD), (DESK, DESK)):
        world.tell(owner, MessageIgnored(place=place, sender=ANA, event_id=world.new_id(), reason=IgnoreReason.UNTRUSTED))


def nonsense_levels(world: Simulation) -> None:
    for users in ((), ((SUE, -5), (EVE, 100)), ((BEN, 10**12),), (("", 50), ("not an id", 7))):
        world.tell(DESK, PowerLevelsChanged(users=users))
    world.settle()
    world.say(T1, SUE, "!take")


def left_by_everybody(world: Simulation) -> None:
    for user in (SUE, BEN, ANA):
        world.tell(DESK, MemberLeft(place=DESK, user=user))
    world.settle()
    world.pass_time(601)


def forged_edits(world: Simulation) -> None:
    message = world.say(T1, ANA, "ok")
    offer = world.say(T1, ANA, f"!transfer {SUE}")
    for sender in (BEN, SUE, EVE):
        for target in (message, offer):
            world.say(T1, sender, f"!transfer {BEN}", relation=Relation.EDIT, target=target)
            world.tell(T1, MessageRedacted(place=THREAD, sender=sender, target=target))
    world.say(DESK, EVE, "!claim", relation=Relation.EDIT, target="$x")
    world.say(DESK, BEN, "!claim", relation=Relation.EDIT, target="$x")


ROWS: list[tuple[Callable[[Simulation], Any], str | None, str | None, str]] = [
    (two_claims, ANA, BEN, "quiet maple is with ben already"),
    (two_hands, ANA, SUE, "ben: quiet maple is with sue already"),
    (accepts_and_declines, BEN, None, "ben is the advocate now"),
    (to_somebody_off, ANA, None, "ben is off duty. Say !transfer and who else"),
    (over_the_cap, ANA, BEN, "ben has 1 threads open, the most. A supervisor may"),
    (lambda world: world.say(T1, ANA, f"!transfer {EVE}"), ANA, None, "That is nobody at the desk"),
    (lambda world: world.say(T1, ANA, "!transfer"), ANA, None, "That is nobody at the desk"),
    (lambda world: world.say(T1, ANA, f"!transfer {ANA}"), ANA, None, "ana is the advocate already"),
    (lambda world: world.say(T1, ANA, "!transfer nobody"), ANA, None, "nothing to take back"),
    (lambda world: world.say(T1, BEN, "!accept"), ANA, None, "Nothing is offered here"),
    (after_expiry, ANA, None, "Nothing is offered here, or it has run out"),
    (by_somebody_who_left, SUE, None, ""),
    (accepted_and_left, None, None, "in the queue again"),
    (unsigned_taps, ANA, None, "ben: verify your device first"),
    (unsigned_words, ANA, None, "This device is not verified"),
    (nonsense_levels, ANA, None, "!take is for supervisors"),
    (left_by_everybody, None, None, "in the queue again"),
    (forged_edits, ANA, None, "offers this thread to sue"),
]


@every_row(("wrong", "first", "second", "shown"), ROWS)
def test_what_goes_wrong(wrong: Callable[[Simulation], Any], first: str | None, second: str | None, shown: str) -> None:
    """Each mishap ends with these two assignees, on which all agree, and with these words where its cause is."""
    world = line()
    joins(world, BEN, SUE)
    wrong(world)
    assert (world.assignee(T1), world.assignee(T2)) == (first, second)
    assert shown in world.seen(DESK) + world.seen(T1)
    world.pass_time(21)
    world.settle()
    assert [text.body for _, text in world.account[T1].lane] in ([], ["ok"])


def test_whoever_just_left_is_neither_heard_nor_answered() -> None:
    """A command or words by a person who is not on the roster any more have no effect and no answer in any room."""
    facts = at(0, roster=MEMBERS[1:])
    desk = then(replace(staffed_desk(), roster=MEMBERS[1:]), DeadLetterRecorded(short_id="0"), at(-10)).aggregate
    for body in ("!transfer all", "!release", "!say handover", "!again", "ok", "!help", "!nonsense", "!claim"):
        assert then(held(), said(body), facts).actions == ()
        assert then(desk, at_desk(body), facts) == Step(desk)


def test_a_desk_left_by_everybody_calls_for_somebody() -> None:
    """With nobody left each thread waits again, and the person on call is called."""
    world = line()
    left_by_everybody(world)
    world.settle()
    assert [entry.assignee for entry in world.desk.threads] == [None, None]
    assert world.pages > 0


@pytest.mark.parametrize("sender", [BEN, SUE, EVE])
def test_nobody_edits_or_redacts_for_another(sender: str) -> None:
    """A forged edit or redaction changes neither words in the window, nor held ones, nor an offer.

    But for a supervisor's redaction, which may be meant: then words do not leave that nobody sees.
    """
    waits = then(held(), said("hello")).aggregate
    keeps = then(held(), said("call me at 555-0134-222")).aggregate
    offers = then(held(), said("!transfer all")).aggregate
    for thread in (waits, keeps, offers):
        for event in (
            edit("better", sender=sender),
            edit("!say handover", sender=sender),
            MessageRedacted(place=THREAD, sender=sender, target="$m1"),
        ):
            taken_out = sender == SUE and thread is not offers and isinstance(event, MessageRedacted)
            assert (then(thread, event).aggregate == thread) is not taken_out


TAPS = [
    ReactionAdded(place=THREAD, sender=sender, event_id="$r", key=key, target=target, trusted=True)
    for sender in (ANA, BEN, SUE, EVE)
    for key in ("✅", "❌", "✋", "👍", "!anyway", "!again", "⏳ leaving", "✓ sent")
    for target in ("", "offer", "card", "say:$m1", "answer:$m1", "in:a:0")
]


@pytest.mark.parametrize(("how", "said"), [(RoomLoss.CLOSED, True), (RoomLoss.REMOVED, False)])
def test_a_desk_that_was_closed_or_taken_from_us(how: RoomLoss, said: bool) -> None:
    """The person on call is called at once; where anybody can still read it, it is said aloud; no thread changes."""
    desk = then(staffed_desk(), ThreadQueued(thread=T1, designation="amber heron", since=NOW)).aggregate
    step = then(desk, RoomLost(place=DESK, how=how))
    assert len(of(PageOnCall, step)) == 1
    assert [post.notice for post in of(SendMessage, step) if post.ref != "board"] == ([False] if said else [])
    assert step.aggregate.threads == desk.threads
