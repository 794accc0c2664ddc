"""Other hands are a fact of the phone: everybody who could write to it sees that, and is asked first (practices 9, 39)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from bot import guard
from bot.decide import decide
from bot.display.queue_cards import claim_card
from bot.display.thread_card import card
from bot.model.actions import DESK, THREAD, DeliveryReceipt, EditMessage, SendMessage
from bot.model.codeword_state import SendLock
from bot.model.desk import Desk, Thread
from bot.model.events import MessageRead, Outcome, ReactionAdded, TextOutcome, TimerDue
from bot.model.hold_signs import Doubt
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import Assigned, OtherHandsChanged, PhoneStopped, ThreadQueued
from policies.pack import TextName
from tests.bot.codeword_example import agreed, locked
from tests.bot.examples import (
    alarms,
    arrived,
    at,
    due,
    held,
    marks,
    of,
    said,
    staffed_desk,
    texts,
    then,
    told,
    waiting,
    words,
)
from tests.bot.strategies import ANA, BEN, NOW, PACK, SUE, UNDO
from tests.every_row import every_row

TAP: Final[dict[str, Any]] = {
    "place": THREAD,
    "sender": ANA,
    "event_id": "$u",
    "key": "\U0001f6d1",
    "target": "$any",
    "trusted": True,
}
COVER = PACK.say(TextName.COVER_1, "en")


def say(thread: Thread, body: str, seconds: float, *, event_id: str = "$w", sender: str = ANA) -> Any:
    """Let a person say something in the thread at that time."""
    return then(thread, said(body, event_id=event_id, sender=sender, at=NOW + seconds), at(seconds))


def parked(thread: Thread, seconds: float) -> Thread:
    """Let a conversation that ends at once end."""
    over: Thread = then(thread, TimerDue(key="close"), at(seconds)).aggregate
    assert over.lifecycle.state is ThreadState.PARKED
    return over


def stepped_back() -> Thread:
    """Return the phone after `!different`: the text left, and the conversation is over."""
    thread = due(say(held(), "!different", 0).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$w", outcome=Outcome.ACCEPTED), at(9)).aggregate
    return parked(thread, 9)


def test_the_next_advocate_of_an_unsafe_phone_is_told_that_nothing_leaves() -> None:
    """While a phone is marked unsafe no words are held for `!anyway`, and who claims its next thread reads so."""
    thread = then(
        stepped_back(), arrived("no really who is this", id="b", seconds=129), at(129, new_designation="still brook")
    ).aggregate
    unsafe = replace(thread, flags=replace(thread.flags, unsafe=True))
    claimed = then(unsafe, Assigned(assignee=SUE), at(260))
    assert "UNSAFE: 2 min ago this phone was marked" in words(claimed)
    assert "!anyway" not in words(claimed)
    first = say(claimed.aggregate, "hello", 270, sender=SUE)
    assert marks(first) == {"$w": DeliveryReceipt.NOT_SENT}


@pytest.mark.practice(39)
def test_the_next_advocate_is_not_blind_after_different() -> None:
    """The next thread of the phone is not greeted, its card and queue card say so with age, first words are held."""
    step = then(
        stepped_back(),
        arrived("no really who is this", id="b", seconds=129),
        at(129, new_designation="still brook"),
    )
    assert texts(step) == [], "a greeting would tell what this number is"
    (queued,) = [event for event in told(step.actions, DESK) if isinstance(event, ThreadQueued)]
    desk = then(staffed_desk(), queued, at(250))
    (shown,) = [post for post in of(SendMessage, desk) if post.ref.startswith("card:")]
    assert "waiting · ⚠️ other hands 4 min ago" in shown.body
    assert "still brook · ⚠️ other hands" in desk.aggregate.board
    claimed = then(step.aggregate, Assigned(assignee=SUE), at(260))
    (pinned,) = [post.body for post in of(SendMessage, claimed) if post.ref == "card"]
    assert pinned.splitlines()[0].startswith("⚠️ OTHER HANDS, seen 2027-01-15 08:02")
    assert "OTHER HANDS: 2 min ago" in words(claimed)
    first = say(claimed.aggregate, "Hello, this is the text line. How can I help?", 270, sender=SUE)
    assert marks(first) == {"$w": DeliveryReceipt.HELD}
    assert "other hands" in words(first)
    sure = say(first.aggregate, "!anyway", 271, sender=SUE, event_id="$s")
    assert len(texts(due(sure.aggregate, 271 + UNDO))) == 1
    assert marks(say(sure.aggregate, "Who is there?", 280, sender=SUE, event_id="$w2")) == {"$w2": DeliveryReceipt.LEAVING}
    other = then(sure.aggregate, Assigned(assignee=ANA), at(281)).aggregate
    assert marks(say(other, "Hi", 300, event_id="$w3")) == {"$w3": DeliveryReceipt.HELD}, "the first words of each person"


def test_what_is_known_of_the_phone_survives_the_conversation_and_ends_with_it() -> None:
    """It is one of the sealed flags, holds no number and no word, and a phone that is forgotten has none."""
    flags = stepped_back().flags
    assert flags.other_hands_at == NOW + 9
    assert flags.other_hands_seen == "2027-01-15 08:00"
    assert Thread(id="t1", designation="amber heron").flags.other_hands_at == 0.0


@every_row(
    "body",
    [
        "who is this",
        "Who's this??",
        "This is Mark. Who is this number?",
        "whose number is this",
        "who dis",
        "Why are you texting my wife",
        "I'm her husband",
        "¿Quién es?",
        "de quien es este numero",
        "sorry wrong number",
    ],
)
def test_a_text_that_asks_who_this_is(body: str) -> None:
    """It stops what waits, alarms the desk once, marks card and board, and the next words are held until `!anyway`."""
    thread = say(held(), "Is everything ok?", 1).aggregate
    step = then(thread, arrived(body, id="b", seconds=3), at(3))
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    assert alarms(step) == ["other_hands"]
    assert texts(due(step.aggregate, 60)) == []
    assert [event.other_hands_at for event in told(step.actions, DESK) if isinstance(event, OtherHandsChanged)] == [NOW + 3]
    assert "OTHER HANDS" in card(PACK, step.aggregate)
    again = then(step.aggregate, arrived("who is this", id="c", seconds=5), at(5))
    assert alarms(again) == [], "one alarm, not one a text"
    assert marks(say(again.aggregate, "hello", 10, event_id="$w2")) == {"$w2": DeliveryReceipt.HELD}


@every_row(
    "body",
    [
        "who is this man he texts all the time",
        "I am his wife and I am afraid",
        "he is the wrong person for me",
        "who can I talk to",
        "what is this number for",
        "quien puede ayudarme",
    ],
)
def test_words_of_a_texter_are_no_sign(body: str) -> None:
    """Everyday words raise nothing."""
    step = then(held(), arrived(body, id="b"))
    assert alarms(step) == []
    assert step.aggregate.flags.other_hands_at == 0.0


def test_the_first_text_that_asks_who_this_is_gets_no_greeting() -> None:
    """To whoever found the number in a person's phone the line says nothing by itself; a forced answer to HELP stays."""
    step = then(Thread(id="t1", designation="amber heron"), arrived("who is this"))
    assert texts(step) == []
    assert texts(then(step.aggregate, arrived("", id="p", media=1))) == []
    assert texts(then(Thread(id="t1", designation="amber heron"), arrived("hello"))) != []


