"""The assignee's words: what is a note, what waits, what leaves, and what the receipts say (design.md, "Who is heard")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot import guard
from bot.model.actions import (
    THREAD,
    DeliveryReceipt,
    EditMessage,
    Invite,
    KickMember,
    SendMessage,
    SendSms,
    ShareRoomKeys,
    ShowReceipt,
)
from bot.model.desk import Thread
from bot.model.events import (
    Content,
    IgnoreReason,
    MemberJoined,
    MemberLeft,
    MessageIgnored,
    MessageRedacted,
    Outcome,
    Relation,
    TextOutcome,
    TimerDue,
)
from bot.model.thread import PendingText
from bot.model.thread_desk_events import Assigned, AssignmentKind, MemberRemoved
from bot.model.transactional_actions import CancelTimer, SetTimer
from tests.bot.examples import alarms, arrived, at, due, edit, held, marks, of, said, texts, then, waiting, words
from tests.bot.strategies import ANA, BEN, EVE, LATE, MEMBERS, NAMED, NOTES, NOW, PACK, STAFF, SUE, UNDO, WORDS
from tests.every_row import every_row

NOTE, LEAVING, NOT_SENT, HELD = (
    DeliveryReceipt.NOTE,
    DeliveryReceipt.LEAVING,
    DeliveryReceipt.NOT_SENT,
    DeliveryReceipt.HELD,
)


def pending(thread: Thread) -> list[PendingText]:
    return list(thread.sending.pending)


@pytest.mark.practice(37)
@every_row("body", [*WORDS, "  two\nlines \n", "e-mail me: a.b@c.example", "1/2 or 3//4", "why!", "¡Hola!", "at @ 5"])
def test_the_assignee_is_relayed_verbatim_after_the_window(body: str) -> None:
    """The assignee's words leave once, unchanged, when the undo window is over and not before."""
    step = then(held(), said(body))
    assert marks(step) == {"$m1": LEAVING}
    assert [timer.due for timer in of(SetTimer, step)] == [NOW + UNDO]
    assert texts(due(step.aggregate, UNDO - 0.1)) == []
    window_end = due(step.aggregate, UNDO)
    assert texts(window_end) == [body]
    assert texts(due(window_end.aggregate, UNDO + 1)) == []


@every_row(
    "changed",
    [
        *({"body": body} for body in NOTES),
        {"body": "\n // after a line"},
        {"body": "\u200f!status"},
        {"body": "\ufeff// x"},
        {"body": "ask (@ben)"},
        {"body": "¿@ben?"},
        {"body": "＠ben look"},  # noqa: RUF001 - a wide sign is one all the same
        {"body": "@\u200bben look"},
        {"body": "hi\n@ben"},
        {"mentions": True},
        {"relation": Relation.THREAD},
        {"relation": Relation.OTHER_REPLY},
        {"content": Content.FILE},
        {"content": Content.OTHER},
        {"content": Content.EMOTE},
        {"sender": BEN},
        {"sender": SUE},
        {"body": "\u00a1unsafe"},
        {"body": "\uff01unsafe now"},
    ],
)
def test_everything_else_is_a_note(changed: dict[str, Any]) -> None:
    """Notes, mentions, threads, replies to others, files and other people's words are marked and go nowhere."""
    step = then(held(), said(changed.pop("body", "are you safe?"), **changed))
    assert marks(step) == {"$m1": NOTE}
    assert pending(step.aggregate) == []
    assert texts(step) == []


def test_nobody_is_relayed_while_a_thread_waits() -> None:
    """Before a person is the assignee, whatever is said in the room is a note."""
    assert marks(then(waiting(), said("hello"))) == {"$m1": NOTE}


def test_a_stranger_is_not_taken() -> None:
    """A person who is not on the roster leaves no trace, not even as the assignee of before."""
    thread = replace(held(), assignment=replace(held().assignment, assignee=EVE))
    assert then(thread, said("hello", sender=EVE)).actions == ()


