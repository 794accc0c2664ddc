"""Safety moves: what stops a phone, what may leave all the same, and who is told (practices 9, 12, 31, 39)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot import guard
from bot.display.thread_card import card
from bot.model.actions import DESK, OFFICE, THREAD, DeliveryReceipt, Origin, SendMessage, SendSms
from bot.model.codeword_state import SendLock
from bot.model.desk import Desk, Thread
from bot.model.events import (
    Content,
    Event,
    IgnoreReason,
    MemberJoined,
    MemberLeft,
    MessageIgnored,
    MessageRead,
    MessageRedacted,
    Outcome,
    ReactionAdded,
    Relation,
    TextOutcome,
    TimerDue,
)
from bot.model.flood import CrowdEntry, Flood
from bot.model.thread import ConsentFlags, Lifecycle, ThreadState
from bot.model.thread_desk_events import Assigned, AssignmentKind, OtherHandsChanged, PhoneStopped, ThreadQueued
from bot.model.transactional_actions import CancelTimer, RecordAudit, SendEvent, SetTimer
from policies.pack import TextName
from tests.bot.examples import (
    alarms,
    arrived,
    at,
    at_desk,
    due,
    edit,
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
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, EVE, MEMBERS, NAMED, NOW, OWNERS, PACK, STAFF, SUE, UNDO, WARNED
from tests.every_row import every_row

LATER = PACK.say(TextName.LATER, "en")


def unsafe(thread: Thread | None = None) -> Thread:
    """Return a thread whose phone was marked unsafe by a colleague of its assignee."""
    marked: Thread = then(thread or held(), said("!unsafe", sender=BEN, event_id="$u")).aggregate
    return marked


def chosen(thread: Thread | None = None) -> Thread:
    """Return a thread whose texter chose a line beforehand."""
    agreed: Thread = then(thread or held(), said("!agreed unsafe later", event_id="$a")).aggregate
    return agreed


@pytest.mark.practice(9)
@pytest.mark.parametrize("sender", STAFF)
def test_anybody_in_the_room_stops_everything(sender: str) -> None:
    """`!unsafe` by anyone cancels what waits, sends nothing, and tells room and desk, each with a new message."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, said("!unsafe", sender=sender, event_id="$u"), at(2))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT, "$u": DeliveryReceipt.NOTE}
    assert alarms(step) == ["unsafe"]
    assert [audit.kind.value for audit in of(RecordAudit, step)] == ["unsafe"]
    assert any("UNSAFE" in post.body and not post.notice for post in of(SendMessage, step))
    assert "UNSAFE" in card(PACK, step.aggregate)
    assert texts(due(step.aggregate, UNDO + 2)) == []


@every_row(
    "body", ["hello", "!limits", "!say clarify", "!again", "!anyway", "!tips", "!urgent", "!later", "!different", "!switch"]
)
def test_nothing_of_a_persons_leaves_for_an_unsafe_phone(body: str) -> None:
    """Neither words nor a text of the agency's is taken for an unsafe phone, and whoever said it reads why."""
    before = then(held(), said(WARNED[0], event_id="$w")).aggregate
    thread = unsafe(before)
    step = then(thread, said(body, event_id="$m2"), at(1))
    assert step.aggregate.sending.pending == ()
    assert texts(due(step.aggregate, 1 + UNDO)) == []
    assert marks(step)["$m2"] in (DeliveryReceipt.NOT_SENT, DeliveryReceipt.NOTE)


@pytest.mark.parametrize("body", ["hello?", "STOP", "", "ES"])
def test_nothing_is_answered_by_itself(body: str) -> None:
    """Nothing leaves by itself for an unsafe phone: no greeting, no picture text, not even the confirmation of a STOP."""
    for thread in (unsafe(held()), replace(Thread(id="t1", designation="amber heron"), flags=ConsentFlags(unsafe=True))):
        assert texts(then(thread, arrived(body, id="b", media=1))) == []


def test_what_is_on_its_way_is_stopped_by_the_guard() -> None:
    """Words that left the undo window before `!unsafe` are refused when the outbox asks once more."""
    thread = due(then(held(), said("hello")).aggregate, UNDO)
    (text,) = of(SendSms, thread)
    assert guard.may_send(PACK, thread.aggregate, text, NOW + UNDO, ()) is None
    for origin in Origin:
        why = guard.may_send(PACK, unsafe(thread.aggregate), replace(text, origin=origin), NOW + UNDO, ())
        assert why is guard.UNSAFE


@pytest.mark.parametrize(("sender", "may"), [(ANA, True), (SUE, True), (BEN, False)])
def test_assignee_or_supervisor_says_that_it_is_safe(sender: str, may: bool) -> None:
    """`!safe` is for the assignee and supervisors; afterwards words leave again, and the room is asked to check first."""
    step = then(unsafe(), said("!safe", sender=sender, event_id="$s"))
    assert step.aggregate.flags.unsafe == (not may)
    assert alarms(step) == (["safe"] if may else [])
    assert ("!safecheck" in words(step)) == may
    window_end = due(then(step.aggregate, said("hello", event_id="$m2")).aggregate, UNDO)
    assert texts(window_end) == (["hello"] if may else [])


