"""Safety moves: what stops a phone, what may leave all the same, and who is told (practices 9, 12, 31, 39)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot import guard
from bot.display.thread_card import card
from bot.model.actions import DESK, OFFICE, THREAD, DeliveryReceipt, Origin, SendMessage, SendSms
from bot.model.desk import Desk, Thread
from bot.model.events import (
    Event,
    IgnoreReason,
    MemberJoined,
    MessageIgnored,
    MessageRead,
    Outcome,
    ReactionAdded,
    Relation,
    TextOutcome,
    TimerDue,
)
from bot.model.thread import ConsentFlags, ThreadState
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
from tests.bot.strategies import ANA, BEN, NOW, PACK, STAFF, SUE, UNDO, WARNED
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