@pytest.mark.parametrize("content", [Content.FILE, Content.EMOTE, Content.OTHER])
def test_only_written_words_go_to_the_phone(content: Content) -> None:
    """Pictures, files, `/me`, stickers and polls of the assignee are notes, and the assignee hears that."""
    step = then(held(), said("x", content=content))
    assert marks(step) == {"$m1": NOTE}
    assert words(step).startswith("Not sent: ")
    assert ("/me" in words(step)) == (content is Content.EMOTE)
    assert words(then(held(), said("x", content=content, sender=BEN))) == ""


def test_an_edit_that_is_taken_back_leaves_nothing() -> None:
    """Redacting the edit shows the old words again, and nobody knows which were meant.

    Neither leaves, the assignee hears.
    """
    thread = then(held(), said("I am at the office")).aggregate
    thread = then(thread, edit("I am at home", event_id="$e1"), at(1)).aggregate
    thread = then(thread, edit("I am at school", event_id="$e2"), at(2)).aggregate
    for sender, target, leaves in ((ANA, "$e1", True), (BEN, "$e2", True), (ANA, "$e2", False)):
        step = then(thread, MessageRedacted(place=THREAD, sender=sender, target=target), at(3))
        assert texts(due(step.aggregate, UNDO + 3)) == (["I am at school"] if leaves else [])
        assert marks(step) == ({} if leaves else {"$m1": DeliveryReceipt.RETRACTED})
        assert ("edit was taken back" in words(step)) != leaves


@pytest.mark.parametrize("target", ["$m1", "$e1"])
def test_what_a_supervisor_takes_out_of_the_room_does_not_leave(target: str) -> None:
    """A message or its edit, by their client's own means: nobody sees these words any more. Their author is told."""
    thread = then(held(), said("I am at the office")).aggregate
    thread = then(thread, edit("I am at home", event_id="$e1"), at(1)).aggregate
    step = then(thread, MessageRedacted(place=THREAD, sender=SUE, target=target), at(2))
    assert texts(due(step.aggregate, UNDO + 3)) == []
    assert marks(step) == {"$m1": DeliveryReceipt.RETRACTED}
    (notice,) = of(SendMessage, step)
    assert (notice.reply_to, notice.mentions, "supervisor took it out" in notice.body) == ("$m1", (ANA,), True)


@pytest.mark.parametrize("body", ["#room:line.example", "quiet maple", "", " \n"])
def test_what_must_not_reach_the_phone_is_refused_with_a_reason(body: str) -> None:
    """A leak or an empty text is marked as not sent, with a sentence in the room."""
    step = then(held(), said(body))
    assert marks(step) == {"$m1": NOT_SENT}
    assert words(step).startswith("Not sent: ")
    assert pending(step.aggregate) == []


def test_words_to_whom_cannot_be_answered_are_refused() -> None:
    """A short code is shown and not answered; a stopped phone neither; the assignee is told at once."""
    stopped = then(held(), arrived("STOP", id="s")).aggregate
    for thread in (held(answerable=False), stopped):
        step = then(thread, said("hello"))
        assert marks(step) == {"$m1": NOT_SENT}
        assert texts(due(step.aggregate, UNDO)) == []


def test_words_leave_in_order() -> None:
    """An edit of earlier words keeps later ones waiting behind them; nothing overtakes."""
    thread = then(held(), said("one")).aggregate
    thread = then(thread, said("two", event_id="$m2"), at(2)).aggregate
    thread = then(thread, said("ONE", event_id="$e", relation=Relation.EDIT, target="$m1"), at(6)).aggregate
    assert texts(due(thread, UNDO + 2)) == []
    assert texts(due(thread, 6 + UNDO)) == ["ONE", "two"]


def test_what_stays_in_the_window_keeps_its_timer() -> None:
    """When earlier words leave, the timer is set for those that wait behind them; when nothing waits it is dropped."""
    thread = then(held(), said("one")).aggregate
    thread = then(thread, said("two", event_id="$m2", at=NOW + 3), at(3)).aggregate
    step = due(thread, UNDO)
    assert texts(step) == ["one"]
    assert [timer.due for timer in of(SetTimer, step)] == [NOW + 3 + UNDO]
    last = due(step.aggregate, 3 + UNDO)
    assert texts(last) == ["two"]
    assert [timer.key for timer in of(CancelTimer, last)] == ["send"]


