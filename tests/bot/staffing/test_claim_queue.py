"""The desk: who waits, who takes what, who is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import (
    DESK,
    OFFICE,
    EditMessage,
    Invite,
    KickMember,
    PageOnCall,
    RestorePowerLevels,
    RetryDeadLetter,
    SendMessage,
    ShareRoomKeys,
    ShowReceipt,
    Speaker,
)
from bot.model.desk import Desk, Role
from bot.model.events import IdentityChanged, MemberJoined, MemberLeft, ReactionAdded
from bot.model.feature import Step
from bot.model.line_incidents import (
    CanaryFailed,
    CanaryRecovered,
    CanaryStep,
    ClockJumped,
    DeadLetterRecorded,
    HomeserverIncident,
    HomeserverIncidentKind,
    InviteFailed,
    KeysMissing,
    LineChecked,
    PageFailed,
    StaffAdded,
    SyncStalled,
)
from bot.model.thread_desk_events import (
    AlarmKind,
    AlarmRaised,
    Assigned,
    AssignmentKind,
    ClaimRequested,
    MemberRemoved,
    ThreadQueued,
)
from bot.model.transactional_actions import SendEvent
from tests.bot.examples import at, at_desk, of, staffed_desk, then, told, words
from tests.bot.strategies import ANA, BEN, EVE, NAMED, NOW, OWNERS, PACK, SUE
from tests.every_row import every_row


def queue(*seconds: float) -> Desk:
    """Return a desk at which threads wait, since so many seconds."""
    desk = staffed_desk()
    for owner, name, since in zip(OWNERS, NAMED, seconds, strict=False):
        desk = then(desk, ThreadQueued(thread=owner, designation=name, since=NOW - since)).aggregate
    return desk


def tap(sender: str = ANA, **changed: Any) -> ReactionAdded:
    usual: dict[str, Any] = {
        "place": DESK,
        "sender": sender,
        "event_id": "$r",
        "key": "✋",
        "target": "card:t1",
        "trusted": True,
    }
    return ReactionAdded(**(usual | changed))


def winners(step: Step[Any]) -> list[tuple[str, str]]:
    return [
        (owner, event.assignee) for owner in OWNERS for event in told(step.actions, owner) if isinstance(event, Assigned)
    ]


def test_a_waiting_thread_is_a_card_without_content() -> None:
    """A thread that waits is one new message at the desk with "waiting", its designation and how to take it."""
    step = then(staffed_desk(), ThreadQueued(thread="t1", designation="amber heron", since=NOW))
    card, call = of(SendMessage, step)
    assert (card.place, card.ref, card.notice) == (DESK, "card:t1", True)
    assert (call.place, call.ref, call.mentions) == (DESK, "wait:t1:new0", (ANA, BEN, SUE))
    assert "amber heron · waiting" in card.body
    assert "!claim amber heron" in card.body


def test_a_thread_that_waits_again_is_a_new_card() -> None:
    """A thread whose assignee left is back in the queue, on a new message; the old one points to it.

    Rule: design.md, "Contracts with the outside".
    """
    desk = then(queue(10), tap()).aggregate
    step = then(desk, ThreadQueued(thread="t1", designation="amber heron", since=NOW, requeued=True))
    assert ["waiting again" in post.body and "amber heron" in post.body for post in of(SendMessage, step)] == [True, False]
    assert [edit.ref for edit in of(EditMessage, step)] == ["card:t1"]
    assert [line.designation for line in step.aggregate.waiting] == ["amber heron"]


@every_row(
    ("body", "thread"),
    [
        ("!claim", "t2"),
        ("!claim amber heron", "t1"),
        ("!CLAIM  Amber   Heron", "t1"),
        ("!claim plain river", "t3"),
        ("!claim heron", None),
        ("!claim nobody here", None),
    ],
)
def test_a_claim(body: str, thread: str | None) -> None:
    """A claim takes the named thread, or the one that waits longest; a wrong name takes none and says so."""
    step = then(queue(10, 30, 20), at_desk(body))
    assert winners(step) == ([(thread, ANA)] if thread else [])
    assert words(step)
    assert [edit.ref for edit in of(EditMessage, step)] == ([f"card:{thread}"] if thread else [])


@every_row("first", [tap(ANA), at_desk("!claim"), at_desk("!claim amber heron")])
@every_row("second", [tap(BEN), at_desk("!claim", sender=BEN), at_desk("!claim amber heron", sender=BEN)])
@pytest.mark.practice(4)
def test_two_claims_have_one_winner(first: Any, second: Any) -> None:
    """Of two people who take a thread in the same second the first has it, and the other is told."""
    won = then(queue(10), first)
    lost = then(won.aggregate, second)
    assert winners(won) == [("t1", ANA)]
    assert winners(lost) == []
    assert words(lost)
    assert lost.aggregate.threads == won.aggregate.threads


@pytest.mark.practice(34)
def test_the_cap_holds() -> None:
    """Nobody gets more threads than the cap by tap or by word; another person may take what they cannot (practice 34)."""
    cap = PACK.settings.cap
    desk = staffed_desk()
    for n in range(cap + 1):
        desk = then(desk, ThreadQueued(thread=f"x{n}", designation=f"amber {n}", since=NOW + n)).aggregate
    for _ in range(cap):
        desk = then(desk, at_desk("!claim")).aggregate
    assert len(desk.assigned_to(ANA)) == cap
    for event in (at_desk("!claim"), tap(target=f"card:x{cap}")):
        step = then(desk, event)
        assert step.aggregate == desk
        assert str(cap) in words(step)
    assert len(then(desk, at_desk("!claim", sender=BEN)).aggregate.assigned_to(BEN)) == 1


@pytest.mark.practice(34)
def test_only_a_supervisor_passes_the_cap() -> None:
    """A supervisor claims beyond the cap; an advocate gets one more only where a supervisor has asked for it."""
    cap = PACK.settings.cap
    desk = staffed_desk()
    for n in range(2 * cap + 2):
        desk = then(desk, ThreadQueued(thread=f"x{n}", designation=f"amber {n}", since=NOW + n)).aggregate
    for sender, tries in ((ANA, cap + 1), (SUE, cap + 1)):
        for _ in range(tries):
            desk = then(desk, at_desk("!claim", sender=sender)).aggregate
    assert (len(desk.assigned_to(ANA)), len(desk.assigned_to(SUE))) == (cap, cap + 1)
    for over_cap in (False, True):
        request = ClaimRequested(thread=f"x{2 * cap + 1}", user=ANA, how=AssignmentKind.ACCEPTED, over_cap=over_cap)
        assert len(then(desk, request).aggregate.assigned_to(ANA)) == cap + over_cap


def test_the_board() -> None:
    """`!board` shows who waits, longest first, who talks with whom, and who is here."""
    desk = then(queue(60, 180), tap()).aggregate
    shown = words(then(desk, at_desk("!board"), at(60)))
    assert "Queue: 1\nquiet maple · queued 4 min" in shown
    assert "Open: 1\namber heron · with ana" in shown
    assert "Here: ana 1/5, ben 0/5, sue (supervisor) 0/5" in shown


def test_whoever_joins_is_seated_and_greeted_by_both() -> None:
    """A newcomer gets the desk's keys first and then a word of each identity; a known person only once."""
    step = then(replace(staffed_desk(), roster=()), MemberJoined(place=DESK, user=SUE))
    assert isinstance(step.actions[0], ShareRoomKeys)
    assert [post.speaker for post in of(SendMessage, step)] == [Speaker.POLICY, Speaker.TEXTER]
    assert [(seat.user, seat.role) for seat in step.aggregate.roster] == [(SUE, Role.SUPERVISOR)]
    assert then(staffed_desk(), MemberJoined(place=DESK, user=SUE)) == Step(staffed_desk())


