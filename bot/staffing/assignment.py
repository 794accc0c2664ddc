"""The assignment of a thread: the texter hears exactly one person, or nobody.

Rules of this module: the desk decides who the assignee is. Every change of assignee starts a new epoch and cancels what has
not left. A new assignee is invited first, and is heard only once they can read the room.
"""

from __future__ import annotations

from dataclasses import replace

from bot.commands.parser import BLANKS, ParsedCommand
from bot.display.thread_card import is_late_joiner, list_auto_replies, localpart, pinned_text
from bot.model.actions import (
    DESK,
    THREAD,
    Action,
    DeliveryReceipt,
    Invite,
    KickMember,
    PinMessage,
    SendMessage,
    ShareRoomKeys,
    ShowReceipt,
    Speaker,
)
from bot.model.codeword_state import SendLock
from bot.model.desk import Facts, Thread
from bot.model.events import (
    IgnoreReason,
    MemberJoined,
    MemberLeft,
    MemberReturned,
    MessageIgnored,
    MessageSent,
    TextArrived,
)
from bot.model.feature import Step, raise_alarm
from bot.model.hold_signs import Doubt
from bot.model.text_order import TextOrder, compare, moment, newest
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import (
    AlarmKind,
    Assigned,
    AssignmentKind,
    DuressFlagChanged,
    MemberRemoved,
    OfferChanged,
    ThreadQueued,
)
from bot.model.transactional_actions import CancelTimer, SendEvent
from bot.sending.unsent_texts import drop_pending
from bot.staffing.thread_marks import marks
from bot.wording.durations import MINUTE, describe_minutes, spell_duration
from bot.wording.notice import join_notices as joined_notices
from bot.wording.notice import notice_of
from policies.pack import Pack

OFFER = "offer"
"""The message that makes an offer, and the timer that ends it."""
MAX_CHARACTERS = 7_000
"""Characters of one room message: an event may have 65,536 bytes, a control character takes six of them (an escape in JSON)
and encryption makes four out of three."""

EXPLAINED = {
    IgnoreReason.UNTRUSTED: (notice_of("assignment.this_device_is_not_verified")),
    IgnoreReason.UNREADABLE: notice_of("assignment.this_message_could_not_be"),
    IgnoreReason.UNENCRYPTED: notice_of("assignment.this_message_was_not_encrypted"),
}


