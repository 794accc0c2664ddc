"""The life of a conversation, and its end (design.md, "The life of a thread").

`waiting`, `open` → (closing, which can be taken back) → `parked` → gone.

Rules of this module: one decision, the one that parks, erases the content. It is not made while a text is on its way to us,
into the room or to the phone, nor while the thread is on legal hold (`!close-rest` alone drops words that were never
shown). It erases every slice that `SURVIVES` does not name. A parked thread has no room, so nothing is shown and nothing
leaves; a text begins a new conversation under another designation, and nobody is told that there was one before, except
when that is so long ago that the number may have a new owner. Nothing here says anything to a phone (design.md, "Rules of
the phone").
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from bot.commands.parser import ParsedCommand, answer, answer_as_note, mark_as_note
from bot.commands.room_notes import is_for_phone
from bot.lifecycle import tally
from bot.lifecycle.recap import REMOVE_RECAP
from bot.lifecycle.thanks import is_kind_reaction, only_thanks
from bot.model.actions import (
    DESK,
    ROOM_ACTIONS,
    THREAD,
    Action,
    DeliveryReceipt,
    EraseMessage,
    Invite,
    KickMember,
    SendMessage,
    SendSms,
)
from bot.model.codeword_state import CodewordMatch, SendLock
from bot.model.desk import Desk, Facts, Role, Thread
from bot.model.events import MessageRead, MessageSent, Outcome, Relation, TextArrived, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.retention import retention_of, retention_of_pack
from bot.model.text_order import is_settled_by_stop
from bot.model.thread import HeldText, Lifecycle, PendingText, SentText, ThreadState
from bot.model.thread_desk_events import EnrolmentFinished, PhoneMuted, PhoneStopped, ThreadParked, UnreadClosed
from bot.model.transactional_actions import CancelTimer, EraseTexter, MarkSeen, ParkThread, SendEvent, SetTimer
from bot.sending import reply_after_stop
from bot.sending.held_texts import TIMER as HELD_TIMER
from bot.sending.retraction import retract_message
from bot.sending.undo_window import next_timer
from bot.wording.durations import describe_minutes, spell_duration
from bot.wording.notice import notice_of
from policies.keywords import is_automatic_reply
from policies.pack import Pack

SURVIVES: Final = frozenset({"id", "answerable", "consent", "codeword", "flags", "on_legal_hold"})
"""The slices that a parked thread keeps. The number is in the bridge's vault."""
ENDS: Final = frozenset(
    {
        *("designation", "assignment", "sending", "lifecycle", "silence", "signs", "reveal_request", "tallied"),
        *("canary", "drill"),
    }
)
"""The slices that it does not keep. A slice in neither set is an error of its author, and a test says so."""

CLOSE: Final = "close"
IDLE: Final = "idle"
END: Final = "end"
DESTRUCTIVE: Final = frozenset({CLOSE, IDLE, END, HELD_TIMER})
"""Timers that destroy: after the machine's clock was set they wait for a person (design.md, "Flows")."""
TIMER_OF_SETTING: Final = {"idle": IDLE, "grace": END, "continuing": END, "message_ttl": HELD_TIMER}
"""The timer that fires when a time of `Retention` is over."""
RETRY_SECONDS: Final = 1.0
LEFT_SILENTLY: Final = notice_of("retention.they_left_with_a_silent")
HOUR: Final = 3600.0