@every_row(
    ("changed", "leaves"),
    [
        ({}, ["better"]),
        ({"sender": BEN}, ["hello"]),
        ({"sender": SUE}, ["hello"]),
        ({"sender": EVE}, ["hello"]),
        ({"target": "$other"}, ["hello"]),
        ({"body": "// better not"}, []),
        ({"body": "@ben better"}, []),
        ({"mentions": True}, []),
        ({"body": "quiet maple"}, []),
        ({"body": ""}, []),
        ({"content": Content.FILE}, []),
    ],
)
def test_an_edit_in_the_window(changed: dict[str, Any], leaves: list[str]) -> None:
    """An author's edit holds, by whatever it makes of the words; another member's edit changes nothing."""
    thread = then(held(), said("hello")).aggregate
    edit: dict[str, Any] = {"relation": Relation.EDIT, "target": "$m1", "event_id": "$e"} | changed
    step = then(thread, said(edit.pop("body", "better"), **edit), at(3))
    assert texts(due(step.aggregate, 3 + UNDO)) == leaves
    assert marks(step) == ({} if leaves else {"$m1": NOT_SENT})


def test_an_edit_starts_the_window_again() -> None:
    """After an edit there is as much time as before it."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, said("better", relation=Relation.EDIT, target="$m1", event_id="$e"), at(3))
    assert [timer.due for timer in of(SetTimer, step)] == [NOW + 3 + UNDO]
    assert texts(due(step.aggregate, UNDO)) == []


def test_too_late_for_an_edit_or_a_redaction() -> None:
    """Once the carrier has it neither changes the phone, and the assignee is told so."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(UNDO)).aggregate
    for event in (said("x", relation=Relation.EDIT, target="$m1"), MessageRedacted(place=THREAD, sender=ANA, target="$m1")):
        step = then(thread, event, at(UNDO + 1))
        assert texts(step) == []
        assert marks(step) == {}
        assert "phone" in words(step)


@pytest.mark.parametrize(("sender", "leaves"), [(ANA, []), (BEN, ["hello"]), (SUE, []), (EVE, ["hello"])])
def test_a_redaction_in_the_window(sender: str, leaves: list[str]) -> None:
    """Its author or a supervisor takes words back; nobody else does by redacting."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, MessageRedacted(place=THREAD, sender=sender, target="$m1"), at(3))
    assert marks(step) == ({} if leaves else {"$m1": DeliveryReceipt.RETRACTED})
    assert texts(due(step.aggregate, UNDO)) == leaves


@pytest.mark.parametrize(("sender", "leaves"), [(ANA, False), (BEN, True), (SUE, False), (EVE, True)])
def test_a_redaction_on_the_way_to_the_carrier(sender: str, leaves: bool) -> None:
    """After the window, while the carrier has not answered: what is taken back may not leave any more."""
    step = due(then(held(), said("hello")).aggregate, UNDO)
    [text] = of(SendSms, step)
    thread = then(step.aggregate, MessageRedacted(place=THREAD, sender=sender, target="$m1"), at(UNDO + 1)).aggregate
    assert guard.may_send(PACK, thread, text, NOW + UNDO + 1, ()) == (None if leaves else guard.RETRACTED)


def test_a_supervisor_takes_words_back_on_the_way_to_the_carrier() -> None:
    """`!redact` stops what waits for its turn at the carrier, and does not claim that it has left."""
    step = due(then(held(), said("hello")).aggregate, UNDO)
    [text] = of(SendSms, step)
    redact = said("!redact", event_id="$r", sender=SUE, target="$m1", relation=Relation.OTHER_REPLY)
    step = then(step.aggregate, redact, at(UNDO + 1))
    assert guard.may_send(PACK, step.aggregate, text, NOW + UNDO + 1, ()) == guard.RETRACTED
    assert "stopped, if it has not left" in words(step)


@pytest.mark.parametrize("event", [MemberLeft(place=THREAD, user=ANA), MemberRemoved(user=ANA), Assigned(assignee=BEN)])
def test_a_changed_assignee_cancels_what_has_not_left(event: MemberLeft | MemberRemoved | Assigned) -> None:
    """When the assignee changes, words in the window are marked as not sent, the room is told, and they never leave."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, event, at(3))
    assert marks(step) == {"$m1": NOT_SENT}
    assert "Not sent" in words(step)
    assert texts(due(step.aggregate, UNDO)) == []