def show_text(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Put a text into the room, word for word, and queue a new thread at the desk.

    The message mentions the advocate: by the default push rules a message without a mention makes no sound in a room of
    three. For a text without visible words a sentence of ours stands in: it rings, counts as unread and can be answered
    like words.
    """
    body = event.body if event.body.strip(BLANKS) else ""
    pieces = [body[i : i + MAX_CHARACTERS] for i in range(0, len(body), MAX_CHARACTERS)]
    member = facts.member(thread.assignment.assignee or "")
    called = (member.user,) if member is not None and member.on_duty else ()
    empty = notice_of("assignment.a_text_without_words_arrived")
    if event.media:
        empty = notice_of("assignment.only_picture_s_or_file_s", media=event.media)
    shown = [(piece, Speaker.TEXTER) for piece in pieces] or [(empty, Speaker.POLICY)]
    posts: list[Action] = [
        SendMessage(
            place=THREAD, body=words, speaker=speaker, notice=False, ref=f"in:{event.id}:{n}", mentions=() if n else called
        )
        for n, (words, speaker) in enumerate(shown)
    ]
    if pieces and event.media:
        came_with = notice_of("assignment.picture_s_or_file_s", media=event.media)
        posts.append(SendMessage(place=THREAD, body=came_with, ref=f"in:{event.id}:{len(pieces)}"))
    if (late := _late_notice(pack, facts, thread, event)) is not None:
        posts.append(SendMessage(place=THREAD, body=late))
    # A thread that we began is with its assignee already.
    if thread.lifecycle.last_inbound == 0.0 and thread.assignment.epoch == 0:
        danger, language = marks(pack, thread)
        posts.append(
            _queue(thread, facts.now, rate_limited=event.rate_limited, danger=danger, language=language, requeued=False)
        )
        posts += _report_lock(thread)
    life = replace(
        thread.lifecycle,
        last_inbound=facts.now,
        since=thread.lifecycle.since or facts.now,
        unseen=thread.lifecycle.unseen + 1,
        newest_text=newest(moment(event), thread.lifecycle.newest_text),
    )
    return Step(replace(thread, lifecycle=life), tuple(posts))


def ignore_strangers(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """Accept nothing from a person who is not on the roster."""
    return Step(thread, consumed=facts.role(event.sender) is None)


def assign(pack: Pack, facts: Facts, thread: Thread, event: Assigned) -> Step[Thread]:
    """Make this person the assignee: keys, invite, card. Unsent words of the assignee before are cancelled."""
    if event.designation not in ("", thread.designation):
        return Step(thread)
    first = thread.assignment.epoch == 0
    before, offer = thread.assignment.assignee, thread.assignment.offer
    if event.how is not AssignmentKind.CLAIMED and before is None:
        # Its assignee left while the desk decided; the desk learns of it next, and puts it on the queue.
        why = notice_of("assignment.is_not_the_advocate_the", assignee=localpart(event.assignee))
        return Step(thread, (SendMessage(place=THREAD, body=why),))
    thread, dropped = drop_pending(thread, notice_of("assignment.the_advocate_changed"))
    assignment = replace(
        thread.assignment,
        assignee=event.assignee,
        epoch=thread.assignment.epoch + 1,
        taken_from=before if event.how is AssignmentKind.TAKEN_OVER else None,
        offer=None,
        interpreters=thread.assignment.interpreters - {event.assignee},
    )
    # A person who comes now has answered nothing yet, and an offer that they took is no offer any more. One who is in the
    # room and did not ask for the thread may be writing a note there, which from now on is for the phone.
    unasked = event.how is AssignmentKind.RETURNED or bool(event.answer_by)
    may_write_note = unasked and event.assignee in assignment.members
    signs = replace(thread.signs, offer_ended_at=facts.now if may_write_note else 0.0, answered=frozenset())
    life = replace(thread.lifecycle, state=ThreadState.OPEN, since=facts.now)
    thread = replace(thread, assignment=assignment, lifecycle=life, signs=signs)
    shown: tuple[Action, ...]
    if first:
        shown = (
            SendMessage(place=THREAD, ref="card", body=pinned_text(pack, thread), formatted=True),
            PinMessage(place=THREAD, ref="card"),
        )
    else:
        notice = notice_of("assignment.is_the_advocate_now_the", assignee=localpart(event.assignee))
        shown = (SendMessage(place=THREAD, body=notice, mentions=(event.assignee,)),)
    if thread.flags.other_hands_at:
        age = describe_minutes(round((facts.now - thread.flags.other_hands_at) / 60))
        # While it is marked unsafe no word of theirs is held for `!anyway`: nothing leaves.
        what = "assignment.unsafe_still" if thread.flags.unsafe else "assignment.other_hands_ago_there_was"
        warning = notice_of(what, age=age)
        shown = (*shown, SendMessage(place=THREAD, body=warning, mentions=(event.assignee,)))
    invited = () if event.assignee in assignment.members else (Invite(user=event.assignee),)
    closed = (SendEvent(owner=DESK, event=OfferChanged(thread=thread.id, open=False)),) if offer and not offer.to else ()
    return Step(thread, (*dropped, *invited, CancelTimer(key=OFFER), *closed, *shown))


def add_member(pack: Pack, facts: Facts, thread: Thread, event: MemberJoined) -> Step[Thread]:
    """Note a member, give them the keys once more, and say what to do if colleagues have spoken before.

    When it is not the assignee who came, undo windows are longer for a while. The keys are sent again because the device
    that accepted may be newer than the invitation, or may not have met us yet when keys came with it. A person who is not
    at the desk is not let in, whatever invitation they still had.
    """
    if facts.role(event.user) is None:
        return Step(thread, (KickMember(user=event.user),), consumed=True)
    assignment = replace(thread.assignment, members=thread.assignment.members | {event.user})
    if event.user != thread.assignment.assignee:
        assignment = replace(assignment, long_undo_until=facts.now + pack.settings.undo_after_join_window)
    joined = replace(thread, assignment=assignment)
    what = notice_of("assignment.may_not_show", user=localpart(event.user))
    notices = (SendMessage(place=THREAD, body=what),) if is_late_joiner(joined, thread) else ()
    if not thread.assignment.epoch and (alone := list_auto_replies(thread)):
        # Who listens before anybody has it finds no card.
        notices = (*notices, SendMessage(place=THREAD, body=joined_notices("\n", alone)))
    return Step(joined, (ShareRoomKeys(place=THREAD, user=event.user, resend=True), *notices))


def note_departure(pack: Pack, facts: Facts, thread: Thread, event: MemberLeft) -> Step[Thread]:
    """Note who left; a thread whose assignee left goes back to the queue."""
    thread = replace(thread, assignment=replace(thread.assignment, members=thread.assignment.members - {event.user}))
    thread, forgotten = _forget_member(facts, thread, event.user)
    if event.user != thread.assignment.assignee:
        return Step(thread, forgotten)
    return Step(*release_to_queue(thread, facts, notice_of("assignment.the_advocate_left")))


def remove_returned(pack: Pack, facts: Facts, thread: Thread, event: MemberReturned) -> Step[Thread]:
    """Remove a person again whom the homeserver has in the room after a rollback."""
    return Step(thread, (KickMember(user=event.user),))


def remove_member(pack: Pack, facts: Facts, thread: Thread, event: MemberRemoved) -> Step[Thread]:
    """Remove a person who left the desk; a thread of which they were the assignee goes back to the queue.

    Only the homeserver knows whether they were invited and have not come yet, so they are removed in any case.
    """
    out = KickMember(user=event.user)
    thread, forgotten = _forget_member(facts, thread, event.user)
    if event.user != thread.assignment.assignee:
        return Step(thread, (out, *forgotten))
    thread, actions = release_to_queue(thread, facts, notice_of("assignment.the_advocate_left_the_desk"))
    return Step(thread, (out, *actions))


def explain_ignored(pack: Pack, facts: Facts, thread: Thread, event: MessageIgnored) -> Step[Thread]:
    """Tell a person why their message was not accepted. Nothing of it leaves."""
    if facts.role(event.sender) is None:
        return Step(thread)
    mark = ShowReceipt(place=THREAD, event_id=event.event_id, receipt=DeliveryReceipt.NOT_SENT)
    return Step(thread, (mark, SendMessage(place=THREAD, body=EXPLAINED[event.reason], reply_to=event.event_id)))


def release_to_queue(thread: Thread, facts: Facts, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Leave a thread without an assignee: unsent words are cancelled, and the thread waits at the desk again.

    While its conversation is being closed it waits for nobody: it is queued when that is taken back (`queue_reopened`).
    """
    thread, dropped = drop_pending(thread, why)
    assignment = replace(
        thread.assignment, assignee=None, epoch=thread.assignment.epoch + 1, taken_from=None, offer=None, answer_by=0.0
    )
    thread = replace(
        thread, assignment=assignment, lifecycle=replace(thread.lifecycle, state=ThreadState.WAITING, since=facts.now)
    )
    closing = thread.lifecycle.closes_at > 0
    body = notice_of("assignment.this_thread_is_in_the")
    if closing:
        rest = spell_duration((thread.lifecycle.closes_at - facts.now) // MINUTE * MINUTE)
        body = notice_of("retention.in_everything_here_goes_and", why=notice_of("retention.closing"), duration=rest)
    queued = _queue(thread, facts.now, requeued=True, closing=closing)
    return thread, (*dropped, SendMessage(place=THREAD, body=body), CancelTimer(key=OFFER), queued)


def queue_reopened(pack: Pack, facts: Facts, before: Thread, thread: Thread) -> tuple[Action, ...]:
    """Queue a thread whose closing was taken back while nobody has it, as by a text: people are called to it now."""
    is_reopened = before.lifecycle.closes_at and not thread.lifecycle.closes_at
    # Without an epoch nobody ever had it, so it is in the queue since its first text.
    if not is_reopened or thread.lifecycle.state is not ThreadState.WAITING or not thread.assignment.epoch:
        return ()
    danger, language = marks(pack, thread)
    return (_queue(thread, facts.now, requeued=True, reopened=True, danger=danger, language=language),)


def note_offer_end(facts: Facts, thread: Thread) -> Thread:
    """Note that an offer has just ended, or was refused: its author may go on as if to a colleague."""
    signs = replace(thread.signs, offer_ended_at=facts.now, answered=thread.signs.answered - {Doubt.OFFER})
    return replace(thread, signs=signs)


def withdraw(facts: Facts, thread: Thread, how: str) -> tuple[Thread, tuple[Action, ...]]:
    """End an offer that nobody accepted, and say so where it is known."""
    offer = thread.assignment.offer
    if offer is None:
        return thread, ()
    assignee = thread.assignment.assignee
    notice = SendMessage(
        place=THREAD,
        body=notice_of(
            "assignment.the_offer_is_still_heard",
            how=how,
            assignee=localpart(assignee) if assignee else notice_of("assignment.nobody"),
        ),
    )
    closed = () if offer.to else (SendEvent(owner=DESK, event=OfferChanged(thread=thread.id, open=False)),)
    thread = note_offer_end(facts, replace(thread, assignment=replace(thread.assignment, offer=None)))
    return thread, (notice, CancelTimer(key=OFFER), *closed)


def _late_notice(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> str | None:
    """Say that a text came late, so that nobody takes it for the texter's last word, or for news; None when it did not."""
    when = notice_of("assignment.ago", duration=describe_minutes(round((facts.now - event.at) / 60)))
    if compare(moment(event), thread.lifecycle.newest_text) is TextOrder.BEFORE:
        return notice_of("assignment.this_came_late_it_was", when=when)
    return (
        notice_of("assignment.this_came_late_it_was_2", when=when)
        if facts.now - event.at > pack.settings.late_after_seconds
        else None
    )


def _forget_member(facts: Facts, thread: Thread, user: str) -> tuple[Thread, tuple[Action, ...]]:
    """Forget a person who is gone: they cannot get the thread back, or accept it."""
    notice: tuple[Action, ...] = ()
    if thread.assignment.offer is not None and user in (thread.assignment.offer.to, thread.assignment.offer.by):
        thread, notice = withdraw(facts, thread, notice_of("assignment.is_over_has_gone", user=localpart(user)))
    before = None if thread.assignment.taken_from == user else thread.assignment.taken_from
    assignment = replace(thread.assignment, taken_from=before, interpreters=thread.assignment.interpreters - {user})
    return replace(thread, assignment=assignment), notice


def _report_lock(thread: Thread) -> tuple[Action, ...]:
    """Report to the desk a lock that a phone has from an earlier conversation, as when it was set."""
    duress = thread.codeword.lock is SendLock.DURESS
    if thread.codeword.lock is SendLock.NONE:
        return ()
    mark = (SendEvent(owner=DESK, event=DuressFlagChanged(thread=thread.id, duress=True)),) if duress else ()
    return (*mark, raise_alarm(thread, AlarmKind.DURESS if duress else AlarmKind.UNVERIFIED))


def _queue(
    thread: Thread,
    since: float,
    *,
    requeued: bool,
    rate_limited: bool = False,
    danger: bool = False,
    language: str = "",
    closing: bool = False,
    reopened: bool = False,
) -> SendEvent:
    event = ThreadQueued(
        thread=thread.id,
        designation=thread.designation,
        since=since,
        requeued=requeued,
        rate_limited=rate_limited,
        other_hands_at=thread.other_hands_at,
        danger=danger,
        language=language,
        closing=closing,
        reopened=reopened,
    )
    return SendEvent(owner=DESK, event=event)