def test_safe_says_what_else_stops_the_phone() -> None:
    """After a STOP the room does not read that texts may leave, without that they do not yet."""
    thread = then(unsafe(), arrived("STOP", id="s")).aggregate
    assert "Not yet, though: the texter said STOP" in words(then(thread, said("!safe", event_id="$s")))
    assert "Not yet" not in words(then(unsafe(), said("!safe", event_id="$s")))


@pytest.mark.parametrize("how", ["START", "!resume"])
def test_the_end_of_a_stop_says_that_the_phone_is_unsafe(how: str) -> None:
    """Whoever has the phone may say START: the room reads that nothing leaves yet, and the desk that the STOP is over."""
    stop = said("!stopped", event_id="$t") if how == "!resume" else arrived("STOP", id="s")
    thread = then(unsafe(), stop, at(1)).aggregate
    step = then(thread, said(how, event_id="$r") if how == "!resume" else arrived(how, id="r", seconds=60), at(60))
    assert "Not yet, though: the phone may be in other hands" in words(step)
    assert not step.aggregate.consent.stopped
    (alarm,) = told(step.actions, DESK)
    assert "answered" not in words(then(staffed_desk(), alarm))


def test_safe_without_unsafe_changes_nothing() -> None:
    """`!safe` where nothing was unsafe says so."""
    step = then(held(), said("!safe"))
    assert step.aggregate == held()
    assert "not marked unsafe" in words(step)


@pytest.mark.practice(9)
def test_the_chosen_line_leaves_once_by_the_assignee() -> None:
    """What the texter chose beforehand leaves through the undo window at the assignee's `!unsafe`; nothing else does."""
    step = then(chosen(), said("!unsafe", event_id="$u"))
    assert marks(step) == {"$u": DeliveryReceipt.LEAVING}
    assert LATER in words(step)
    assert alarms(step) == ["unsafe"]
    assert texts(due(step.aggregate, UNDO - 0.1)) == []
    window_end = due(step.aggregate, UNDO)
    assert texts(window_end) == [LATER]
    again = then(window_end.aggregate, said("!unsafe", event_id="$u2"), at(20))
    assert texts(due(again.aggregate, 20 + UNDO)) == []
    assert "already" in words(again)
    other = then(window_end.aggregate, said("hello", event_id="$m2"), at(20))
    assert texts(due(other.aggregate, 20 + UNDO)) == []


def test_somebody_else_stops_at_once_and_the_assignee_lets_the_line_leave() -> None:
    """Only the assignee is heard: `!unsafe` by a colleague stops everything at once, shows the line, and sends nothing."""
    step = then(chosen(), said("!unsafe", sender=BEN, event_id="$u"))
    assert step.aggregate.sending.pending == ()
    assert LATER in words(step)
    step = then(step.aggregate, said("!unsafe", event_id="$u2"), at(5))
    assert alarms(step) == []
    assert texts(due(step.aggregate, 5 + UNDO)) == [LATER]


def test_the_line_is_stopped_like_other_words() -> None:
    """Redacting `!unsafe` stops the line and not the mark; an edit puts nothing in its place; then it may come again."""
    thread = then(chosen(), said("!unsafe", event_id="$u")).aggregate
    for event in (MessageRedacted(place=THREAD, sender=ANA, target="$u"), edit("hello", target="$u")):
        step = then(thread, event, at(2))
        assert texts(due(step.aggregate, 2 + UNDO)) == []
        assert step.aggregate.flags.unsafe
        again = then(step.aggregate, said("!unsafe", event_id="$u3"), at(4))
        assert texts(due(again.aggregate, 4 + UNDO)) == [LATER]


def test_no_line_leaves_after_a_stop_or_by_an_earlier_assignee() -> None:
    """The chosen line respects a STOP, and does not leave once the assignee has changed; the new assignee may say it."""
    stopped = then(chosen(), arrived("STOP", id="s")).aggregate
    step = then(stopped, said("!unsafe", event_id="$u"))
    assert step.aggregate.flags.unsafe
    assert step.aggregate.sending.pending == ()
    thread = then(chosen(), said("!unsafe", event_id="$u")).aggregate
    thread = then(thread, Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED), at(1)).aggregate
    assert texts(due(thread, 1 + UNDO)) == []
    step = then(thread, said("!unsafe", sender=BEN, event_id="$u2"), at(20))
    assert texts(due(step.aggregate, 20 + 20)) == [LATER]