def test_words_that_came_to_name_another_thread_do_not_leave() -> None:
    """Words that were harmless when said and are another thread's designation when they could leave stay here."""
    waits = then(held(), said("the quiet maple on the corner"), at(0, designations=frozenset())).aggregate
    step = then(waits, TimerDue(key="send"), at(UNDO, designations=frozenset({"quiet maple"})))
    assert texts(step) == []
    assert "names another thread" in words(step)
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}


def test_words_of_somebody_who_left_the_desk_do_not_leave() -> None:
    """Whoever is not on the roster when the window is over is not heard, even before the thread was told."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, TimerDue(key="send"), at(UNDO, roster=MEMBERS[1:]))
    assert texts(step) == []
    assert marks(step) == {"$m1": NOT_SENT}
    assert "not at the desk" in words(step)


def test_who_goes_is_removed_and_who_comes_is_invited() -> None:
    """A person removed from the desk is removed from the room, assignee or not; a new assignee gets an invitation."""
    assert [a.user for a in of(KickMember, then(held(), MemberRemoved(user=ANA)))] == [ANA]
    watched = then(held(), MemberJoined(place=THREAD, user=BEN)).aggregate
    step = then(watched, MemberRemoved(user=BEN))
    assert [a.user for a in of(KickMember, step)] == [BEN]
    assert step.aggregate.assignment.assignee == ANA
    assert [a.user for a in of(Invite, then(waiting(), Assigned(assignee=BEN)))] == [BEN]


@pytest.mark.parametrize("how", ["!with @ben", f"!transfer {BEN}"])
def test_an_invitation_is_no_way_in_for_who_left_the_desk(how: str) -> None:
    """Whoever was asked in and left the desk before they came is removed like a member, and again if they still come."""
    roster = tuple(seat for seat in MEMBERS if seat.user != BEN)
    thread = then(held(), said(how)).aggregate
    step = then(thread, MemberRemoved(user=BEN), at(1, roster=roster))
    assert [(a.user, a.place) for a in of(KickMember, step)] == [(BEN, THREAD)]
    assert step.aggregate.assignment.assignee == ANA
    step = then(step.aggregate, MemberJoined(place=THREAD, user=BEN), at(2, roster=roster))
    assert [(a.user, a.place) for a in of(KickMember, step)] == [(BEN, THREAD)]
    assert of(ShareRoomKeys, step) == []
    assert step.aggregate.assignment.members == {ANA}
    assert step.aggregate.assignment.long_undo_until <= NOW + 2, "somebody who is not there slows nobody down"


@pytest.mark.parametrize("user", [ANA, BEN])
def test_whoever_comes_in_is_given_the_keys_once_more(user: str) -> None:
    """The assignee or not: what went with the invitation may have met another device, or one that did not know us yet.

    Also to a device that has had them: some clients drop keys of a room that they are not in.
    """
    assert of(ShareRoomKeys, then(held(), MemberJoined(place=THREAD, user=user))) == [
        ShareRoomKeys(place=THREAD, user=user, resend=True)
    ]


def test_the_window_is_longer_after_somebody_joined() -> None:
    """For five minutes after another person joined, words wait twenty seconds (the commonest slip)."""
    thread = then(held(), MemberJoined(place=THREAD, user=BEN)).aggregate
    for seconds, window in ((1, 20), (299, 20), (301, UNDO)):
        step = then(thread, said("hello", at=NOW + seconds), at(seconds))
        assert [timer.due for timer in of(SetTimer, step)] == [NOW + seconds + window]


def test_old_words_are_held_and_the_assignee_is_told() -> None:
    """Words that could not leave for five minutes do not leave by themselves; younger ones behind them do."""
    thread = then(held(), said("old")).aggregate
    thread = then(thread, said("young", event_id="$m2", at=NOW + LATE - 1), at(LATE - 1)).aggregate
    step = due(thread, LATE + UNDO)
    assert texts(step) == ["young"]
    assert marks(step) == {"$m1": HELD}
    assert "!again" in words(step)


def test_an_untrusted_message_is_not_taken() -> None:
    """Nothing of what could not be taken at its word leaves; its author is told why."""
    for why in IgnoreReason:
        step = then(held(), MessageIgnored(place=THREAD, sender=ANA, event_id="$m1", reason=why))
        assert marks(step) == {"$m1": NOT_SENT}
        assert words(step)
        assert pending(step.aggregate) == []


def test_nothing_leaves_by_a_timer_that_is_not_the_window() -> None:
    """Only the undo window's own timer lets words leave."""
    thread = then(held(), said("hello")).aggregate
    assert then(thread, TimerDue(key="other"), at(UNDO)).actions == ()
    assert of(SendSms, then(thread, TimerDue(key="send"), at(UNDO)))


