"""The life of a conversation: what closes it, what takes that back, and what is left when it is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from bot.decide import decide
from bot.lifecycle import retention
from bot.model.actions import DESK, DeliveryReceipt, EraseMessage, Invite, Origin, SendMessage, SendSms, Speaker
from bot.model.desk import Facts, QueueEntry, Thread
from bot.model.events import Event, Outcome, Relation, TextArrived, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.line_incidents import ClockJumped
from bot.model.thread import Assignment, Consent, Lifecycle, PendingText, ReplyAfterStop, Sending, SentText, ThreadState
from bot.model.thread_desk_events import ThreadParked, ThreadQueued
from bot.model.transactional_actions import (
    CancelTimer,
    EraseTexter,
    ExpireMessage,
    MarkSeen,
    ParkThread,
    SetTimer,
    TrustClock,
)
from tests.bot.examples import arrived, at, at_desk, held, of, said, staffed_desk, texts, then, told, words
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import ANA, BEN, NAMED, NOW, PACK, SUE, any_event, facts, threads, with_settings
from tests.every_row import every_row

PENDING = PendingText(event_id="$p", body="go now", author=ANA, said_at=NOW, send_at=NOW + 8)
UNDO, IDLE = PACK.settings.close_undo, PACK.settings.idle
GRACE, LONGER = PACK.settings.grace, PACK.settings.continuing


def closing() -> Thread:
    """Return a thread that its assignee closes."""
    thread: Thread = then(held(), said("!close")).aggregate
    return thread


def fires(thread: Thread, key: str, seconds: float, **known: Any) -> Step[Thread]:
    """Let a timer be due."""
    return then(thread, TimerDue(key=key), at(seconds, **known))


def parked(**life: Any) -> Thread:
    """Return a thread whose conversation is over since now."""
    return Thread(id="t1", designation="", lifecycle=Lifecycle(state=ThreadState.PARKED, since=NOW, **life))


@USUAL
@pytest.mark.practice(14)
@given(thread=threads)
def test_what_ends_with_a_conversation_is_empty_when_it_is_parked(thread: Thread) -> None:
    """Whatever a conversation held: parked, each slice that does not outlive it is that of a thread that never was."""
    sent_text = SentText(event_id="$s", receipt=DeliveryReceipt.DELIVERED.name, author=ANA)
    over = replace(thread, lifecycle=Lifecycle(state=ThreadState.OPEN, closes_at=NOW))
    # Nothing waits to leave: with that it would not be parked yet.
    over = replace(over, consent=replace(thread.consent, reply=None))
    over = replace(over, sending=replace(thread.sending, pending=(), sent=(sent_text,)))
    remains: Thread = decide(PACK, at(0), over, TimerDue(key=retention.CLOSE)).aggregate
    assert remains.lifecycle == Lifecycle(state=ThreadState.PARKED, since=NOW)
    never = Thread(id=thread.id, designation="")
    for name in retention.ENDS - {"lifecycle"}:
        assert getattr(remains, name) == getattr(never, name), name


def test_a_close_can_be_taken_back_for_ten_minutes() -> None:
    """`!close` sets the time, says so, and sends nothing; `!reopen` and a text of theirs take it back."""
    step = then(held(), said("!close"))
    assert [timer.due for timer in of(SetTimer, step) if timer.key == retention.CLOSE] == [NOW + UNDO]
    assert "10 minutes" in words(step)
    assert texts(step) == []
    for event in (said("!reopen", event_id="$m2"), arrived("wait", seconds=60)):
        back = then(step.aggregate, event, at(60))
        assert back.aggregate.lifecycle.closes_at == 0
        assert CancelTimer(key=retention.CLOSE) in back.actions
        assert of(ParkThread, fires(back.aggregate, retention.CLOSE, UNDO)) == []


@pytest.mark.practice(17)
def test_after_ten_minutes_it_is_parked() -> None:
    """Not a second before; then nothing is left but number and flags, the room is handed over and the desk forgets it."""
    assert of(ParkThread, fires(closing(), retention.CLOSE, UNDO - 1)) == []
    step = fires(closing(), retention.CLOSE, UNDO)
    assert of(ParkThread, step) == [ParkThread(grace=PACK.settings.client_grace)]
    assert told(step.actions, DESK) == [ThreadParked(thread="t1")]
    assert [(t.key, t.due) for t in of(SetTimer, step)] == [(retention.END, NOW + UNDO + GRACE)]
    thread = step.aggregate
    assert (thread.designation, thread.assignment, thread.lifecycle.state) == ("", Assignment(), ThreadState.PARKED)
    assert of(EraseTexter, step) == []


@every_row("why", ["on_legal_hold", "display_pending", "has_dead_letters", "inbound_pending", "outbound_pending"])
@every_row("key", [retention.CLOSE, retention.IDLE, retention.END])
def test_nothing_goes_while_a_text_is_on_its_way_or_somebody_holds_it(key: str, why: str) -> None:
    """Held, or with a text on its way in or into the room, a thread waits, and looks again later."""
    thread = {retention.CLOSE: closing(), retention.IDLE: _answered(), retention.END: parked()}[key]
    later = UNDO + IDLE + GRACE
    assert [type(a) for a in fires(thread, key, later).actions if isinstance(a, ParkThread | EraseTexter)], (
        "without it, it goes"
    )
    step = fires(thread, key, later, **{why: True})
    assert [a for a in step.actions if isinstance(a, ParkThread | EraseTexter)] == []
    assert [timer.key for timer in of(SetTimer, step)] == [key]
    assert replace(step.aggregate, on_legal_hold=False) == thread


@pytest.mark.parametrize("key", [retention.CLOSE, retention.IDLE])
def test_nothing_goes_while_words_wait_in_their_undo_window(key: str) -> None:
    """An answer that was said just before the time leaves first; so does a supervisor's reply to a STOP."""
    thread = {retention.CLOSE: closing(), retention.IDLE: _answered()}[key]
    waiting = replace(thread, sending=replace(thread.sending, pending=(PENDING,)))
    replying = replace(thread, consent=Consent(reply=ReplyAfterStop(event_id="$r", body="bye", author=SUE, said_at=NOW)))
    for busy in (waiting, replying):
        step = fires(busy, key, UNDO + IDLE)
        assert (of(ParkThread, step), step.aggregate) == ([], busy)
        assert [(timer.key, timer.due) for timer in of(SetTimer, step)] == [
            (key, NOW + UNDO + IDLE + retention.RETRY_SECONDS)
        ]


