"""Safety commands: the phone is in other hands, safe again, urgent, or another person's (practices 9, 12, 31, 39).

Rules of this module: any member of the room may stop everything for a phone. Then only the text that the texter chose
beforehand may leave, once, sent by the assignee, and the agreed cover lines. Nothing here calls anybody outside the agency.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands import canned_texts
from bot.commands.parser import STOPS, ParsedCommand, answer, answer_as_note, is_taken, mark_as_note, named_thread, parse
from bot.lifecycle.retention import park_now
from bot.model.actions import DESK, THREAD, Action, DeliveryReceipt, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.codeword_state import SendLock
from bot.model.desk import Desk, Facts, QueueEntry, Thread
from bot.model.events import MessageIgnored, MessageSent, Outcome, ReactionAdded, Relation, TextOutcome, TimerDue
from bot.model.feature import Step, raise_alarm
from bot.model.flood import CrowdEntry
from bot.model.text_order import is_settled_by_stop
from bot.model.thread import ConsentFlags, HeldText, PendingText, SentText, Silence
from bot.model.thread_desk_events import AlarmKind, PhoneStopped
from bot.model.transactional_actions import CancelTimer, RecordAudit, SendEvent
from bot.safety.break_off import clear_other_hands, note_other_hands
from bot.safety.inbound_cues import safe_check_cue
from bot.safety.silence_reminders import TIMER
from bot.sending.delivery_receipts import first_report
from bot.sending.release_held import say
from bot.sending.retraction import retract_sent
from bot.sending.undo_window import TIMER as UNDONE
from bot.sending.undo_window import cancel, cannot_send, start_undo
from bot.sending.unsent_texts import agreed_for_others, drop_all
from bot.wording.notice import notice_of
from policies.pack import Pack, TextName

STOP_REACTION: Final = "🛑"
ALREADY: Final = notice_of("unsafe_phone.it_is_marked_unsafe_already")


def unsafe(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!unsafe`: nothing leaves for this phone any more, except the text that the texter chose, if they did."""
    thread, actions = stop_phone(pack, facts, thread)
    if other := _stop_named(facts, thread, command):
        # This phone was hardly meant: the text that its texter chose would say that something is wrong.
        return Step(thread, (mark_as_note(event), *actions, *other), consumed=True)
    return _send_chosen_text(pack, facts, thread, event, actions)