def test_a_new_sign_asks_again() -> None:
    """Whoever let words leave all the same is asked again when the next sign comes."""
    thread = then(held(), arrived("who is this", id="b")).aggregate
    thread = say(say(thread, "hello", 1).aggregate, "!anyway", 2, event_id="$s").aggregate
    assert guard.doubts(PACK, at(3), thread, "hi", ANA, own=True) == ()
    thread = then(thread, arrived("who is this", id="c", seconds=4), at(4)).aggregate
    assert guard.doubts(PACK, at(5), thread, "hi", ANA, own=True) == (Doubt.OTHER_HANDS,)


@pytest.mark.parametrize("sender", [ANA, SUE])
def test_safe_clears_it(sender: str) -> None:
    """`!safe` of the assignee or a supervisor ends it: on the card, at the desk, for words and for the greeting."""
    thread = then(held(), arrived("who is this", id="b")).aggregate
    step = say(thread, "!safe", 5, sender=sender)
    assert [event.other_hands_at for event in told(step.actions, DESK) if isinstance(event, OtherHandsChanged)] == [0.0]
    assert "OTHER HANDS" not in card(PACK, step.aggregate)
    assert marks(say(step.aggregate, "hello", 10, event_id="$w2")) == {"$w2": DeliveryReceipt.LEAVING}
    assert "not marked" in words(say(step.aggregate, "!safe", 11, event_id="$s2"))