@pytest.mark.parametrize("outcome", [Outcome.LATE, Outcome.REJECTED, Outcome.UNKNOWN])
def test_a_chosen_line_that_did_not_leave_may_be_said_again(outcome: Outcome) -> None:
    """When the carrier surely did not take it, `!unsafe` once more lets it leave; when nobody knows, it does not."""
    thread = due(then(chosen(), said("!unsafe", event_id="$u")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$u", outcome=outcome), at(20)).aggregate
    again = then(thread, said("!unsafe", event_id="$u2"), at(30))
    assert texts(due(again.aggregate, 30 + UNDO)) == ([] if outcome is Outcome.UNKNOWN else [LATER])


@pytest.mark.parametrize("late", [False, True])
def test_safe_takes_the_chosen_line_back(late: bool) -> None:
    """After a mistaken `!unsafe` the line that steps back does not leave a safe phone, neither waiting nor by `!again`."""
    thread = then(chosen(), said("!unsafe", event_id="$u")).aggregate
    thread = due(thread, 400).aggregate if late else thread
    seconds = 401.0 if late else 2.0
    step = then(thread, said("!safe", event_id="$s"), at(seconds))
    assert marks(step)["$u"] is DeliveryReceipt.NOT_SENT
    assert texts(due(step.aggregate, seconds + UNDO)) == []
    again = then(step.aggregate, said("!again", event_id="$x", at=NOW + seconds + 1), at(seconds + 1))
    assert texts(due(again.aggregate, seconds + 60)) == []


def test_safe_takes_the_chosen_line_back_on_its_way_to_the_carrier() -> None:
    """While the carrier is busy the line waits there: `!safe` stops it as well."""
    thread = then(chosen(), said("!unsafe", event_id="$u")).aggregate
    step = due(thread, UNDO)
    (line,) = of(SendSms, step)
    thread = then(step.aggregate, said("!safe", event_id="$s"), at(UNDO + 1)).aggregate
    assert guard.may_send(PACK, thread, line, NOW + UNDO + 2, ()) == guard.RETRACTED


def test_unsafe_outlives_the_assignee() -> None:
    """A phone is unsafe whoever is the assignee."""
    thread = then(unsafe(), Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED)).aggregate
    step = then(thread, said("hello", sender=BEN, event_id="$m2"))
    assert step.aggregate.sending.pending == ()


@pytest.mark.practice(31)
def test_urgent_gives_the_voice_number_and_tells_the_desk() -> None:
    """`!urgent` shows and sends the text with the voice number and alerts the desk without a word of it (practice 31)."""
    step = then(held(), said("!urgent"))
    assert alarms(step) == ["urgent"]
    assert texts(due(step.aggregate, UNDO)) == [PACK.say(TextName.URGENT, "en")]
    (alarm,) = told(step.actions, DESK)[:1]
    shown = then(staffed_desk(), alarm)
    assert [post.place for post in of(SendMessage, shown)] == [DESK]
    assert PACK.say(TextName.URGENT, "en") not in words(shown)


@pytest.mark.practice(39)
def test_different_steps_back_and_begins_again() -> None:
    """`!different` cancels what waits, sends a text that names nobody, and then nothing that was agreed is theirs."""
    thread = replace(
        held(),
        flags=ConsentFlags(
            limits=1.0, tips=1.0, safe_check_asked="x", text_first=True, channel="call", unsafe_line="later"
        ),
    )
    thread = then(thread, said("see you on monday", event_id="$m0")).aggregate
    step = then(thread, said("!different"))
    assert marks(step) == {"$m0": DeliveryReceipt.NOT_SENT, "$m1": DeliveryReceipt.LEAVING}
    window_end = due(step.aggregate, UNDO)
    assert texts(window_end) == [PACK.say(TextName.DIFFERENT, "en")]
    assert window_end.aggregate.flags == thread.flags, "until the text is out, nothing has changed"
    done = then(window_end.aggregate, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(9))
    flags = ConsentFlags(unsafe_line="later", other_hands_at=NOW + 9, other_hands_seen="2027-01-15 08:00")
    assert done.aggregate.flags == flags
    assert "Somebody else" in words(done)
    assert CancelTimer(key="silence") in done.actions
    assert SetTimer(key="close", due=NOW + 9) in done.actions
    over = then(done.aggregate, TimerDue(key="close"), at(9))
    assert over.aggregate.lifecycle.state is ThreadState.PARKED
    assert over.aggregate.flags == flags
    assert then(over.aggregate, TimerDue(key="silence"), at(3600)).actions == ()


@pytest.mark.practice(39)
@pytest.mark.parametrize(
    "body", ["!say different", "! SAY  Different.", "!say different he took it", "!say different: sorry"]
)
def test_different_by_say_cancels_what_waits_too(body: str) -> None:
    """However the text that steps back is asked for: words for the texter do not leave before it, nor after it."""
    thread = then(held(), said("see you on monday", event_id="$m0")).aggregate
    step = then(thread, said(body))
    assert marks(step)["$m0"] is DeliveryReceipt.NOT_SENT
    alone = body.removesuffix(".").casefold().endswith("different")
    assert texts(due(step.aggregate, UNDO)) == ([PACK.say(TextName.DIFFERENT, "en")] if alone else [])
    assert step.aggregate.sending.held == ()


@pytest.mark.practice(39)
@every_row("body", ["!different", "!say different", "!different he took it"])
@every_row("target", ["$m0", "$m1", "$sent", "$note"])
def test_an_edit_into_different_stops_all_that_waits(body: str, target: str) -> None:
    """In place of waiting words it would leave among others: nothing leaves, and it is said as a new message.

    So it is whichever message is edited: one that waits, one that has left, one that never was for the phone.
    """
    thread = due(then(held(), said("hello", event_id="$sent"), at(-UNDO)).aggregate, 0).aggregate
    thread = then(thread, TextOutcome(ref="say:$sent", outcome=Outcome.ACCEPTED)).aggregate
    thread = then(thread, said("see you on monday", event_id="$m0")).aggregate
    thread = then(thread, said("at the office"), at(1)).aggregate
    step = then(thread, edit(body, target=target), at(2))
    assert marks(step) == {"$m0": DeliveryReceipt.NOT_SENT, "$m1": DeliveryReceipt.NOT_SENT}
    assert "An edit does not become !different" in words(step)
    assert step.aggregate.sending.pending == step.aggregate.sending.held == ()
    assert texts(due(step.aggregate, 2 + UNDO)) == []


@pytest.mark.practice(39)
@pytest.mark.parametrize("waits", [0, UNDO])
def test_what_was_said_after_different_does_not_follow_it(waits: float) -> None:
    """Words said in its undo window are cancelled once it is out, also at the carrier: that phone is another's."""
    thread = then(held(), said("!different")).aggregate
    thread = due(then(thread, said("ask about the kids", event_id="$m2"), at(1)).aggregate, UNDO).aggregate
    window_end = due(thread, UNDO + 1) if waits else None
    thread = thread if window_end is None else window_end.aggregate
    step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(UNDO + 2))
    assert step.aggregate.sending.pending == step.aggregate.sending.held == ()
    later = due(step.aggregate, UNDO + 3)
    assert texts(later) == []
    for text in of(SendSms, window_end) if window_end is not None else ():
        assert guard.may_send(PACK, later.aggregate, text, NOW + UNDO + 3, ()) == guard.RETRACTED


