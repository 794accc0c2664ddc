"""Words that are never answered by the machine: ways out, calls, help, and wishes to stop in a person's own words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import guard
from bot.model.actions import DESK, THREAD, DeliveryReceipt, Origin, SendMessage, SendSms
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.events import MessageRead
from bot.model.thread_desk_events import AlarmKind, AlarmRaised
from bot.model.transactional_actions import IncrementCounter, Suppress, SuppressionReason
from policies.pack import ResumeMode, TextName
from tests.bot.codeword_example import locked
from tests.bot.examples import (
    FACTS,
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
    waiting,
    words,
)
from tests.bot.strategies import ANA, BEN, NOW, PACK, SUE, UNDO, with_settings
from tests.every_row import every_row

QUIET = [
    ("BYE", "left_quietly"),
    ("adiós", "left_quietly"),
    ("Later.", "left_alarmed"),
    ("ahora no", "left_alarmed"),
    ("CALL ME", "call"),
    ("llámame", "call"),
    ("HELP", "help"),
    ("ayuda", "help"),
    ("911", "help"),
]
STOPPED_FOR = PACK.settings.suppression_ttl
ASKS = with_settings(stop_resumes=ResumeMode.ASK)
NEW = Thread(id="t1", designation="amber heron")


@pytest.mark.practice(12)
@every_row(("body", "alarm"), QUIET)
@every_row("thread", [NEW, waiting(), held()])
def test_nothing_goes_back_to_a_silent_word(thread: Thread, body: str, alarm: str) -> None:
    """BYE, LATER, CALL, HELP and their kin, first word or not, bring an alarm, a word in the room, and no text."""
    step = then(thread, arrived(body, id="x"))
    assert texts(step) == []
    assert alarms(step) == [alarm]
    assert body in words(step)
    assert not step.aggregate.consent.stopped


def test_a_silent_word_does_not_close_over_what_nobody_saw() -> None:
    """A text, then BYE, and the assignee away: nothing is closed, the desk is told loudly; once it is read it closes."""
    before = then(held(), arrived("he has a knife, kids with me", id="k")).aggregate
    step = then(before, arrived("bye", id="x"), at(5))
    assert alarms(step) == ["left_quietly", "left_unseen"]
    assert step.aggregate.lifecycle.closes_at == 0
    for event in (MessageRead(place=THREAD, user=ANA, event_id="$r"), said("// seen", event_id="$n", at=NOW + 900)):
        closing = then(step.aggregate, event, at(900))
        assert closing.aggregate.lifecycle.closes_at == NOW + 900 + PACK.settings.close_undo
    assert then(step.aggregate, MessageRead(place=THREAD, user=BEN, event_id="$r"), at(900)).aggregate == step.aggregate
    assert then(step.aggregate, said("!reopen", sender=SUE), at(9)).aggregate.lifecycle.close_when_seen is False
    assert then(step.aggregate, arrived("still here", id="y"), at(9)).aggregate.lifecycle.close_when_seen is False
    with_receipt = then(before, MessageRead(place=THREAD, user=ANA, event_id="$r"), at(2)).aggregate
    assert then(with_receipt, arrived("bye", id="x"), at(5)).aggregate.lifecycle.closes_at


@pytest.mark.practice(39)
@pytest.mark.parametrize("body", ["goodbye", "ADIOS"])
def test_a_goodbye_after_talk_of_dying_is_not_taken_for_the_end(body: str) -> None:
    """It may be for ever: nothing closes, so the number can still be shown; supervisors are called."""
    thread = then(held(), arrived("i want to kill myself", id="k"), at(0)).aggregate
    thread = then(thread, MessageRead(place=THREAD, user=ANA, event_id="$r"), at(1)).aggregate
    step = then(thread, arrived(body, id="x"), at(5))
    assert (step.aggregate.lifecycle.closes_at, step.aggregate.lifecycle.close_when_seen) == (0, False)
    assert alarms(step) == ["goodbye"]
    assert "!playbook suicide" in words(step)
    assert "write nothing" not in words(step)
    assert texts(step) == []
    # What waited does not leave by itself after it, as after any silent exit.
    assert marks(then(step.aggregate, said("wait, talk to me"), at(9))) == {"$m1": DeliveryReceipt.HELD}


@pytest.mark.practice(9)
@pytest.mark.parametrize("lock", [*SendLock])
def test_a_word_for_help_from_a_stopped_phone_asks_for_no_answer(lock: SendLock) -> None:
    """Where nothing but a cover line leaves, nobody is told to answer now; the room reads why, and whom to call."""
    thread = then(held(), said("!unsafe", event_id="$u")).aggregate if lock is SendLock.NONE else locked(lock)
    step = then(thread, arrived("HELP", id="h", seconds=60), at(60))
    assert alarms(step) == ["help"]
    assert "please do, now" not in words(step)
    assert "!cover 1, 2 and 3" in words(step)
    assert "!escalate" in words(step)
    assert "please do, now" in words(then(held(), arrived("HELP", id="h", seconds=60), at(60)))


@pytest.mark.parametrize("body", ["BYE", "LATER"])
def test_who_leaves_gets_nothing_that_still_waits(body: str) -> None:
    """He may have the phone by now: words in their undo window do not leave after a silent exit."""
    thread = then(held(), said("are you safe?")).aggregate
    step = then(thread, arrived(body, id="x"), at(3))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert texts(due(step.aggregate, UNDO)) == []


def test_a_word_for_help_keeps_the_answer_that_is_on_its_way() -> None:
    """Whoever says HELP wants an answer: what the assignee has just said still leaves."""
    thread = then(held(), said("I am here")).aggregate
    assert texts(due(then(thread, arrived("HELP", id="x"), at(3)).aggregate, UNDO)) == ["I am here"]


@every_row("alarm", ["stopped_live", "text_after_stop", "left_alarmed", "call", "help", "start_asks"])
def test_supervisors_are_called_by_name(alarm: str) -> None:
    """What may mean danger mentions the supervisors on duty in the alarm, which is a new message."""
    step = then(staffed_desk(), AlarmRaised(designation="amber heron", alarm=AlarmKind(alarm)))
    (post,) = (post for post in of(SendMessage, step) if post.place == DESK and not post.notice)
    assert post.mentions == (SUE,)


def test_a_stop_in_the_middle_of_a_conversation_is_louder() -> None:
    """A STOP soon after our last text is honoured like any other and told as what contradicts a conversation."""
    recent = replace(held(), lifecycle=replace(held().lifecycle, last_outbound=NOW - 600))
    assert alarms(then(recent, arrived("STOP", id="s"))) == ["stopped_live"]
    long_ago = replace(held(), lifecycle=replace(held().lifecycle, last_outbound=NOW - 6000))
    assert alarms(then(long_ago, arrived("STOP", id="s"))) == ["stopped"]


def test_a_stop_is_remembered_beyond_the_thread_and_start_forgets_it() -> None:
    """STOP asks the bridge to remember the phone for as long as the pack says, START to forget it."""
    step = then(held(), arrived("STOP", id="s"))
    assert of(Suppress, step) == [Suppress(reason=SuppressionReason.STOP, until=NOW + STOPPED_FOR)]
    assert of(Suppress, then(step.aggregate, arrived("START", id="t"), at(9))) == [Suppress(reason=SuppressionReason.STOP)]


def test_a_thread_that_begins_stopped_is_shown_and_not_greeted() -> None:
    """Whoever said STOP in an earlier thread is seen at the desk, loudly, and hears nothing until they say START."""
    before = replace(NEW, consent=replace(NEW.consent, stopped=True))
    step = then(before, arrived("hello"))
    assert (texts(step), alarms(step)) == ([], ["text_after_stop"])
    assert texts(then(before, arrived("STOP"))) == []
    resumed = then(step.aggregate, arrived("START", id="b"), at(5))
    assert texts(then(resumed.aggregate, arrived("hi", id="c"), at(9))) != []


WISHES = ["please stop texting me", "don't text this number", "ya no me escribas por favor"]


@pytest.mark.parametrize("body", WISHES)
def test_a_wish_is_offered_and_never_done(body: str) -> None:
    """A wish in free words stops nothing by itself, is not greeted, and names the command to the assignee."""
    for thread in (NEW, held()):
        step = then(thread, arrived(body, id="w"))
        assert texts(step) == []
        assert "!stopped" in words(step)
        assert not step.aggregate.consent.stopped


@pytest.mark.parametrize("sender", [ANA, SUE])
def test_stopped_counts_as_a_stop_and_sends_nothing(sender: str) -> None:
    """`!stopped` silences the thread and is remembered like a STOP, and not even a confirmation leaves."""
    thread = then(held(), said("one moment")).aggregate
    step = then(thread, said("!stopped", event_id="$m2", sender=sender), at(2))
    assert step.aggregate.consent.stopped
    assert of(SendSms, step) == []
    assert of(Suppress, step) == [Suppress(reason=SuppressionReason.STOP, until=NOW + 2 + STOPPED_FOR)]
    assert (alarms(step), marks(step)["$m1"]) == (["stopped_by_staff"], DeliveryReceipt.NOT_SENT)


def test_a_slip_is_taken_back_and_a_stop_of_theirs_is_not() -> None:
    """`!resume` ends a `!stopped`, and never a STOP that the texter said, also not one said after it."""
    slip = then(held(), said("!stopped", event_id="$m2")).aggregate
    assert not then(slip, said("!resume", event_id="$m3")).aggregate.consent.stopped
    theirs = then(held(), arrived("STOP", id="s")).aggregate
    for thread in (theirs, then(slip, arrived("STOP", id="s")).aggregate):
        step = then(thread, said("!resume", event_id="$m3"))
        assert step.aggregate.consent.stopped
        assert "Only their START" in words(step)


def test_where_the_line_asks_start_waits_for_a_person() -> None:
    """With `stop_resumes: ask` START changes nothing by itself; then `!resume` does, and forgets what was remembered."""
    from bot.decide import decide

    thread = then(held(), arrived("STOP", id="s")).aggregate
    step = decide(ASKS, FACTS, thread, arrived("START", id="t"))
    assert (step.aggregate.consent.stopped, alarms(step)) == (True, ["start_asks"])
    step = decide(ASKS, FACTS, step.aggregate, said("!resume", event_id="$m3"))
    assert (step.aggregate.consent.stopped, of(Suppress, step)) == (False, [Suppress(reason=SuppressionReason.STOP)])


def test_nobody_else_stops_or_resumes() -> None:
    """An advocate who is not the assignee says neither."""
    for command in ("!stopped", "!resume"):
        before = held()
        assert then(before, said(command, sender=BEN)).aggregate == before


def test_who_gives_up_before_an_answer_is_counted_once() -> None:
    """Whoever leaves or stops while nobody is their assignee is counted.

    Whoever has an assignee, or says it first, is not.
    """
    assert [one.kind for one in of(IncrementCounter, then(waiting(), arrived("BYE", id="x")))] == ["gave_up_waiting"]
    assert [one.kind for one in of(IncrementCounter, then(waiting(), arrived("STOP", id="x")))] == ["gave_up_waiting"]
    assert of(IncrementCounter, then(held(), arrived("STOP", id="x"))) == []
    assert of(IncrementCounter, then(NEW, arrived("STOP", id="x"))) == []


def test_the_carriers_own_block_is_told_and_shown_until_a_text_gets_through() -> None:
    """A phone that opted out at the carrier stands on the card until START, or a text that arrived.

    That a carrier takes a text says nothing: some refuse it only in their report, and the card would say both by turns.
    """
    from bot.display.thread_card import card
    from bot.model.events import Outcome, TextOutcome

    step = then(held(), TextOutcome(ref="say:$m1", outcome=Outcome.OPTED_OUT, code="21610"))
    assert "opted out" in card(PACK, step.aggregate)
    assert alarms(step) == ["opted_out"]
    after = then(step.aggregate, TextOutcome(ref="say:$m2", outcome=Outcome.ACCEPTED)).aggregate
    assert "opted out" in card(PACK, after)
    for event in (arrived("START", id="t"), TextOutcome(ref="say:$m2", outcome=Outcome.DELIVERED)):
        assert "opted out" not in card(PACK, then(after, event).aggregate)


@pytest.mark.practice(12)
@pytest.mark.parametrize("body", ["BYE", "later"])
def test_what_waits_for_the_carrier_does_not_leave_after_a_silent_word(body: str) -> None:
    """An answer to a text of before, and a person's words on their way, are refused once more; what comes later is not."""
    window_end = due(then(held(), said("I am here")).aggregate, UNDO)
    (mine,) = of(SendSms, window_end)
    answer = SendSms(
        ref="greeting:a", body=PACK.say(TextName.GREETING), origin=Origin.AUTO_REPLY, epoch=0, since=NOW + UNDO
    )
    assert guard.may_send(PACK, window_end.aggregate, answer, NOW + 20, ()) is None
    after = then(window_end.aggregate, arrived(body, id="x", seconds=20), at(20)).aggregate
    assert guard.may_send(PACK, after, answer, NOW + 21, ()) == guard.LEFT_SILENTLY
    assert guard.may_send(PACK, after, mine, NOW + 21, ()) == guard.RETRACTED
    assert guard.may_send(PACK, after, replace(answer, since=NOW + 60), NOW + 61, ()) is None


@pytest.mark.practice(12)
@pytest.mark.parametrize("body", [*WISHES, "he's here gotta go"])
def test_an_answer_that_waits_for_the_carrier_does_not_leave_after_they_broke_off(body: str) -> None:
    """After a plea, and after "he's here", only what they text later is answered, also once they have texted again."""
    greeted = then(NEW, arrived("hi"))
    (greeting,) = of(SendSms, greeted)
    assert guard.may_send(PACK, greeted.aggregate, greeting, NOW + 9, ()) is None
    after = then(greeted.aggregate, arrived(body, id="x", seconds=10), at(10)).aggregate
    assert guard.may_send(PACK, after, greeting, NOW + 11, ()) == guard.BREAKING_OFF
    again = then(after, arrived("it is about my rent", id="y", seconds=20), at(20)).aggregate
    assert guard.may_send(PACK, again, greeting, NOW + 21, ()) == guard.BREAKING_OFF
    assert guard.may_send(PACK, again, replace(greeting, since=NOW + 20), NOW + 21, ()) is None