@pytest.mark.practice(9, 39)
def test_after_unsafe_different_ends_without_a_text() -> None:
    """Nobody has to say that it is safe to be able to step back, and nothing reaches the phone."""
    thread = say(held(), "!unsafe", 0).aggregate
    step = say(thread, "!different", 5, event_id="$d")
    assert marks(step) == {"$d": DeliveryReceipt.NOTE}
    assert texts(step) == []
    assert "this conversation is over" in words(step)
    over = parked(step.aggregate, 5)
    assert (over.flags.unsafe, over.flags.other_hands_at) == (True, NOW + 5)
    back = then(over, arrived("hello?", id="b", seconds=60), at(60, new_designation="still brook"))
    assert texts(back) == []
    assert "UNSAFE" in card(PACK, back.aggregate)
    reason = say(thread, "!different he took it", 5, event_id="$d")
    assert "takes no words" in words(reason)
    assert reason.aggregate.lifecycle.closes_at == 0.0


@pytest.mark.practice(39)
@pytest.mark.parametrize("lock", [*SendLock])
def test_different_ends_nothing_over_a_text_that_nobody_has_read(lock: SendLock) -> None:
    """What comes in its undo window may be the texter's: the assignee is called to it, and then it closes as after BYE."""
    thread = say(locked(lock), "!different", 0).aggregate
    thread = then(thread, arrived("wait its me", id="b", seconds=6), at(6)).aggregate
    step = due(thread, UNDO)
    assert texts(step) == [PACK.say(TextName.DIFFERENT, "en")] * (lock is SendLock.NONE)
    if lock is SendLock.NONE:
        step = then(step.aggregate, TextOutcome(ref="say:$w", outcome=Outcome.ACCEPTED), at(UNDO))
    life = step.aggregate.lifecycle
    assert (life.unseen, life.closes_at, life.close_when_seen) == (1, 0.0, True)
    assert step.aggregate.flags.other_hands_at == NOW + UNDO
    assert [post.mentions for post in of(SendMessage, step) if "nobody has read it" in post.body] == [(ANA,)]
    assert step.aggregate.sending.held == (), "the text that steps back would leave after `!unlock`"
    assert alarms(then(step.aggregate, TimerDue(key="unread"), at(310))) == ["unread"]
    after_read = then(step.aggregate, MessageRead(place=THREAD, user=ANA, event_id="$r"), at(60))
    assert after_read.aggregate.lifecycle.closes_at == NOW + 60 + PACK.settings.close_undo
    assert "silent word" not in words(after_read)
    assert say(after_read.aggregate, "!reopen", 70, event_id="$o").aggregate.lifecycle.closes_at == 0.0
    parked(after_read.aggregate, 60 + PACK.settings.close_undo)
    if lock is SendLock.NONE:  # a person knows that it is the texter: the conversation goes on
        safe = say(step.aggregate, "!safe", 70, event_id="$s").aggregate
        read = then(safe, MessageRead(place=THREAD, user=ANA, event_id="$r"), at(80)).aggregate
        assert (safe.lifecycle.closes_at, read.lifecycle.closes_at) == (0.0, 0.0)


@pytest.mark.practice(9, 39)
def test_different_of_an_unsafe_phone_that_crosses_a_text_waits_until_it_is_read() -> None:
    """Its conversation ends without a text, at once: not over one that came while it was said, except after a STOP."""
    thread = then(say(held(), "!unsafe", 0).aggregate, arrived("wait its me", id="b", seconds=5), at(5)).aggregate
    crossed = said("!different", event_id="$d", at=NOW + 4)
    step = then(thread, crossed, at(6))
    assert (step.aggregate.lifecycle.closes_at, step.aggregate.lifecycle.close_when_seen) == (0.0, True)
    assert "nobody has read it" in words(step)
    assert texts(step) == []
    stopped = then(thread, arrived("STOP", id="s", seconds=6), at(6)).aggregate
    parked(then(stopped, crossed, at(7)).aggregate, 7)
    texted = then(stopped, arrived("please help", id="h", seconds=8), at(8)).aggregate
    assert then(texted, crossed, at(9)).aggregate.lifecycle.close_when_seen, "a text after the STOP is read first"
    parked(say(thread, "!different", 6, event_id="$d").aggregate, 6)