@pytest.mark.practice(39)
@pytest.mark.parametrize("lock", [SendLock.NONE, SendLock.UNVERIFIED])
def test_a_cover_line_said_after_different_leaves(lock: SendLock) -> None:
    """It is for whoever has the phone, and the one text that may leave under a lock: the end of the conversation waits."""
    thread = replace(held(), codeword=replace(held().codeword, lock=lock))
    thread = then(thread, said("!different")).aggregate
    thread = then(thread, said("!cover 1", event_id="$c"), at(3)).aggregate
    step = due(thread, UNDO)
    if lock is SendLock.NONE:
        step = then(step.aggregate, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(UNDO + 1))
    assert texts(due(step.aggregate, 3 + UNDO)) == [PACK.say(TextName.COVER_1, "en")]


@pytest.mark.practice(39)
def test_the_chosen_text_outlives_a_late_end_of_different() -> None:
    """`!unsafe` was said while the text that steps back was at the carrier: what the texter chose for it leaves."""
    thread = due(then(chosen(), said("!different")).aggregate, UNDO).aggregate
    thread = then(thread, said("!unsafe", event_id="$u", at=NOW + 9), at(9)).aggregate
    step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(10))
    assert texts(due(step.aggregate, 9 + UNDO)) == [LATER]


@pytest.mark.practice(39)
@pytest.mark.parametrize("goes_on", ["no", "report", "again", "text", "unsafe"])
def test_a_late_report_of_different_ends_no_talk_that_went_on(goes_on: str) -> None:
    """The carrier's answer was lost, and a text came since: hours later the report ends nothing, and a person is asked."""
    thread = due(then(held(), said("hello", event_id="$m0"), at(-UNDO)).aggregate, 0).aggregate
    thread = then(thread, TextOutcome(ref="say:$m0", outcome=Outcome.ACCEPTED)).aggregate
    thread = due(then(thread, said("!different")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN), at(20)).aggregate
    if goes_on == "again":
        thread = then(thread, said("!again", event_id="$y", at=NOW + 21), at(21)).aggregate
    elif goes_on == "text":
        thread = then(thread, arrived("it's me", id="i", seconds=30), at(30)).aggregate
        thread = then(thread, MessageRead(place=THREAD, user=ANA, event_id="$r"), at(31)).aggregate
    elif goes_on == "report":
        thread = then(thread, TextOutcome(ref="say:$m0", outcome=Outcome.DELIVERED), at(21)).aggregate
    elif goes_on == "unsafe":
        thread = then(thread, said("!unsafe", event_id="$u", at=NOW + 21), at(21)).aggregate
    step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.DELIVERED), at(60))
    is_over = goes_on in ("no", "report", "again")
    assert bool(step.aggregate.lifecycle.closes_at) == is_over
    assert ("has left after all" in words(step)) != is_over
    assert step.aggregate.flags.other_hands_at == NOW + 60


