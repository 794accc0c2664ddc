"""Blocking: by a supervisor, with an end, and nothing of a blocked phone is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import guard
from bot.display.thread_card import card
from bot.model.actions import DESK, DeliveryReceipt, Origin, SendMessage, SendSms
from bot.model.desk import Thread
from bot.model.events import TimerDue
from bot.model.thread import Lifecycle, ThreadState
from bot.model.thread_desk_events import PhoneMuted, TextDropped
from bot.model.transactional_actions import SetTimer, Suppress, SuppressionReason
from tests.bot.examples import alarms, arrived, at, due, held, marks, of, said, texts, then, told, words
from tests.bot.strategies import ANA, NOW, PACK, SUE, UNDO
from tests.every_row import every_row

DAY = 86_400


@pytest.mark.practice(40)
@pytest.mark.parametrize(
    ("said_so", "seconds"), [("", 7 * DAY), (" 30 min", 1800), (" 12 h", 43_200), (" 90 days", 90 * DAY)]
)
def test_a_supervisor_blocks_for_a_while(said_so: str, seconds: int) -> None:
    """`!block` stands as long as it says and is remembered beyond the thread; the desk hears it; nothing waiting leaves."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, said(f"!block{said_so}", sender=SUE, event_id="$b"))
    until = NOW + seconds
    assert of(Suppress, step) == [Suppress(reason=SuppressionReason.BLOCK, until=until)]
    assert SetTimer(key="block", due=until) in step.actions
    assert (alarms(step), marks(step)["$m1"]) == (["blocked"], DeliveryReceipt.NOT_SENT)
    assert texts(due(step.aggregate, UNDO)) == []
    assert "BLOCKED" in card(PACK, step.aggregate)
    assert guard.BLOCKED in words(then(step.aggregate, said("but", event_id="$m2")))


@pytest.mark.practice(40)
def test_advocates_do_not_block() -> None:
    """Inappropriate callers go to a supervisor: the assignee is told how to call one."""
    step = then(held(), said("!block", sender=ANA))
    assert step.aggregate == held()
    assert "!escalate" in words(step)


@pytest.mark.parametrize("body", ["you again", "please stop him", "START", "HELP"])
@pytest.mark.practice(40)
def test_what_a_blocked_phone_sends_is_counted_and_gone(body: str) -> None:
    """No word of it is shown or kept, nothing is answered, and the desk hears that something was dropped."""
    thread = then(held(), said("!block", sender=SUE)).aggregate
    step = then(thread, arrived(body, id="x"), at(60))
    assert step.aggregate == thread
    assert of(SendMessage, step) == []
    assert told(step.actions, DESK) == [TextDropped()]


@pytest.mark.practice(40)
def test_a_stop_of_a_blocked_phone_counts() -> None:
    """It is not shown and not confirmed, and nothing leaves after the block either, before a START; the room reads why."""
    thread = then(held(), said("!block 1 h", sender=SUE, event_id="$b")).aggregate
    step = then(thread, arrived("STOP", id="x", seconds=60), at(60))
    assert (texts(step), words(step), told(step.actions, DESK)) == ([], "", [TextDropped()])
    (stop,) = of(Suppress, step)
    assert (stop.reason, stop.until) == (SuppressionReason.STOP, NOW + 60 + PACK.settings.suppression_ttl)
    over = then(step.aggregate, TimerDue(key="block"), at(3600))
    assert "said STOP" in words(over)
    assert marks(then(over.aggregate, said("I am here"), at(3601))) == {"$m1": DeliveryReceipt.NOT_SENT}
    back = then(over.aggregate, arrived("START", id="y", seconds=3602), at(3602)).aggregate
    assert not back.consent.stopped