def test_everybody_on_the_roster_gets_a_receipt() -> None:
    """Whoever of the staff says whatever in a thread's room, the message is marked once.

    Rule: ARCHITECTURE.md, "Invariants", 4.
    """
    for sender in STAFF:
        for body in (*WORDS, *NOTES, "!help", "!status", "!board", "", "quiet maple"):
            step = then(held(), said(body, sender=sender))
            assert len(of(ShowReceipt, step)) == 1, body
            assert not [edit for edit in of(EditMessage, step) if body and body in edit.body]


def test_whoever_was_the_assignee_hears_that_their_text_stays() -> None:
    """An edit or a redaction after the assignee has changed: its author is told that nothing changes on the phone."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(10)).aggregate
    thread = then(thread, Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED), at(20)).aggregate
    assert "changes nothing on the phone" in words(then(thread, edit("other"), at(21)))
    assert "stays on the phone" in words(then(thread, MessageRedacted(place=THREAD, sender=ANA, target="$m1"), at(21)))


@pytest.mark.parametrize("unsent", [True, False])
def test_an_edit_of_what_was_not_sent_says_that_it_sends_nothing(unsent: bool) -> None:
    """The words were refused, and their author mends them there: silence would look like success. Not of a note."""
    step = then(held(), said(f"ask {NAMED[1]}" if unsent else "// ask"))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT if unsent else DeliveryReceipt.NOTE}
    mended = then(step.aggregate, edit("are you safe now?"), at(9))
    assert "This edit sends nothing to the phone" in words(mended)
    assert mended.aggregate.sending.pending == ()
    assert not of(SendMessage, then(step.aggregate, edit("// are you safe now?"), at(9)))
    assert not of(SendMessage, then(step.aggregate, edit("are you safe now?", sender=BEN), at(9)))


def test_words_that_become_urgent_alert_the_desk() -> None:
    """An edit of what waits into `!urgent` is heard like the command."""
    thread = then(held(), said("wait")).aggregate
    assert alarms(then(thread, edit("!urgent"), at(2))) == ["urgent"]


@pytest.mark.practice(36)
def test_whoever_quotes_hears_that_the_phone_does_not_get_it() -> None:
    """The rest leaves; where nothing is left, the refusal says why, and what to do."""
    step = then(held(), said("are you safe?", quotes=True))
    assert "quoted in it does not go" in words(step)
    assert texts(due(step.aggregate, UNDO)) == ["are you safe?"]
    assert "quoted in it does not go" in words(then(step.aggregate, edit("still safe?", quotes=True), at(2)))
    nothing = then(held(), said("", quotes=True))
    assert marks(nothing) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert words(nothing) == f"Not sent: {guard.QUOTED}"
    edited = then(step.aggregate, edit("", quotes=True), at(3))
    assert (marks(edited), words(edited)) == ({"$m1": DeliveryReceipt.NOT_SENT}, f"Not sent: {guard.QUOTED}")
    assert texts(due(edited.aggregate, 3 + UNDO)) == []
    for blank in (" ", "\u200b", "\u2800", "\u3164\ufeff", "\U000e0020"):
        assert words(then(held(), said(blank))) == f"Not sent: {guard.EMPTY}"
        assert texts(due(then(then(held(), said("hello")).aggregate, edit(blank), at(1)).aggregate, UNDO)) == []


@pytest.mark.practice(9)
@every_row("word", ["unsafe", "UNSAFE!", "un safe", "stop", "peligro", "// stop", "he is there !unsafe"])
@every_row("sender", [ANA, BEN])
def test_a_word_that_stops_stops_what_waits_without_its_mark_too(word: str, sender: str) -> None:
    """Who types "unsafe" in a hurry wants nothing to leave: what waits is held at once, and `!anyway` lets it leave."""
    thread = then(held(), said("is he gone")).aggregate
    step = then(thread, said(word, sender=sender, event_id="$stop"), at(3))
    assert marks(step)["$m1"] is DeliveryReceipt.HELD
    assert "may mean !unsafe" in words(step)
    assert step.aggregate.sending.pending == ()
    assert texts(due(step.aggregate, 30)) == []
    sure = said("!anyway", relation=Relation.OTHER_REPLY, target="$m1", event_id="$a", at=NOW + 5)
    free = then(step.aggregate, sure, at(5))
    assert texts(due(free.aggregate, 60)) == ["is he gone"]


@pytest.mark.parametrize("word", ["are you unsafe?", "stop by at nine", "// he may stop texting"])
def test_words_of_every_day_stop_nothing(word: str) -> None:
    """A question and a longer sentence are words like others."""
    step = then(then(held(), said("is he gone")).aggregate, said(word, event_id="$w"), at(3))
    assert step.aggregate.sending.pending[0].body == "is he gone"


@pytest.mark.practice(9)
@every_row("word", ["unsafe", "Unsafe!", "un safe", "not safe", "stop", "basta", "peligro", "unsafe he is back"])
def test_a_word_that_stops_never_reaches_the_phone(word: str) -> None:
    """Without its mark it is no text, not after `!anyway` either, which a tired person says to the last thing held."""
    step = then(held(), said(word))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert "it may mean !unsafe" in words(step)
    again = then(step.aggregate, said("!anyway", event_id="$a"), at(2)).aggregate
    assert again.sending.pending == again.sending.held == ()
    changed = then(then(held(), said("hello")).aggregate, edit(word))
    assert changed.aggregate.sending.pending == changed.aggregate.sending.held == ()


@pytest.mark.parametrize("back", [600.0, 365 * 86_400.0], ids=["ten minutes", "a year"])
def test_words_stamped_by_a_clock_that_was_put_back_are_held(back: float) -> None:
    """They do not wait a year for their window to end, and do not leave: they are held like words that are too old."""
    thread = then(held(), said("are you there")).aggregate
    step = due(thread, UNDO - back)
    assert texts(step) == []
    assert marks(step) == {"$m1": HELD}
    assert pending(step.aggregate) == []
    assert texts(due(step.aggregate, UNDO)) == []


@pytest.mark.practice(13)
@pytest.mark.parametrize(("said_after", "leaves"), [(-3.0, False), (20.0, False), (61.0, True)])
def test_words_of_a_lost_device_do_not_leave(said_after: float, leaves: bool) -> None:
    """`!signout` stops what its person has said and what comes until it is done; what they say later leaves."""
    signed_out = tuple(replace(member, signed_out_at=NOW) if member.user == ANA else member for member in MEMBERS)
    thread = then(held(), said("where are you now", at=NOW + said_after), at(said_after)).aggregate
    step = then(thread, TimerDue(key="send"), at(said_after + UNDO, roster=signed_out))
    assert texts(step) == (["where are you now"] if leaves else [])
    assert leaves or marks(step)["$m1"] is DeliveryReceipt.NOT_SENT