@pytest.mark.practice(39)
def test_a_second_text_does_not_keep_a_conversation_open_after_different() -> None:
    """The room was told that it is closed once what came is read: another text of theirs changes nothing of that."""
    thread = then(held(), said("!different")).aggregate
    thread = then(due(thread, UNDO).aggregate, arrived("who is this", id="w"), at(UNDO + 1)).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(UNDO + 2)).aggregate
    thread = then(thread, arrived("answer me", id="a"), at(UNDO + 3)).aggregate
    assert then(thread, MessageRead(place=THREAD, user=ANA, event_id="$r"), at(60)).aggregate.lifecycle.closes_at


@pytest.mark.practice(12, 37)
def test_switch_and_later_are_texts_like_others() -> None:
    """`!switch` and `!later` are shown in the texter's language, and may be said in marked own words (practices 12, 37)."""
    thread = then(held(), arrived("ES", id="l")).aggregate
    for command, name in (("switch", TextName.SWITCH), ("later", TextName.LATER)):
        step = then(thread, said(f"!{command}"))
        assert PACK.say(name, "es") in words(step)
        assert texts(due(step.aggregate, UNDO)) == [PACK.say(name, "es")]
        step = then(thread, said(f"!say {command}: mejor te llamo"))
        assert texts(due(step.aggregate, UNDO)) == ["mejor te llamo"]


def asked_whether_safe() -> Thread:
    """Return a thread whose assignee has asked whether texting is safe now."""
    thread = due(then(held(), said("!safecheck")).aggregate, UNDO).aggregate
    result: Thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(UNDO)).aggregate
    return result


@pytest.mark.practice(9, 11)
@every_row("body", ["No", "no.", "not sure", "idk", "no sé", "NO ES SEGURO", "he is here", "yes", "👎"])
def test_whatever_the_answer_a_person_hears_it(body: str) -> None:
    """Asked whether it is safe: no, not sure and anything else is shown to people, and nothing ends or leaves by itself."""
    for thread in (waiting(), asked_whether_safe()):
        step = then(thread, arrived(body, id="n", seconds=20), at(20))
        (shown,) = [post for post in of(SendMessage, step) if post.body == body]
        assert (shown.place, shown.notice) == (THREAD, False)
        assert texts(step) == []
        assert step.aggregate.lifecycle.state is thread.lifecycle.state
        assert (step.aggregate.lifecycle.closes_at, step.aggregate.consent.stopped) == (0.0, False)


@pytest.mark.practice(9, 35)
def test_silence_after_the_question_is_a_persons_to_judge() -> None:
    """No answer to it brings a cue in the room, then the offer to park, and never a text or an end."""
    thread = asked_whether_safe()
    for minutes in (5, 15, 45, 60):
        step = then(thread, TimerDue(key="silence"), at(UNDO + minutes * 60))
        thread = step.aggregate
        assert "No answer for" in words(step)
        assert [post.place for post in of(SendMessage, step)] == [THREAD]
        assert texts(step) == []
        assert (thread.lifecycle.state, thread.lifecycle.closes_at) == (ThreadState.OPEN, 0.0)


def test_a_waiting_thread_can_be_unsafe() -> None:
    """A phone can be marked before anybody is the assignee; the thread stays on the queue."""
    thread = then(waiting(), said("!unsafe", sender=SUE)).aggregate
    assert texts(then(thread, arrived("hello?", id="z", seconds=50_000), at(50_000))) == []
    assert thread.lifecycle.state is waiting().lifecycle.state


def test_a_chosen_line_that_the_agency_has_no_more_stops_nothing_from_being_unsafe() -> None:
    """What was chosen outlives a conversation, and the pack may have changed since: the phone is marked, and it is said."""
    thread = held()
    thread = replace(thread, flags=replace(thread.flags, unsafe_line="bread"))
    step = then(thread, said("!unsafe"))
    assert step.aggregate.flags.unsafe
    assert texts(due(step.aggregate, UNDO)) == []
    assert "not among the agency's texts" in words(step)


FORMS = (
    "!unsafe!",
    "!UNSAFE.",
    "!Unsafe!!!",
    "! unsafe",
    "!un safe",
    "!un-safe",
    "!unsfe",
    "!unsaf he is back",
    "!usnafe",
    "!unsafe: he is back",
    "!not safe",
    "!danger",
    "\u00a1unsafe",
    "\uff01unsafe",
    "\uff01\uff35\uff2e\uff33\uff21\uff26\uff25",
    "!\u00a0unsafe\u00a0",
    "1unsafe",
    "11unsafe he is back",
    "/unsafe",
    ". unsafe",
    "\u2757unsafe",
    "\u203c\ufe0funsafe",
    "\U0001f6d1",
    "\U0001f6d1\ufe0f he is here",
    "\u3164!unsafe",
)
"""How people say it when they are in haste."""