def test_close_now_names_words_that_have_not_left() -> None:
    """Words in their undo window, or on their way out, keep a supervisor's `!close now` back; `anyway` drops them."""
    waiting = replace(held(), sending=replace(held().sending, pending=(PENDING,)))
    for thread, known in ((waiting, at(0)), (held(), at(0, outbound_pending=True))):
        refused = then(thread, said("!close now", sender=SUE), known)
        assert of(ParkThread, refused) == []
        assert "have not left" in words(refused)
        assert "!close now anyway" in words(refused)
        dropped = then(thread, said("!close now anyway", sender=SUE), known)
        assert (of(ParkThread, dropped), of(EraseTexter, dropped)) == (
            [ParkThread(grace=PACK.settings.close_now_grace, drop_unsent=True)],
            [EraseTexter()],
        )
        assert of(ParkThread, then(thread, said("!close now anyway"), known)) == []


def test_close_now_is_for_supervisors_and_ends_at_once() -> None:
    """A supervisor parks and ends in one decision; an advocate is told how; a text that just came prevents it."""
    step = then(held(), said("!close now", sender=SUE))
    assert (of(ParkThread, step), of(EraseTexter, step)) == (
        [ParkThread(grace=PACK.settings.close_now_grace)],
        [EraseTexter()],
    )
    longer = decide(with_settings(close_now_grace=43), at(0), held(), said("!close now", sender=SUE))
    assert of(ParkThread, longer) == [ParkThread(grace=43)]
    assert of(ParkThread, then(held(), said("!close now"))) == []
    late = replace(held(), lifecycle=replace(held().lifecycle, last_inbound=NOW + 1))
    assert of(ParkThread, then(late, said("!close now", sender=SUE))) == []
    for why in ("on_legal_hold", "display_pending", "inbound_pending"):
        assert of(ParkThread, then(held(), said("!close now", sender=SUE), at(0, **{why: True}))) == []
    assert of(ParkThread, then(held(), said("!close forever", sender=SUE))) == []


def _said() -> Thread:
    """Return a thread whose assignee's words are with the carrier."""
    return replace(
        held(), sending=Sending(sent=(SentText(event_id="$x", receipt=DeliveryReceipt.LEAVING.name, author=ANA),))
    )


def _answered() -> Thread:
    thread: Thread = then(_said(), TextOutcome(ref="say:$x", outcome=Outcome.ACCEPTED)).aggregate
    return thread