def stop_in_any_form(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """`!unsafe` in a Matrix thread, by an edit, with a picture or `/me`: others are not accepted so; this only stops.

    `!different` by an edit only stops as well.
    """
    if command is not None and command.name == "different" and event.relation is Relation.EDIT:
        return _different_by_edit(facts, thread, event)
    if command is None or command.name != STOPS or is_taken(event):
        return Step(thread)
    thread, actions = stop_phone(pack, facts, thread)
    # An edit gets no note mark of its own.
    mark = () if event.relation is Relation.EDIT else (mark_as_note(event),)
    other = _stop_named(facts, thread, command)
    already = () if actions or other else answer(facts, event, ALREADY)
    return Step(thread, (*mark, *actions, *other, *already), consumed=True)


def stop_by_reaction(pack: Pack, facts: Facts, thread: Thread, event: ReactionAdded) -> Step[Thread]:
    """🛑 on any message of the room acts as `!unsafe`, from any device of a member: a tap only stops, and lifts nothing."""
    is_member = facts.role(event.sender) is not None and event.sender in thread.assignment.members
    if not event.key.startswith(STOP_REACTION) or not is_member:
        return Step(thread)
    thread, actions = stop_phone(pack, facts, thread)
    return Step(thread, actions, consumed=True)


def stop_from_any_device(pack: Pack, facts: Facts, thread: Thread, event: MessageIgnored) -> Step[Thread]:
    """`!unsafe` or 🛑 of a member stops the phone even from an untrusted device or unencrypted; nothing else does."""
    command = parse(event.command)
    stops = event.command.startswith(STOP_REACTION) or (command is not None and command.name == STOPS)
    is_member = facts.role(event.sender) is not None and event.sender in thread.assignment.members
    if not stops or not is_member:
        return Step(thread)
    thread, actions = stop_phone(pack, facts, thread)
    return Step(thread, (*actions, *(_stop_named(facts, thread, command) if command is not None else ())))


def unsafe_at_desk(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!unsafe` at the desk or in an office: stops the thread that is named, or all threads of its sender.

    A person who says it in the wrong room is in a hurry. Stopping one phone too many costs a `!safe`.
    """
    known: tuple[QueueEntry | CrowdEntry, ...] = (*desk.threads, *desk.flood.crowd.values())
    name = named_thread(command.arguments, (entry.designation for entry in known))
    meant = [entry for entry in known if name and entry.designation == name] or desk.assigned_to(event.sender)
    if not meant:
        return Step(desk, answer(facts, event, notice_of("unsafe_phone.none_is_yours_say_which")), consumed=True)
    body = notice_of("unsafe_phone.stopped_there", designations=", ".join(entry.designation for entry in meant))
    stops = tuple(SendEvent(owner=entry.thread, event=PhoneStopped()) for entry in meant)
    return Step(desk, (*stops, *answer(facts, event, body)), consumed=True)


def stop_named_at_desk(pack: Pack, facts: Facts, desk: Desk, event: PhoneStopped) -> Step[Desk]:
    """Stop the thread that a person named in the room of another one, which is stopped as well."""
    stops = (SendEvent(owner=e.thread, event=PhoneStopped()) for e in desk.threads if e.designation == event.designation)
    return Step(desk, tuple(stops))


def stop_from_desk(pack: Pack, facts: Facts, thread: Thread, event: PhoneStopped) -> Step[Thread]:
    """Stop the phone when the desk says so, or the room of a conversation that has just ended.

    The desk knows no designation of a conversation that is over: there it is in the audit alone.
    """
    thread, actions = stop_phone(pack, facts, thread)
    named = bool(thread.designation)
    return Step(thread, tuple(a for a in actions if named or not (isinstance(a, SendEvent) and a.owner == DESK)))


def stop_phone(pack: Pack, facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Stop everything for this phone. When it is stopped already there are no actions, and the sign is newer.

    So a `!safe` that was said before the newer stop lifts neither.
    """
    actions: tuple[Action, ...] = ()
    if thread.flags.unsafe:
        thread, _ = note_other_hands(pack, facts, thread, alarm=False)
    else:
        thread, dropped = drop_all(thread, notice_of("unsafe_phone.the_phone_is_unsafe"))
        thread = replace(thread, flags=replace(thread.flags, unsafe=True, unsafe_line_ref=""))
        thread, notices = note_other_hands(pack, facts, thread, alarm=False)
        notice = SendMessage(
            place=THREAD,
            body=notice_of("unsafe_phone.unsafe_nothing_but_cover_leaves"),
            mentions=thread.assignment.mentions,
        )
        actions = (
            *dropped,
            *notices,
            CancelTimer(key=TIMER),
            notice,
            raise_alarm(thread, AlarmKind.UNSAFE),
            RecordAudit(kind=AuditKind.UNSAFE),
        )
    return thread, actions


def _stop_named(facts: Facts, thread: Thread, command: ParsedCommand) -> tuple[Action, ...]:
    """Stop the other thread that is named in this one's room, and say which were stopped.

    A person with several open rooms types where the cursor is. Which of the two was meant is not certain.
    """
    name = named_thread(command.arguments, facts.designations)
    if not name:
        return ()
    body = notice_of("unsafe_phone.stopped_there", designations=f"{thread.designation}, {name}")
    return SendEvent(owner=DESK, event=PhoneStopped(designation=name)), SendMessage(place=THREAD, body=body)


def _send_chosen_text(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, actions: tuple[Action, ...]
) -> Step[Thread]:
    """Send the text that the texter chose for this, if they did."""
    text_name = thread.flags.unsafe_line
    if text_name and not canned_texts.exists(pack, text_name):
        notice = SendMessage(place=THREAD, body=notice_of("unsafe_phone.the_line_that_they_chose"))
        return Step(thread, (mark_as_note(event), *actions, notice), consumed=True)
    if not text_name or _is_chosen_text_out(thread):
        already = () if actions else answer(facts, event, ALREADY)
        return Step(thread, (mark_as_note(event), *actions, *already), consumed=True)
    words = canned_texts.wording(pack, facts, thread, text_name)
    if event.sender != thread.assignment.assignee:
        shown = notice_of("unsafe_phone.they_chose_a_line_for", words=words)
        return Step(thread, (mark_as_note(event), *actions, SendMessage(place=THREAD, body=shown)), consumed=True)
    ref = f"say:{event.event_id}"
    chosen = replace(thread, flags=replace(thread.flags, unsafe_line_ref=ref))
    if not thread.answerable or thread.consent.stopped:
        why = guard.UNANSWERABLE if not thread.answerable else guard.STOPPED
        return Step(
            thread,
            (mark_as_note(event), *actions, *answer(facts, event, notice_of("sending.not_sent", why=why))),
            consumed=True,
        )
    pending = PendingText(
        event_id=event.event_id, body=words, author=event.sender, said_at=event.at, send_at=facts.now, name=text_name
    )
    thread, taken_in = start_undo(pack, facts, chosen, pending)
    shown = notice_of("unsafe_phone.leaving_in_a_moment_because", words=words)
    return Step(
        thread, (*actions, *taken_in, SendMessage(place=THREAD, body=shown, reply_to=event.event_id)), consumed=True
    )


def safe(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!safe`: the phone may be texted again. A person has found out, by another way than this phone."""
    if not (thread.flags.unsafe or thread.flags.other_hands_at):
        return answer_as_note(facts, thread, event, notice_of("unsafe_phone.it_was_not_marked_unsafe"))
    if event.at < thread.flags.other_hands_at:
        return answer_as_note(facts, thread, event, notice_of("break_off.another_sign_came", name=command.name))
    thread, unsent = _drop_chosen_text(thread)
    if thread.flags.other_hands_at:
        # A text after `!different` that nobody has read yet is the texter's: the conversation goes on.
        thread = replace(thread, lifecycle=replace(thread.lifecycle, close_when_seen=False))
    flags = replace(thread.flags, unsafe=False, unsafe_line_ref="")
    thread = replace(thread, flags=flags, silence=replace(thread.silence, recheck_safety=True))
    thread, cleared = clear_other_hands(thread)
    notice = safe_check_cue(guard.add_other_stop(pack, thread, notice_of("unsafe_phone.texts_may_leave_again")))
    return Step(
        thread,
        (
            mark_as_note(event),
            *unsent,
            notice,
            *cleared,
            raise_alarm(thread, AlarmKind.SAFE),
            RecordAudit(kind=AuditKind.SAFE),
        ),
        consumed=True,
    )


def _drop_chosen_text(thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel the text that the texter chose for an unsafe phone, if it has not left: the phone is safe."""
    ref = thread.flags.unsafe_line_ref
    thread = retract_sent(thread, lambda words: f"say:{words.event_id}" == ref)
    return cancel(thread, ref.removeprefix("say:"), notice_of("unsafe_phone.the_phone_is_safe"))


def different(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!different`: words that have not left are cancelled; the text that names nobody leaves like any other text.

    For an unsafe phone the conversation ends without that text: to send it a person would have to say that it is safe.
    """
    # What waits for its turn at the carrier was for the person who had the phone before.
    thread, dropped = drop_all(thread, notice_of("unsafe_phone.somebody_else_has_the_phone"))
    if thread.flags.unsafe and isinstance(canned_texts.read(pack, facts, thread, command), canned_texts.CannedText):
        thread, over = start_over(pack, facts, thread)
        return Step(thread, (mark_as_note(event), *dropped, *over), consumed=True)
    step = say(pack, facts, thread, event, command)
    return replace(step, actions=(*dropped, *step.actions))


def _different_by_edit(facts: Facts, thread: Thread, event: MessageSent) -> Step[Thread]:
    """Refuse an edit into `!different`, and cancel all that has not left.

    In place of waiting words it would leave after words, or before words, that are for the texter.
    """
    sending = thread.sending
    known: tuple[PendingText | HeldText | SentText, ...] = (*sending.pending, *sending.held, *sending.sent)
    is_same = any(words.event_id == event.target and words.name == TextName.DIFFERENT for words in known)
    if event.sender != thread.assignment.assignee or is_same:
        return Step(thread)
    thread, dropped = drop_all(thread, notice_of("unsafe_phone.somebody_else_has_the_phone"))
    notice = answer(facts, event, notice_of("unsafe_phone.an_edit_does_not_step_back"))
    return Step(thread, (*dropped, *notice), consumed=True)


def start_over_after_different(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Once the text that names nobody has left, the earlier conversation does not belong to this person any more.

    If a codeword came, the conversation ends whatever the result of that text, as it does under duress, when the text does
    not leave. Where its result was unknown, and a text came since or its words were given up, a late report ends nothing:
    the texter may have the phone again. Then a person is asked, as after every sign of other hands.
    """
    words = first_report(thread, event)
    over = thread.codeword.ever_texted or event.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED)
    if words is None or words.name != TextName.DIFFERENT or not over:
        return Step(thread)
    if not _has_gone_on(thread, words):
        return Step(*start_over(pack, facts, thread))
    thread, notices = note_other_hands(pack, facts, thread)
    asks = SendMessage(
        place=THREAD, body=notice_of("unsafe_phone.the_text_left_after_all"), mentions=thread.assignment.mentions
    )
    return Step(thread, (asks, *notices))


def _has_gone_on(thread: Thread, words: SentText) -> bool:
    """Whether a text came since the carrier's answer about these words was lost, or they wait for no `!again` any more."""
    if words.receipt != DeliveryReceipt.UNKNOWN.name:
        return False
    waiting = (each.said_at for each in thread.sending.pending if each.event_id == words.event_id)
    unknown = (each.held_since for each in thread.sending.held if each.event_id == words.event_id)
    return not any(thread.lifecycle.last_inbound <= since for since in (*waiting, *unknown))


def start_over_under_lock(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """End a conversation under a lock at the moment at which the text that names nobody would leave without a lock."""
    lock = thread.codeword.lock
    if event.key != UNDONE or lock is SendLock.NONE:
        return Step(thread)
    free = replace(thread, codeword=replace(thread.codeword, lock=SendLock.NONE))
    due = [w for w in thread.sending.pending if w.name == TextName.DIFFERENT and w.send_at <= facts.now]
    if all(cannot_send(pack, facts, free, words) is not None for words in due):
        return Step(thread)
    return Step(*start_over(pack, facts, thread))


def start_over(pack: Pack, facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Begin again with the person who has the phone now: no earlier agreement is theirs.

    The conversation ends here, and the next text of this phone gets a room and a designation of its own. A text that came
    meanwhile, and that the assignee has not seen, may be the texter's: then it ends once they have. What belongs to the
    phone stays: the text chosen for `!unsafe`, that the phone is unsafe, and that another person has it. What was said
    since and has not left is cancelled.
    """
    reason = notice_of("unsafe_phone.somebody_else_has_the_phone")
    thread, dropped = drop_all(thread, reason, spared=agreed_for_others(pack, thread))
    flags = ConsentFlags(
        unsafe_line=thread.flags.unsafe_line, unsafe=thread.flags.unsafe, unsafe_line_ref=thread.flags.unsafe_line_ref
    )
    notice = SendMessage(place=THREAD, body=notice_of("unsafe_phone.somebody_else_has_the_phone_2"))
    # The codeword that came is spent, so it can prove nothing again; a lock stays.
    codeword = replace(thread.codeword, verified_at=0.0)
    thread = replace(thread, flags=flags, silence=Silence(heard_at=thread.silence.heard_at), codeword=codeword)
    thread, notices = note_other_hands(pack, facts, thread, alarm=False)
    life = thread.lifecycle
    closing: tuple[Action, ...] = ()
    if life.unseen and not (life.closes_at or is_settled_by_stop(thread.consent, thread.signs.texted_at)):
        thread = replace(thread, lifecycle=replace(life, close_when_seen=True))
        unread = notice_of("unsafe_phone.a_text_came_meanwhile")
        notice = SendMessage(place=THREAD, body=unread, mentions=thread.assignment.mentions)
    else:
        thread, closing = park_now(facts, thread)
    return thread, (*dropped, notice, *notices, CancelTimer(key=TIMER), *closing)


def _is_chosen_text_out(thread: Thread) -> bool:
    """Tell whether the chosen text left, or is about to; one that was taken back, or is an earlier assignee's, is not.

    Nor is one that surely did not reach the phone.
    """
    pending = [words.event_id for words in thread.sending.pending]
    unsent = (DeliveryReceipt.HELD.name, DeliveryReceipt.NOT_SENT.name)
    sent_ids = [words.event_id for words in thread.sending.sent if not words.retracted and words.receipt not in unsent]
    return thread.flags.unsafe_line_ref in {f"say:{event_id}" for event_id in (*pending, *sent_ids)}