@pytest.mark.practice(40)
def test_a_block_ends_by_itself_or_by_a_word() -> None:
    """After its time, or `!block off`, texts are shown and answered again, and nothing is remembered."""
    thread = then(held(), said("!block 12 h", sender=SUE)).aggregate
    early = then(thread, TimerDue(key="block"), at(60))
    assert early.aggregate == thread
    for step in (
        then(thread, TimerDue(key="block"), at(43_200)),
        then(thread, said("!block off", sender=SUE, event_id="$o"), at(60)),
    ):
        assert of(Suppress, step) == [Suppress(reason=SuppressionReason.BLOCK)]
        assert alarms(step) == ["unblocked"]
        assert "hi" in words(then(step.aggregate, arrived("hi", id="x"), at(43_201)))
    assert "not blocked" in words(then(held(), said("!block off", sender=SUE)))


def earlier(*, designation: str = "") -> Thread:
    """Return a thread whose conversation has just ended, or one that has begun the next."""
    state = ThreadState.OPEN if designation else ThreadState.PARKED
    return Thread(id="t1", designation=designation, lifecycle=Lifecycle(state=state, since=NOW))


@pytest.mark.practice(40)
def test_stopped_from_the_room_of_an_ended_conversation_is_kept() -> None:
    """The fact alone: the phone is suppressed and its next conversation begins stopped; nothing is shown or sent."""
    step = then(earlier(), PhoneMuted(user=ANA, body="!stopped she asked"))
    assert step.aggregate.consent.stopped
    assert [type(action) for action in step.actions] == [Suppress]
    assert [act.reason for act in of(Suppress, step)] == [SuppressionReason.STOP]
    again = then(step.aggregate, arrived("me again"), at(60, new_designation="still brook"))
    assert (again.aggregate.consent.stopped, texts(again)) == (True, [])
    assert of(Suppress, then(step.aggregate, PhoneMuted(user=ANA, body="!stopped"))) == []


@pytest.mark.practice(40)
@every_row(
    ("user", "body", "blocks"),
    [
        (SUE, "!block", 7 * DAY),
        (SUE, "!block 3 days", 3 * DAY),
        (SUE, "!block off", 0),
        (SUE, "!block?", 0),
        (SUE, "!block for good", 0),
        (ANA, "!block", 0),
        ("@eve:elsewhere", "!block", 0),
    ],
)
def test_block_from_the_room_of_an_ended_conversation_is_kept(user: str, body: str, blocks: int) -> None:
    """Of a supervisor alone, with its end; what the phone sends is dropped from then on."""
    step = then(earlier(), PhoneMuted(user=user, body=body))
    assert [(act.reason, act.until) for act in of(Suppress, step)] == (
        [(SuppressionReason.BLOCK, NOW + blocks)] if blocks else []
    )
    assert len(step.actions) == bool(blocks)
    text = then(step.aggregate, arrived("hello"), at(60, new_designation="still brook"))
    assert (told(text.actions, DESK) == [TextDropped()]) is bool(blocks)


@pytest.mark.practice(40)
@pytest.mark.parametrize("state", [ThreadState.OPEN, ThreadState.PARKED])
def test_no_block_ends_while_the_clock_is_not_trusted(state: ThreadState) -> None:
    """By a clock that was set a year ahead every block would be over: its texts are dropped, and nothing leaves."""
    thread = then(held(), said("!block", sender=SUE, event_id="$b")).aggregate
    thread = replace(thread, lifecycle=replace(thread.lifecycle, state=state))
    later = at(365 * DAY, clock_distrusted=True)
    step = then(thread, arrived("you again", id="x", seconds=365 * DAY), later)
    assert (step.aggregate, of(SendMessage, step), texts(step)) == (thread, [], [])
    step = then(thread, TimerDue(key="block"), later)
    assert step.aggregate == thread
    (again,) = of(SetTimer, step)
    assert (again.key, again.due) == ("block", thread.consent.blocked_until), (
        "the bridge fires it once the clock is trusted"
    )
    text = SendSms(ref="greeting:x", body="hi", origin=Origin.AUTO_REPLY, epoch=1, since=NOW + 365 * DAY)
    assert guard.may_send(PACK, thread, text, NOW + 365 * DAY, ()) in (guard.BLOCKED, guard.PARKED)