def test_whoever_leaves_the_desk_is_removed_from_every_thread() -> None:
    """Leaving the desk ends all access: each thread is told, also those that the person does not hold."""
    desk = then(queue(10, 20), tap()).aggregate
    step = then(desk, MemberLeft(place=DESK, user=ANA))
    assert step.aggregate.member(ANA) is None
    assert [told(step.actions, owner) for owner in ("t1", "t2")] == [[MemberRemoved(user=ANA)]] * 2
    assert of(KickMember, step) == [KickMember(place=OFFICE + ANA, user=ANA)], "their office is a room like the others"
    for event in (MemberLeft(place=OFFICE + ANA, user=ANA), MemberLeft(place=DESK, user=EVE)):
        assert not of(SendEvent, then(desk, event))
        assert then(desk, event).aggregate.roster == desk.roster


@pytest.mark.parametrize(
    ("supervisor", "rank"), [(True, [RestorePowerLevels(place=DESK, supervisors=(EVE,))]), (False, [])]
)
def test_who_got_an_account_is_invited(supervisor: bool, rank: list[RestorePowerLevels]) -> None:
    """`quietline staff add`: the desk is told aloud, and a supervisor's rank is there before the invitation."""
    step = then(staffed_desk(), StaffAdded(user=EVE, supervisor=supervisor))
    assert of(Invite, step) == [Invite(place=DESK, user=EVE)]
    assert of(RestorePowerLevels, step) == rank
    kinds = [type(action) for action in step.actions if type(action) in {RestorePowerLevels, Invite}]
    assert kinds == sorted(kinds, key=lambda kind: kind is Invite)
    (post,) = [post for post in of(SendMessage, step) if post.ref != "board"]
    assert (post.notice, "account for eve" in post.body) == (False, True)