@pytest.mark.practice(9)
@every_row("body", FORMS)
def test_stopping_is_easy_to_say(body: str) -> None:
    """Punctuation, capitals, wide letters and near misses stop the phone at once, whoever in the room says it."""
    thread = then(held(), said("hello", event_id="$m0")).aggregate
    step = then(thread, said(body, sender=BEN), at(2))
    assert step.aggregate.flags.unsafe
    assert step.aggregate.sending.pending == ()
    assert marks(step) == {"$m0": DeliveryReceipt.NOT_SENT, "$m1": DeliveryReceipt.NOTE}


@every_row(
    "body",
    [
        "!safe",
        "!unlock",
        "!unhold",
        "!safer",
        "!note safe",
        "!close",
        "!reveal danger",
        "!",
        "//unsafe",
        "// unsafe?",
        "1 unsafe",
        "is it unsafe?",
    ],
)
def test_what_is_another_command_does_not_stop(body: str) -> None:
    """Only what is like `!unsafe`, and like no other command, is taken for it."""
    assert not then(held(), said(body)).aggregate.flags.unsafe


@pytest.mark.parametrize("body", ["!safe?", "!Safe ?", "!safe now?", "!safe\uff1f", "!unlock?"])
def test_a_question_lifts_nothing(body: str) -> None:
    """Who asks whether it is safe has not found out that it is: what lifts a stop is not done by a question."""
    thread = then(held(), said("!unsafe")).aggregate
    step = then(thread, said(body, event_id="$q", sender=SUE), at(2))
    assert step.aggregate.flags.unsafe
    assert "without the question mark" in words(step)
    assert not then(thread, said("!safe", event_id="$q"), at(2)).aggregate.flags.unsafe


@pytest.mark.parametrize("relation", [Relation.EDIT, Relation.THREAD])
def test_stopping_is_taken_by_any_way(relation: Relation) -> None:
    """Also in a Matrix thread, and by changing a message, which itself does not leave then."""
    thread = then(held(), said("hello", event_id="$m0")).aggregate
    step = then(thread, said("!unsafe", relation=relation, target="$m0"), at(2))
    assert step.aggregate.flags.unsafe
    assert marks(step)["$m0"] is DeliveryReceipt.NOT_SENT
    assert texts(due(step.aggregate, UNDO + 2)) == []
    again = then(step.aggregate, said("!unsafe", relation=relation, target="$m0", event_id="$m3"), at(3))
    assert "already" in words(again)


@every_row("content", [Content.FILE, Content.EMOTE, Content.OTHER])
@every_row("body", ["!unsafe", "🛑", "!no segura"])
def test_stopping_is_taken_in_any_kind_of_message(content: Content, body: str) -> None:
    """Below a picture, behind `/me`, as a sticker: no other command is done so, but a stop that is missed costs more."""
    thread = then(held(), said("hello", event_id="$m0")).aggregate
    step = then(thread, said(body, content=content, sender=SUE), at(2))
    assert step.aggregate.flags.unsafe
    assert texts(due(step.aggregate, UNDO + 2)) == []
    assert then(step.aggregate, said("!safe", content=content), at(3)).aggregate.flags.unsafe


def tap(sender: str, *, key: str = "🛑", trusted: bool = False, target: str = "") -> ReactionAdded:
    """Return a tap on a message of the room."""
    return ReactionAdded(place=THREAD, sender=sender, event_id="$t", key=key, target=target, trusted=trusted)


@pytest.mark.practice(9)
@every_row("sender", STAFF)
@every_row("target", ["", "card", "in:a:0", "offer"])
def test_a_tap_stops_from_any_device_of_a_member(sender: str, target: str) -> None:
    """🛑 on any message stops the phone like `!unsafe`, without a verified device, and a second one does nothing more."""
    thread = then(held(), MemberJoined(place=THREAD, user=sender)).aggregate
    thread = then(thread, said("hello", event_id="$m0")).aggregate
    step = then(thread, tap(sender, target=target, key="🛑\ufe0f"), at(2))
    assert step.aggregate.flags.unsafe
    assert alarms(step) == ["unsafe"]
    assert marks(step) == {"$m0": DeliveryReceipt.NOT_SENT}
    assert then(step.aggregate, tap(sender), at(3)).actions == ()


def test_a_tap_of_somebody_who_left_or_is_no_member_stops_nothing() -> None:
    """Neither a member who left the room or the desk, nor a person who is only at the desk, nor another sign."""
    came = then(held(), MemberJoined(place=THREAD, user=BEN)).aggregate
    without_ben = then(came, MemberLeft(place=THREAD, user=BEN)).aggregate
    for thread, event in ((without_ben, tap(BEN)), (held(), tap(SUE)), (held(), tap(EVE)), (came, tap(BEN, key="👍"))):
        assert not then(thread, event).aggregate.flags.unsafe
    left_the_desk = at(0, roster=tuple(member for member in MEMBERS if member.user != BEN))
    assert not then(came, tap(BEN), left_the_desk).aggregate.flags.unsafe