def test_idle_after_an_answer_it_is_parked_silently() -> None:
    """Claimed and answered and then quiet for twelve hours: parked, and not a word to anybody; unanswered: never."""
    step = then(_said(), TextOutcome(ref="say:$x", outcome=Outcome.ACCEPTED))
    assert (retention.IDLE, NOW + IDLE) in [(timer.key, timer.due) for timer in of(SetTimer, step)]
    over = fires(step.aggregate, retention.IDLE, IDLE)
    assert of(ParkThread, over)
    assert (texts(over), of(SendMessage, over)) == ([], [])
    waits = then(step.aggregate, arrived("are you there?", seconds=1), at(1)).aggregate
    assert of(ParkThread, fires(waits, retention.IDLE, 30 * IDLE)) == []
    assert of(ParkThread, fires(step.aggregate, retention.IDLE, IDLE - 1)) == []


@pytest.mark.practice(16)
def test_who_goes_on_is_kept_for_longer() -> None:
    """`!continue` keeps number and flags for ninety days from each parking; `!continue no` takes that back."""
    thread = then(held(), said("!continue")).aggregate
    assert thread.lifecycle.continuing
    for chosen, seconds in ((thread, LONGER), (then(thread, said("!continue no", event_id="$n")).aggregate, GRACE)):
        step = fires(then(chosen, said("!close", event_id="$c")).aggregate, retention.CLOSE, UNDO)
        assert [timer.due for timer in of(SetTimer, step)] == [NOW + UNDO + seconds]
    again = then(parked(continuing=True), arrived("me again"), at(0, new_designation="still brook")).aggregate
    assert again.lifecycle.continuing


def test_a_text_to_a_parked_thread_is_a_strangers() -> None:
    """A new designation and queue card, the flags that were kept, a greeting as for anybody, and no "welcome back"."""
    consent = Consent(language="es", greeted=(("es", NOW - 5),))
    step = then(replace(parked(), consent=consent), arrived("hola"), at(0, new_designation="still brook"))
    assert step.aggregate.designation == "still brook"
    assert (step.aggregate.lifecycle.state, step.aggregate.consent) == (ThreadState.WAITING, consent)
    waits = [event for event in told(step.actions, DESK) if isinstance(event, ThreadQueued)]
    assert [(event.designation, event.requeued) for event in waits] == [("still brook", False)]
    assert [post.body for post in of(SendMessage, step) if post.speaker is Speaker.TEXTER] == ["hola"]
    assert "back" not in words(step)
    assert CancelTimer(key=retention.END) in step.actions


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_what_is_parked_shows_and_sends_nothing(thread: Thread, event: Event, known: Facts) -> None:
    """Whatever happens to a conversation that is over, nothing is shown in a room, nobody is invited, nothing leaves."""
    over = replace(thread, lifecycle=replace(thread.lifecycle, state=ThreadState.PARKED))
    step = then(over, event, known)
    if isinstance(event, TextArrived) and over.consent.blocked_until <= known.now:
        assert step.aggregate.lifecycle.state is ThreadState.WAITING
        return
    assert step.aggregate.lifecycle.state is ThreadState.PARKED
    assert not [a for a in step.actions if isinstance(a, SendSms | Invite) or getattr(a, "place", "") == "thread"]


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_nothing_of_this_speaks_to_the_phone_or_destroys_what_is_held(thread: Thread, event: Event, known: Facts) -> None:
    """No close, no timer, no end sends a text by itself, and a held thread is never parked or ended.

    Rule: design.md, "Rules of the phone".
    """
    step = then(thread, event, known)
    destroys = [a for a in step.actions if isinstance(a, ParkThread | EraseTexter | EraseMessage)]
    if known.on_legal_hold:
        assert destroys == []
    if [a for a in destroys if isinstance(a, ParkThread | EraseTexter)]:
        assert not known.display_pending
        assert not known.inbound_pending
        assert not (known.has_dead_letters and isinstance(event, TimerDue))
        assert [a for a in step.actions if isinstance(a, SendSms)] == []
    if isinstance(event, TimerDue):
        assert not [a for a in step.actions if isinstance(a, SendSms) and a.origin is not Origin.ADVOCATE]