@every_row(
    ("event", "shown"),
    [
        *((AlarmRaised(designation="amber heron", alarm=alarm), "amber heron") for alarm in AlarmKind),
        (DeadLetterRecorded(short_id="0badcafe"), "0badcafe"),
        (PageFailed(given_up=False), "could not be reached. It is tried for a quarter of an hour. Please phone them"),
        (PageFailed(given_up=True), "could not be reached. It is not tried any more. Please phone them"),
        (DeadLetterRecorded(short_id="0badcafe", designation="amber heron"), "amber heron"),
        (
            DeadLetterRecorded(short_id="0badcafe", new_texter=True),
            "Words of somebody new could not be shown, nobody has read them: 0bad",
        ),
        (
            DeadLetterRecorded(short_id="0badcafe", designation="amber heron", uncalled=True),
            "amber heron: people may not have been told of something, or words may not have left: 0badcafe",
        ),
        (DeadLetterRecorded(short_id="0badcafe", uncalled=True), "A conversation: people may not have been told"),
        (
            HomeserverIncident(kind=HomeserverIncidentKind.GAP, designation="amber heron"),
            "more was written in amber heron than it can fetch",
        ),
        (HomeserverIncident(kind=HomeserverIncidentKind.DEVICE_GONE), "It makes itself another"),
        (HomeserverIncident(kind=HomeserverIncidentKind.ROOMS_LOST), "Rooms that are lost are made again"),
        (HomeserverIncident(kind=HomeserverIncidentKind.MODULE), "row `homeserver module`"),
        (HomeserverIncident(kind=HomeserverIncidentKind.SUSPENDED), "locked or suspended"),
        (HomeserverIncident(kind=HomeserverIncidentKind.NOT_REMOVED), "does not let this line remove a person"),
        (HomeserverIncident(kind=HomeserverIncidentKind.OLD_ROOMS), "from before this line was restored"),
        (
            HomeserverIncident(kind=HomeserverIncidentKind.ROOM_CHANGED, designation="amber heron"),
            "Somebody closed the room of amber heron",
        ),
        (HomeserverIncident(kind=HomeserverIncidentKind.GAP), "more was written in the desk or in an office"),
        (
            DeadLetterRecorded(short_id="0badcafe", designation="amber heron", keyless=True),
            "amber heron: its key is not on the machine",
        ),
        (KeysMissing(conversations=1), "One conversation of this line has no key on this machine"),
        (KeysMissing(conversations=12), "12 conversations of this line have no key on this machine"),
        (ClockJumped(seconds=-7200), "7200"),
        (InviteFailed(user=ANA, place=DESK), "ana could not be invited to the desk"),
        (InviteFailed(user=ANA, place=OFFICE), "ana could not be invited to their office"),
        (SyncStalled(minutes=3), "3 minutes"),
        *((CanaryFailed(step=step), "This line texts itself") for step in CanaryStep),
        (CanaryRecovered(), "come through again"),
        (LineChecked(rows=("disk", "backup")), "not well: disk, backup"),
        (LineChecked(), "all well again"),
        (IdentityChanged(user=ANA, master_key="new"), "ana has a NEW cryptographic identity"),
        (IdentityChanged(user=ANA, master_key="new", first=True), "ana has a cryptographic identity that nobody confirmed"),
    ],
)
def test_an_alarm_is_a_new_message(event: Any, shown: str) -> None:
    """Every alarm is one new message at the desk, never an edit; beside it at most a call, and the board.

    Rule: design.md, "Contracts with the outside".
    """
    step = then(staffed_desk(), event)
    (post,) = of(SendMessage, step)
    others = [action for action in step.actions if action != post and getattr(action, "ref", "") != "board"]
    assert not [action for action in others if not isinstance(action, PageOnCall | RestorePowerLevels)]
    assert (post.place, shown in post.body) == (DESK, True)


@pytest.mark.parametrize(
    ("words", "id_"), [("!retry 0badcafe", "0badcafe"), ("!retry 0BADCAFE", "0badcafe"), ("!retry", None)]
)
def test_a_supervisor_has_words_tried_again(words: str, id_: str | None) -> None:
    """`!retry` with the alert's id asks for it; without one it says what is missing; an advocate may not."""
    step = then(staffed_desk(), at_desk(words, sender=SUE))
    assert [retry.short_id for retry in of(RetryDeadLetter, step)] == ([id_] if id_ else [])
    assert of(ShowReceipt, step) == [], "the desk has no room of a thread that a mark could be put into"
    assert of(RetryDeadLetter, then(staffed_desk(), at_desk(words, sender=ANA))) == []