def test_a_tap_lifts_nothing() -> None:
    """Whatever is tapped, a phone that is unsafe stays so, and the line that they chose leaves by the advocate's word."""
    thread = chosen(then(held(), MemberJoined(place=THREAD, user=ANA)).aggregate)
    step = then(thread, tap(ANA))
    assert step.aggregate.sending.pending == ()
    for key in ("🛑", "✅", "👍"):
        assert then(step.aggregate, tap(ANA, key=key, trusted=True)).aggregate.flags.unsafe
    assert texts(due(then(step.aggregate, said("!unsafe", event_id="$u")).aggregate, UNDO)) == [LATER]


@every_row(
    ("command", "sender", "stops"),
    [
        ("!unsafe he is here", ANA, True),
        ("!UNSAFE!", ANA, True),
        ("!safe", ANA, False),
        ("", ANA, False),
        ("!unsafe", SUE, False),
        ("🛑", ANA, True),
        ("✅", ANA, False),
        ("🛑", SUE, False),
    ],
)
@every_row(("reason", "answer"), [(IgnoreReason.UNTRUSTED, "not verified"), (IgnoreReason.UNENCRYPTED, "not encrypted")])
def test_stopping_needs_membership_only(reason: IgnoreReason, answer: str, command: str, sender: str, stops: bool) -> None:
    """A member's `!unsafe`, unverified or in clear, stops the phone; nothing else is taken, and both hear why."""
    event = MessageIgnored(place=THREAD, sender=sender, event_id="$i", reason=reason, command=command)
    thread = then(held(), said("hello", event_id="$m0")).aggregate
    step = then(thread, event, at(2))
    assert step.aggregate.flags.unsafe == stops
    assert (marks(step).get("$m0") is DeliveryReceipt.NOT_SENT) == stops
    assert answer in words(step)
    assert then(unsafe(), replace(event, command="!safe")).aggregate.flags.unsafe, "what lifts it takes a trusted device"


def desk_with_two() -> Desk:
    """Return a desk at which Ana has one thread and another one waits."""
    desk: Desk = staffed_desk()
    for n, name in enumerate(("amber heron", "quiet maple")):
        desk = then(desk, ThreadQueued(thread=f"t{n}", designation=name, since=NOW)).aggregate
    return then(desk, at_desk("!claim amber heron")).aggregate  # type: ignore[no-any-return] # a step of a desk


@pytest.mark.practice(9)
@every_row("place", [DESK, OFFICE + ANA])
@every_row(
    ("said_there", "stops"),
    [
        ("!unsafe", ["t0"]),
        ("!UNSAFE!", ["t0"]),
        ("!unsfe he is back", ["t0"]),
        ("!unsafe quiet maple", ["t1"]),
        ("!unsafe Quiet Maple he is back", ["t1"]),
        ("!unsafe quiet maple, he is back", ["t1"]),
    ],
)
def test_it_stops_the_phone_from_the_wrong_room(place: str, said_there: str, stops: list[str]) -> None:
    """Said at the desk or in an office it stops the thread that is named, or what its sender has; it is told which."""
    step = then(desk_with_two(), said(said_there, place=place), at(1))
    owners = [action.owner for action in of(SendEvent, step) if isinstance(action.event, PhoneStopped)]
    assert owners == stops
    assert {"t0": "amber heron", "t1": "quiet maple"}[stops[0]] in words(step)
    thread = then(then(held(), said("is he gone")).aggregate, PhoneStopped(), at(2))
    assert thread.aggregate.flags.unsafe
    assert alarms(thread) == ["unsafe"]
    assert texts(due(thread.aggregate, 30)) == []


def in_another_room(body: str, how: str) -> Any:
    """Return `!unsafe` in one of the forms in which a room takes it, with the name of another thread behind it."""
    if how == "device":
        return MessageIgnored(place=THREAD, sender=ANA, event_id="$u", reason=IgnoreReason.UNTRUSTED, command=body)
    return said(body, event_id="$u", relation={"message": Relation.NONE, "thread": Relation.THREAD}[how])