HALF = with_settings(message_ttl=PACK.settings.message_ttl // 2, idle=IDLE // 2, grace=GRACE // 2, continuing=LONGER // 2)


@pytest.mark.practice(17)
@pytest.mark.parametrize("changed", ["shorter", "longer"])
def test_a_conversation_is_kept_by_the_shorter_retention(changed: str) -> None:
    """The one at its beginning or the present one: what was told holds, and a shorter one counts at once."""
    first, present = (PACK, HALF) if changed == "shorter" else (HALF, PACK)
    thread = decide(first, at(0.0), Thread(id="t1", designation="amber heron"), arrived("hello")).aggregate
    thread = replace(thread, assignment=Assignment(assignee=ANA, epoch=1))
    least, answer = HALF.settings, TextOutcome(ref="greeting:1", outcome=Outcome.ACCEPTED)
    assert [a.lifetime for a in decide(present, at(1.0), thread, said("a note")).actions if isinstance(a, MarkSeen)] == [
        least.message_ttl
    ]
    idle = [a.due for a in decide(present, at(1.0), thread, answer).actions if isinstance(a, SetTimer) and a.key == "idle"]
    assert idle == [NOW + 1.0 + least.idle]
    for continuing, seconds in ((False, least.grace), (True, least.continuing)):
        life = replace(thread.lifecycle, state=ThreadState.PARKED, since=NOW, continuing=continuing)
        over = replace(thread, designation="", lifecycle=life)
        early, late = (decide(present, at(when), over, TimerDue(key="end")) for when in (seconds - 1, seconds))
        assert early.actions == (SetTimer(key="end", due=NOW + seconds),)
        assert of(EraseTexter, late)


def redacted(thread: Thread, sender: str, target: str, relation: Relation, **known: Any) -> Step[Thread]:
    """Say `!redact` as a reply."""
    return then(thread, said("!redact", event_id="$r", sender=sender, target=target, relation=relation), at(1, **known))


@pytest.mark.practice(24)
def test_redact_takes_a_message_out_at_once() -> None:
    """The assignee its own and the texter's, a supervisor any; in its undo window it does not leave either; not on hold."""
    waiting = then(held(), said("words")).aggregate
    step = redacted(waiting, ANA, "$m1", Relation.OTHER_REPLY)
    assert of(EraseMessage, step) == [EraseMessage(place="thread", event_id="$m1")]
    assert step.aggregate.sending.pending == ()
    assert texts(then(step.aggregate, TimerDue(key="send"), at(20))) == []
    assert of(EraseMessage, redacted(held(), ANA, "$t", Relation.TEXTER_REPLY)) == [
        EraseMessage(place="thread", event_id="$t")
    ]
    assert of(EraseMessage, redacted(held(), SUE, "$n", Relation.OTHER_REPLY)) == [
        EraseMessage(place="thread", event_id="$n")
    ]
    for refused in (
        redacted(held(), ANA, "$n", Relation.OTHER_REPLY),
        redacted(held(), BEN, "$t", Relation.TEXTER_REPLY),
        redacted(held(), SUE, "", Relation.NONE),
        redacted(held(), SUE, "$n", Relation.OTHER_REPLY, on_legal_hold=True),
    ):
        assert of(EraseMessage, refused) == []
        assert words(refused)


def test_the_desk_forgets_a_conversation_and_its_card() -> None:
    """Its line goes from the queue and from everybody's hands, its card may go, its reminders stop."""
    desk = replace(staffed_desk(), threads=(QueueEntry(thread="t1", designation=NAMED[0], since=NOW, assignee=ANA),))
    step = then(desk, ThreadParked(thread="t1"))
    assert step.aggregate.threads == ()
    expired = [action.ref for action in of(ExpireMessage, step)]
    assert [ref for ref in expired if ref.startswith("card:")] == ["card:t1"]
    assert all(ref.startswith(("card:t1", "wait:t1:")) for ref in expired)
    assert {timer.key for timer in of(CancelTimer, step)} >= {f"wait:t1:{rung}" for rung in range(3)}


def test_the_clock_is_trusted_by_a_supervisor_only() -> None:
    """After a jump the desk is told what to do; `!time ok` of a supervisor, and nothing less, lets time destroy again."""
    assert "!time ok" in words(then(staffed_desk(), ClockJumped(seconds=86_400)))
    assert "are held" in words(then(staffed_desk(), ClockJumped(seconds=86_400)))
    assert "answers leave as before" in words(then(staffed_desk(), ClockJumped(seconds=-86_400)))
    assert of(TrustClock, then(staffed_desk(), at_desk("!time ok", sender=SUE))) == [TrustClock()]
    for body, sender in (("!time ok", ANA), ("!time", SUE), ("!time is it", SUE)):
        assert of(TrustClock, then(staffed_desk(), at_desk(body, sender=sender))) == []