@pytest.mark.practice(9, 39)
@pytest.mark.parametrize("stop", [said("!unsafe", event_id="$u"), ReactionAdded(**TAP), PhoneStopped()])
def test_an_unsafe_phone_is_in_other_hands_with_age_until_safe(stop: Any) -> None:
    """The card and the desk say since when; the conversation after it says so too, and its first words are asked about."""
    step = then(held(), stop, at(5))
    assert step.aggregate.flags.other_hands_at == NOW + 5
    assert OtherHandsChanged(thread="t1", other_hands_at=NOW + 5) in told(step.actions, DESK)
    assert "OTHER HANDS, seen 2027-01-15 08:00" in card(PACK, step.aggregate)
    over = parked(say(step.aggregate, "!different", 10, event_id="$d").aggregate, 10)
    back = then(over, arrived("hello?", id="b", seconds=60), at(60, new_designation="still brook"))
    (queued,) = [event for event in told(back.actions, DESK) if isinstance(event, ThreadQueued)]
    assert queued.other_hands_at == NOW + 10
    safe = say(step.aggregate, "!safe", 20, event_id="$s")
    assert safe.aggregate.flags.other_hands_at == 0.0
    assert "OTHER HANDS" not in card(PACK, safe.aggregate)


@pytest.mark.practice(9)
def test_after_unsafe_the_agreed_cover_lines_leave() -> None:
    """Cover lines are for that moment; nothing else of a person's leaves, and nothing by itself."""
    thread = say(held(), "!unsafe", 0, sender=BEN).aggregate
    step = say(thread, "!cover 1", 5, event_id="$c")
    assert texts(due(step.aggregate, 5 + UNDO)) == [COVER]
    assert marks(say(thread, "hello", 5, event_id="$c")) == {"$c": DeliveryReceipt.NOT_SENT}
    assert texts(then(thread, arrived("hello?", id="b"))) == []


@pytest.mark.practice(10)
def test_duress_is_shown_with_age_and_changes_nothing_that_the_phone_shows() -> None:
    """The next thread's queue card and card say when the duress word came; the greeting comes as after the right word."""
    locked = replace(agreed().codeword, lock=SendLock.DURESS, duress_at=NOW - 600)
    over = replace(Thread(id="t1", designation=""), codeword=locked)
    over = replace(over, lifecycle=replace(over.lifecycle, state=ThreadState.PARKED, since=NOW - 300))
    step = then(over, arrived("hello"), at(0, new_designation="still brook"))
    assert texts(step) == [PACK.say(TextName.GREETING, "en")]
    (queued,) = [event for event in told(step.actions, DESK) if isinstance(event, ThreadQueued)]
    assert queued.other_hands_at == NOW - 600
    assert (
        "⚠️ DURESS: nothing leaves but !cover 1, 2, 3, until a supervisor's !unlock (the word came 2027-01-15 07:50)"
        in card(PACK, step.aggregate)
    )
    free = replace(step.aggregate, codeword=replace(locked, lock=SendLock.NONE))
    assert free.other_hands_at == 0.0


def test_a_waiting_card_shows_a_sign_that_comes_later_and_that_it_is_over() -> None:
    """The card at the desk is edited; one that a person holds is not."""
    desk: Desk = then(staffed_desk(), ThreadQueued(thread="t1", designation="amber heron", since=NOW)).aggregate
    step = then(desk, OtherHandsChanged(thread="t1", other_hands_at=NOW), at(60))
    (edited,) = [edit.body for edit in of(EditMessage, step) if edit.ref == "card:t1"]
    assert "waiting · ⚠️ other hands 1 min ago" in edited
    assert "other hands" in step.aggregate.board
    over = then(step.aggregate, OtherHandsChanged(thread="t1", other_hands_at=0.0), at(120))
    assert [edit.body for edit in of(EditMessage, over) if edit.ref == "card:t1"] == [
        claim_card(at(120), desk.threads[0]).body
    ]
    assert "other hands" not in over.aggregate.board
    unknown = OtherHandsChanged(thread="t9", other_hands_at=NOW)
    assert then(desk, unknown).aggregate.threads == desk.threads


def test_a_sign_before_a_claim_is_on_the_card_of_whoever_claims() -> None:
    """A waiting thread in which a person asks who this is keeps its greeting of before, and is marked."""
    step = then(waiting(), arrived("who is this", id="b"))
    assert alarms(step) == ["other_hands"]
    assert decide(PACK, at(5), step.aggregate, Assigned(assignee=ANA)).actions
    assert "OTHER HANDS" in words(decide(PACK, at(5), step.aggregate, Assigned(assignee=ANA)))


def test_a_room_note_is_no_sign() -> None:
    """What staff write is never read as the texter's."""
    step = then(held(), said("who is this", place=THREAD, sender=BEN, event_id="$n"))
    assert step.aggregate.flags.other_hands_at == 0.0