@pytest.mark.practice(9)
@every_row("how", ["message", "thread", "device"])
@every_row("body", ["!unsafe quiet maple", "!unsfe Quiet Maple, he is back", "🛑 quiet maple: he is back"])
def test_another_thread_that_is_named_in_this_room_is_stopped_as_well(body: str, how: str) -> None:
    """Whoever has several rooms open types where the cursor is: both are stopped, and the room says which."""
    step = then(chosen(), in_another_room(body, how), at(2))
    assert step.aggregate.flags.unsafe
    assert [event for event in told(step.actions, DESK) if isinstance(event, PhoneStopped)] == [
        PhoneStopped(designation="quiet maple")
    ]
    assert "UNSAFE, and nothing leaves any more: amber heron, quiet maple." in words(step)
    assert step.aggregate.sending.pending == (), "the line that they chose leaves when this phone is meant"
    again = then(step.aggregate, in_another_room(body, how), at(3))
    assert "quiet maple" in words(again)
    assert "already" not in words(again)
    at_desk_then = then(desk_with_two(), PhoneStopped(designation="quiet maple"), at(2))
    assert [(stop.owner, stop.event) for stop in of(SendEvent, at_desk_then)] == [("t1", PhoneStopped())]


@pytest.mark.parametrize(
    "body", ["!unsafe", "!unsafe he also texts as quiet maple", "!unsafe amber heron", "!unsafe quiet"]
)
def test_without_the_name_of_another_thread_this_one_is_meant(body: str) -> None:
    """A reason, this thread's own name or a part of a name stops this phone alone, and the line that they chose leaves."""
    step = then(chosen(), said(body, event_id="$u"), at(2))
    assert step.aggregate.flags.unsafe
    assert [event for event in told(step.actions, DESK) if isinstance(event, PhoneStopped)] == []
    assert texts(due(step.aggregate, 2 + UNDO)) == [LATER]


@pytest.mark.practice(9)
def test_words_of_the_thread_that_is_named_in_another_room_do_not_leave() -> None:
    """They are in their undo window when `!unsafe` and that thread's name are typed in another room."""
    world = Simulation(PACK)
    for owner in OWNERS[:2]:
        world.open(owner, ANA)
    world.say(OWNERS[1], ANA, "I am here. Are you safe?")
    world.settle()
    world.say(OWNERS[0], ANA, f"!unsafe {NAMED[1]}")
    world.settle()
    world.pass_time(30)
    world.settle()
    assert [world.threads[owner].flags.unsafe for owner in OWNERS[:2]] == [True, True]
    assert list(world.account[OWNERS[1]].lane) == []


def test_who_has_no_thread_is_asked_which() -> None:
    """Nothing is stopped at the word of who has none and names none, and they are told how to."""
    step = then(desk_with_two(), at_desk("!unsafe", sender=BEN), at(1))
    assert of(SendEvent, step) == []
    assert "!unsafe and the designation" in words(step)


def test_a_thread_without_a_card_is_stopped_by_its_name() -> None:
    """The board names it while many come: it is stopped, and no thread of the person who says so."""
    crowd = {"t9": CrowdEntry(thread="t9", designation="still brook", since=NOW)}
    desk = replace(desk_with_two(), flood=Flood(crowd=crowd))
    step = then(desk, at_desk("!unsafe still brook"), at(1))
    assert [(stop.owner, stop.event) for stop in of(SendEvent, step)] == [("t9", PhoneStopped())]
    assert "still brook" in words(step)


def test_a_phone_that_is_stopped_when_its_room_goes_stays_stopped() -> None:
    """`!unsafe` came behind the end: the audit has it, no alarm names a thread without a name, and it holds."""
    parked = Thread(id="t1", designation="", lifecycle=Lifecycle(state=ThreadState.PARKED, since=NOW))
    step = then(parked, PhoneStopped())
    assert (step.aggregate.flags.unsafe, len(of(RecordAudit, step)), of(SendEvent, step)) == (True, 1, [])
    again = then(step.aggregate, arrived("me again"), at(60, new_designation="still brook"))
    assert again.aggregate.flags.unsafe
    assert texts(again) == []


@pytest.mark.practice(9)
@every_row("before", [held, unsafe])
@every_row(
    "stop",
    [
        said("!unsafe", sender=BEN, event_id="$x", at=NOW + 20),
        tap(BEN),
        PhoneStopped(),
        MessageIgnored(place=THREAD, sender=BEN, event_id="$x", reason=IgnoreReason.UNTRUSTED, command="!unsafe"),
        arrived("who is this", id="b", seconds=20),
    ],
)
def test_safe_lifts_no_stop_and_no_sign_that_it_crosses(before: Callable[[], Thread], stop: Event) -> None:
    """Whoever typed it knew how it was before: the phone stays as it is, also when it was stopped already."""
    thread = then(before(), MemberJoined(place=THREAD, user=BEN)).aggregate
    thread = then(thread, stop, at(20)).aggregate
    step = then(thread, said("!safe", event_id="$s", at=NOW + 19), at(21))
    assert step.aggregate.flags == thread.flags
    assert alarms(step) == []
    assert not [event for event in told(step.actions, DESK) if isinstance(event, OtherHandsChanged)]
    assert "another sign or stop came" in words(step)
    sure = then(thread, said("!safe", event_id="$s", at=NOW + 22), at(22)).aggregate
    assert (sure.flags.unsafe, sure.flags.other_hands_at) == (False, 0.0)
