"""Other hands are a fact of the phone: everybody who could write to it sees that, and is asked first (practices 9, 39)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from bot.display.thread_card import card
from bot.model.actions import DESK, THREAD, DeliveryReceipt, SendMessage
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.events import MessageRead, Outcome, TextOutcome, TimerDue
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import Assigned, OtherHandsChanged, ThreadQueued
from policies.pack import TextName
from tests.bot.codeword_example import agreed, locked
from tests.bot.examples import alarms, arrived, at, due, held, marks, of, said, staffed_desk, texts, then, told, words
from tests.bot.strategies import ANA, NOW, PACK, SUE, UNDO
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


@pytest.mark.practice(39)
def test_the_next_advocate_is_not_blind_after_different() -> None:
    """The next thread of the phone is not greeted, its card and queue card say so with age, first words are held."""
    step = then(
        stepped_back(), arrived("no really who is this", id="b", seconds=129), at(129, new_designation="still brook")
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


def test_the_first_text_that_asks_who_this_is_gets_no_greeting() -> None:
    """To whoever found the number in a person's phone the line says nothing by itself; a forced answer to HELP stays."""
    step = then(Thread(id="t1", designation="amber heron"), arrived("who is this"))
    assert texts(step) == []
    assert texts(then(step.aggregate, arrived("", id="p", media=1))) == []
    assert texts(then(Thread(id="t1", designation="amber heron"), arrived("hello"))) != []


@pytest.mark.parametrize("sender", [ANA, SUE])
def test_safe_clears_it(sender: str) -> None:
    """`!safe` of the assignee or a supervisor ends it: on the card, at the desk, for words and for the greeting."""
    thread = then(held(), arrived("who is this", id="b")).aggregate
    step = say(thread, "!safe", 5, sender=sender)
    assert [event.other_hands_at for event in told(step.actions, DESK) if isinstance(event, OtherHandsChanged)] == [0.0]
    assert "OTHER HANDS" not in card(PACK, step.aggregate)
    assert marks(say(step.aggregate, "hello", 10, event_id="$w2")) == {"$w2": DeliveryReceipt.LEAVING}
    assert "not marked" in words(say(step.aggregate, "!safe", 11, event_id="$s2"))


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