def begin(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Begin a new conversation at a text when the earlier one is parked, and cancel a closing.

    A text of thanks alone ("ok", "gracias", a heart) cancels none: it answers the closing words, and is shown like any
    other. Nor does what a phone sends by itself ("I'm driving"). Where a word is agreed these do, because they may quote a
    guess at it, and the phone must not notice whether it was right. Without a wish the language is the line's first.
    """
    if thread.consent.language not in pack.languages:
        thread = replace(thread, consent=replace(thread.consent, language=pack.languages[0]))
    if thread.lifecycle.state is ThreadState.PARKED:
        away = facts.now - thread.lifecycle.since
        life = Lifecycle(continuing=thread.lifecycle.continuing, retention=retention_of_pack(pack))
        thread, cue = _doubt_owner(pack, replace(thread, designation=facts.new_designation, lifecycle=life), away)
        return Step(thread, (CancelTimer(key=END), *cue))
    if thread.lifecycle.retention is None:
        thread = replace(thread, lifecycle=replace(thread.lifecycle, retention=retention_of_pack(pack)))
    bare = not event.media and facts.codeword_match is CodewordMatch.NONE
    no_word = bare and thread.codeword.digests is None
    if no_word and is_automatic_reply(event.body):
        return Step(thread)
    if not thread.lifecycle.closes_at:
        # Words take a silent exit back. After `!different` it closes once all is read: the room was told so.
        closes = thread.lifecycle.close_when_seen and not thread.silence.left_at
        return Step(replace(thread, lifecycle=replace(thread.lifecycle, close_when_seen=closes)))
    if (bare and only_thanks(event.body)) or (no_word and is_kind_reaction(event.body)):
        return Step(thread)
    thread, notice = _reopen(thread, notice_of("retention.a_text_arrived_the_closing"))
    return Step(thread, notice)


def restart_idle_timer(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Set the timer that looks again when nothing was said for long after an answer."""
    if event.outcome is not Outcome.ACCEPTED or thread.assignment.assignee is None or thread.codeword.ever_texted:
        return Step(thread)
    return Step(thread, (SetTimer(key=IDLE, due=facts.now + retention_of(pack, thread).idle),))


def note_assignee_message(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """Count the assignee's next message as the sign that they have seen what was there before it.

    Not one in a Matrix thread: a phone shows that thread alone.
    """
    if event.sender != thread.assignment.assignee or event.relation is Relation.THREAD:
        return Step(thread)
    if command is not None and command.name == "safe" and not command.asks and 0 < thread.flags.other_hands_at <= event.at:
        # A text after `!different` that nobody has read yet is the texter's: saying so begins no closing.
        thread = replace(thread, lifecycle=replace(thread.lifecycle, close_when_seen=False))
    closing: tuple[Action, ...] = ()
    # What came after they had said it, or was shown behind it, is not seen yet.
    if unread := min(thread.lifecycle.unseen, facts.texts_after):
        thread = replace(thread, lifecycle=replace(thread.lifecycle, unseen=unread))
    elif thread.lifecycle.last_inbound <= event.at:
        thread, closing = _note_seen(pack, facts, thread)
    again: tuple[Action, ...] = ()
    if is_for_phone(event, command):
        thread = replace(thread, lifecycle=replace(thread.lifecycle, last_said=facts.now))
        again = (
            (SetTimer(key=IDLE, due=facts.now + retention_of(pack, thread).idle),) if thread.codeword.ever_texted else ()
        )
    mark = MarkSeen(event_id=event.event_id, lifetime=retention_of(pack, thread).message_ttl, by_message=True)
    return Step(thread, (mark, *again, *closing))


def note_read(pack: Pack, facts: Facts, thread: Thread, event: MessageRead) -> Step[Thread]:
    """Count the assignee's read receipt as the sign that they have seen what was there: up to its event, nothing behind."""
    if event.user != thread.assignment.assignee:
        return Step(thread)
    mark = MarkSeen(event_id=event.event_id, lifetime=retention_of(pack, thread).message_ttl)
    if unread := min(thread.lifecycle.unseen, facts.texts_after):
        thread = replace(thread, lifecycle=replace(thread.lifecycle, unseen=unread))
        return Step(thread, (mark,))
    thread, closing = _note_seen(pack, facts, thread)
    return Step(thread, (mark, *closing))


def close(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!close [now [anyway]]`: park the conversation when the undo time is over, or at once."""
    if (how := command.arguments.casefold().split()) in (["now"], ["now", "anyway"]):
        return _close_now(pack, facts, thread, event, anyway=len(how) > 1)
    if command.arguments:
        return answer_as_note(facts, thread, event, notice_of("retention.say_close_or_close_now"))
    if thread.lifecycle.last_inbound > event.at or facts.texts_after:
        return answer_as_note(facts, thread, event, notice_of("retention.not_closed_a_text_came"))
    thread, closing = park_soon(pack, facts, thread, notice_of("retention.closing"))
    return Step(thread, (mark_as_note(event), *closing), consumed=True)


def reopen(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!reopen`: cancel a `!close` whose undo time is not over."""
    if not (thread.lifecycle.closes_at or thread.lifecycle.close_when_seen):
        return answer_as_note(facts, thread, event, notice_of("retention.it_is_not_being_closed"))
    thread, back = _reopen(thread, notice_of("retention.the_closing_is_taken_back"))
    return Step(thread, (mark_as_note(event), *back), consumed=True)


def keep_longer(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!continue [no]`: choose how long number and flags are kept after the close."""
    if command.arguments.casefold() not in {"", "no"}:
        return answer_as_note(facts, thread, event, notice_of("retention.say_continue_or_continue_no"))
    yes = not command.arguments
    thread = replace(thread, lifecycle=replace(thread.lifecycle, continuing=yes))
    why = notice_of("retention.after_the_close_number_and", duration=spell_duration(_retention_seconds(pack, thread)))
    return answer_as_note(facts, thread, event, why)


def redact(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!redact` as a reply: removes that message from the room now, and stops it if it has not left for the phone.

    On legal hold it only stops it, as redacting it with a client does.
    """
    if not event.target:
        return answer_as_note(facts, thread, event, notice_of("retention.say_it_as_a_reply"))
    if event.ref == "card":
        return answer_as_note(facts, thread, event, notice_of("retention.that_is_this_rooms_card"))
    sending, target = thread.sending, event.target
    mine: tuple[PendingText | HeldText | SentText, ...] = (*sending.pending, *sending.held, *sending.sent)
    own = any(words.event_id == target and words.author == event.sender for words in mine)
    of_texter = event.relation is Relation.TEXTER_REPLY and event.sender == thread.assignment.assignee
    if not (own or of_texter or facts.role(event.sender) is Role.SUPERVISOR):
        return answer_as_note(facts, thread, event, notice_of("retention.only_supervisors_take_out_what"))
    after, marks = retract_message(thread, target)
    after, dropped = reply_after_stop.retract_redacted(after, target)
    hold, sent_texts = facts.on_legal_hold, [words for words in sending.sent if words.event_id == target]
    in_room: tuple[Action, ...] = marks if hold else (EraseMessage(place=THREAD, event_id=target), REMOVE_RECAP)
    notice = ON_HOLD if hold else notice_of("retention.it_is_taken_out_of")
    if any(words.receipt == DeliveryReceipt.LEAVING.name for words in sent_texts) or (hold and after != thread):
        notice += notice_of("retention.it_is_stopped_if_it")
    elif sent_texts:
        notice += notice_of("retention.it_has_left_already_it")
    actions = (mark_as_note(event), *in_room, *dropped, *next_timer(after), *answer(facts, event, notice))
    return Step(after, actions, consumed=True)


def end_due(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Park or end a thread whose time has come, unless something prevents it. Texts that nobody has read prevent it."""
    life = thread.lifecycle
    # A text that came while an answer was on its way is older than the answer, and yet nobody may have read it.
    unread = life.unseen > 0 and not is_settled_by_stop(thread.consent, thread.signs.texted_at)
    match event.key:
        case "close" if life.closes_at and life.state is not ThreadState.PARKED:
            if life.closes_at > facts.now:
                return _wait(thread, CLOSE, life.closes_at)
            return _postpone_if_busy(facts, thread, CLOSE) or _park(pack, facts, thread)
        case "idle" if (
            life.state is ThreadState.OPEN
            and not life.closes_at
            and not unread
            and _last_answer_time(thread) >= life.last_inbound
        ):
            quiet = max(_last_answer_time(thread), life.since) + retention_of(pack, thread).idle
            if quiet > facts.now:
                return _wait(thread, IDLE, quiet)
            return _postpone_if_busy(facts, thread, IDLE) or _park(pack, facts, thread)
        case "idle" if life.closes_at or life.state is ThreadState.WAITING or unread:
            # When the closing is taken back, a person takes the thread, or the texts are read, this is checked again.
            return _wait(thread, IDLE, facts.now + retention_of(pack, thread).idle)
        case "end" if life.state is ThreadState.PARKED:
            kept_until = life.since + _retention_seconds(pack, thread)
            if kept_until > facts.now:
                return _wait(thread, END, kept_until)
            return _postpone_if_busy(facts, thread, END) or Step(thread, (EraseTexter(),), consumed=True)
    return Step(thread)


def close_unread(pack: Pack, facts: Facts, thread: Thread, event: UnreadClosed) -> Step[Thread]:
    """Park a conversation that nobody has read, for a supervisor's `!close-rest`, unless something prevents it.

    The thread checks for itself: the desk may not have heard yet of a sign, another text, or a new assignee.
    """
    life = thread.lifecycle
    stays = (
        life.state is not ThreadState.WAITING
        or thread.assignment.epoch
        or thread.designation != event.designation
        or life.unseen > 1
        or thread.silence.danger
        or thread.other_hands_at
        or thread.codeword.lock is not SendLock.NONE
        or facts.on_legal_hold
        or facts.inbound_pending
        or facts.has_dead_letters
        or _has_unsent(facts, thread)
    )
    return Step(thread) if stays else _park(pack, facts, thread)


def park_now(facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Close a conversation without an undo time: a text that is arriving right now still cancels the close."""
    if thread.lifecycle.state is ThreadState.PARKED:
        return thread, ()
    return replace(thread, lifecycle=replace(thread.lifecycle, closes_at=facts.now)), (SetTimer(key=CLOSE, due=facts.now),)


def park_soon(pack: Pack, facts: Facts, thread: Thread, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Begin to close a conversation, for `why` (a sentence for the room): it is parked when the undo time is over.

    A conversation that is closing already goes on closing. Nothing is said to the phone.
    """
    undo = pack.settings.close_undo
    if thread.lifecycle.closes_at or thread.lifecycle.state is ThreadState.PARKED:
        return thread, ()
    thread = replace(thread, lifecycle=replace(thread.lifecycle, closes_at=facts.now + undo))
    notice = notice_of("retention.in_everything_here_goes_and", why=why, duration=spell_duration(undo))
    return thread, (tally.ask_kind(thread, notice), SetTimer(key=CLOSE, due=facts.now + undo))


def is_too_late(aggregate: Thread | Desk, event: Any) -> bool:
    """Whether an event comes too late for a conversation that is over: it concerned a room that the thread has lost.

    `PhoneStopped` and `PhoneMuted` are about the phone, which keeps its flags.
    """
    parked = isinstance(aggregate, Thread) and aggregate.lifecycle.state is ThreadState.PARKED
    of_phone = TextArrived | TimerDue | EnrolmentFinished | PhoneMuted | PhoneStopped
    return parked and not isinstance(event, of_phone)


def actions_without_room(thread: Thread, actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return the actions that are still possible: a parked thread has no room to show anything in."""
    if thread.lifecycle.state is not ThreadState.PARKED:
        return actions
    return tuple(
        a
        for a in actions
        if not (isinstance(a, ROOM_ACTIONS) and a.place == THREAD)
        and not isinstance(a, Invite | KickMember | SendSms | MarkSeen)
    )


ON_HOLD: Final = notice_of("retention.this_thread_is_on_hold")
NEVER_SHOWN: Final = notice_of("retention.not_closed_words_of_theirs")
NOT_SENT_YET: Final = notice_of("retention.not_closed_words_have_not")


def _close_now(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, *, anyway: bool) -> Step[Thread]:
    if facts.role(event.sender) is not Role.SUPERVISOR:
        return answer_as_note(facts, thread, event, notice_of("retention.close_now_is_for_supervisors"))
    if facts.on_legal_hold:
        return answer_as_note(facts, thread, event, ON_HOLD)
    crossed = thread.lifecycle.last_inbound > event.at or facts.texts_after
    if facts.display_pending or facts.inbound_pending or crossed:
        return answer_as_note(facts, thread, event, notice_of("retention.not_closed_a_text_is"))
    if not anyway and (
        why := NEVER_SHOWN if facts.has_dead_letters else NOT_SENT_YET if _has_unsent(facts, thread) else ""
    ):
        return answer_as_note(facts, thread, event, why)
    parked, actions = _park_thread(facts, thread, grace=pack.settings.close_now_grace, drop_unsent=anyway)
    return Step(parked, (*actions, EraseTexter()), consumed=True)


def _park(pack: Pack, facts: Facts, thread: Thread) -> Step[Thread]:
    parked, actions = _park_thread(facts, thread, grace=pack.settings.client_grace)
    end = SetTimer(key=END, due=facts.now + _retention_seconds(pack, parked))
    return Step(parked, (*actions, end), consumed=True)


def _park_thread(
    facts: Facts, thread: Thread, *, grace: float, drop_unsent: bool = False
) -> tuple[Thread, tuple[Action, ...]]:
    """Return what is left of a thread whose conversation is over, and the actions that erase the rest."""
    values: dict[str, Any] = {f.name: getattr(thread, f.name) for f in fields(Thread) if f.name in SURVIVES}
    # The STOP outlives the conversation; a reply to it that has not left does not.
    values["consent"] = replace(
        thread.consent, reply=None, reply_ref="", reply_edit="", text_after_stop="", confirmation_ref=""
    )
    former = thread.lifecycle
    life = Lifecycle(state=ThreadState.PARKED, since=facts.now, continuing=former.continuing, retention=former.retention)
    goes = (ParkThread(grace=grace, drop_unsent=drop_unsent), SendEvent(owner=DESK, event=ThreadParked(thread=thread.id)))
    return Thread(**values, designation="", lifecycle=life), (*tally.count_abandoned(facts, thread), *goes)


def _last_answer_time(thread: Thread) -> float:
    """Return when a person last answered the texter.

    It is when the words left; once a codeword was texted, when they were said (practice 10). An automatic reply is no
    answer, except after a STOP, when nobody can give another.
    """
    if thread.codeword.ever_texted:
        return thread.lifecycle.last_said
    return thread.lifecycle.last_outbound if thread.consent.stopped else thread.silence.spoke_at


def _note_seen(pack: Pack, facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Note that the assignee saw what came; close a conversation that waited for that."""
    leaving = thread.lifecycle.close_when_seen
    why = LEFT_SILENTLY if thread.silence.left_at else notice_of("retention.closing")
    thread = replace(thread, lifecycle=replace(thread.lifecycle, unseen=0, close_when_seen=False))
    return park_soon(pack, facts, thread, why) if leaving else (thread, ())


def _retention_seconds(pack: Pack, thread: Thread) -> int:
    retention = retention_of(pack, thread)
    return retention.continuing if thread.lifecycle.continuing else retention.grace


def _postpone_if_busy(facts: Facts, thread: Thread, key: str) -> Step[Thread] | None:
    """Postpone what cannot be undone while a text is on its way or was never shown, or the thread is on legal hold."""
    if facts.on_legal_hold or facts.has_dead_letters:
        return _wait(thread, key, facts.now + HOUR)
    busy = facts.display_pending or facts.inbound_pending or _has_unsent(facts, thread)
    return _wait(thread, key, facts.now + RETRY_SECONDS) if busy else None


def _has_unsent(facts: Facts, thread: Thread) -> bool:
    """Whether a person's words are still to leave for the phone. Held words wait for a person, and do not count."""
    return facts.outbound_pending or bool(thread.sending.pending) or thread.consent.reply is not None


def _doubt_owner(pack: Pack, thread: Thread, away: float) -> tuple[Thread, tuple[Action, ...]]:
    """Say, above the first text after so long, that what the card has of this number may be of another person."""
    if away < pack.settings.dormant_cue:
        return thread, ()
    why = notice_of("inbound_cues.they_are_back_after_the", duration=describe_minutes(round(away / 60)))
    cue = SendMessage(place=THREAD, body=notice_of("inbound_cues.before_anything_else_ask_whether", why=why))
    return replace(thread, silence=replace(thread.silence, recheck_safety=True)), (cue,)


def _wait(thread: Thread, key: str, until: float) -> Step[Thread]:
    return Step(thread, (SetTimer(key=key, due=until),), consumed=True)


def _reopen(thread: Thread, why: str) -> tuple[Thread, tuple[Action, ...]]:
    thread = replace(thread, lifecycle=replace(thread.lifecycle, closes_at=0.0, close_when_seen=False))
    return thread, (CancelTimer(key=CLOSE), SendMessage(place=THREAD, body=why))
