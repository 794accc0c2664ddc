"""The assignee's words on their way to the phone: what waits, what leaves (design.md, "Who is heard").

Rules of this module: only the assignee is relayed. Words wait their undo window in the order in which they were said, and a
later message never overtakes an earlier one. Words that are too old when they could leave are held, and their author is
told.
"""

from __future__ import annotations

from dataclasses import replace

from bot import guard
from bot.commands import canned_texts
from bot.commands.parser import STOPS, ParsedCommand
from bot.commands.room_notes import ONLY_WORDS, is_note, would_be_note
from bot.commands.stray_commands import bare_command
from bot.model.actions import DESK, THREAD, Action, DeliveryReceipt, Origin, SendMessage, SendSms, ShowReceipt
from bot.model.codeword_state import CodewordState, SendLock
from bot.model.desk import Facts, Role, Thread
from bot.model.events import Content, MessageRedacted, MessageSent, Relation, TimerDue
from bot.model.feature import Step, raise_alarm
from bot.model.hold_signs import Doubt
from bot.model.text_order import is_ahead
from bot.model.thread import HeldReason, HeldText, PendingText, SentText
from bot.model.thread_desk_events import AlarmKind, AssigneeSpoke
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.sending.held_texts import held_text_of, hold_text
from bot.sending.reply_after_stop import drop_reply
from bot.sending.retraction import ALREADY_SENT, retract_sent
from bot.wording.notice import notice_of
from policies.pack import Pack, TextName

TIMER = "send"
MAX_SENT = 50
AUTHOR_GONE = notice_of("undo_window.whoever_said_it_is_not")
SIGNED_OUT = notice_of("undo_window.they_were_signed_out")
MAY_MEAN_STOP = notice_of("undo_window.a_word_here_may_mean_unsafe")
MEANS_STOP = notice_of("undo_window.it_may_mean_unsafe_say_it")


def take_message(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """Put the assignee's words into the undo window; mark everything else as a note."""
    if event.sender != thread.assignment.assignee or is_note(event, command):
        if event.sender != thread.assignment.assignee:
            thread = replace(thread, signs=replace(thread.signs, colleague_at=facts.now))
        note: Action = ShowReceipt(place=THREAD, event_id=event.event_id, receipt=DeliveryReceipt.NOTE)
        if event.content is not Content.TEXT and event.sender == thread.assignment.assignee:
            why = _explain(event.event_id, notice_of("sending.not_sent", why=ONLY_WORDS[event.content]))
            return Step(thread, (note, why))
        return Step(thread, (note,))
    words = PendingText(
        event_id=event.event_id,
        body=event.body,
        author=event.sender,
        said_at=event.at,
        send_at=facts.now,
        differs=event.differs,
    )
    thread, actions = take_text(pack, facts, thread, words, quotes=event.quotes)
    return Step(thread, (*actions, *_explain_quote(event)))


def take_text(
    pack: Pack, facts: Facts, thread: Thread, words: PendingText, *, looked_at: bool = False, quotes: bool = False
) -> tuple[Thread, tuple[Action, ...]]:
    """Take words for the phone: put them into the undo window, hold them, or refuse them.

    `looked_at`: their author has confirmed the content; whether now is the moment is asked all the same. `quotes`: quoted
    words are left out.
    """
    why = guard.refusal_reason(pack, thread, words.body, facts.designations)
    if why is not None and why in guard.LOCKED.values():
        return _hold_for_lock(pack, facts, thread, words, why, looked_at=looked_at)
    if why is None and not looked_at and bare_command(words.body) == STOPS:
        why = MEANS_STOP
    if why is not None:
        why = guard.QUOTED if quotes and why == guard.EMPTY else why
        refused = ShowReceipt(place=THREAD, event_id=words.event_id, receipt=DeliveryReceipt.NOT_SENT)
        return thread, (refused, _explain(words.event_id, notice_of("sending.not_sent", why=why)))
    if (hold := needs_confirmation(pack, facts, thread, words, own=not looked_at)) is not None:
        text, why = hold
        mark = ShowReceipt(place=THREAD, event_id=words.event_id, receipt=DeliveryReceipt.HELD)
        return hold_text(thread, text), (mark, _explain(words.event_id, notice_of("sending.held", why=why)))
    return start_undo(pack, facts, thread, words)


def start_undo(pack: Pack, facts: Facts, thread: Thread, words: PendingText) -> tuple[Thread, tuple[Action, ...]]:
    """Let words wait their undo window, behind those that wait already."""
    words = replace(words, send_at=facts.now + _undo_seconds(pack, facts, thread))
    thread = _with_pending(thread, (*thread.sending.pending, words))
    member = facts.member(words.author)
    moved = member is not None and member.last_thread != thread.id
    activity = (SendEvent(owner=DESK, event=AssigneeSpoke(thread=thread.id, user=words.author)),) if moved else ()
    return thread, (
        ShowReceipt(place=THREAD, event_id=words.event_id, receipt=DeliveryReceipt.LEAVING),
        *next_timer(thread),
        *activity,
    )


def edit(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None) -> Step[Thread]:
    """Let an author replace their own words while they wait or are held; say so when it is too late."""
    if event.relation is not Relation.EDIT:
        return Step(thread)
    known: tuple[PendingText | HeldText, ...] = (*thread.sending.pending, *thread.sending.held)
    old = next((w for w in known if w.event_id == event.target and w.author == event.sender), None)
    is_sent = any(each.event_id == event.target for each in thread.sending.sent)
    if old is None and not is_sent and command is not None and command.command is not None:
        return Step(thread)  # No command is taken this way, and its author hears so.
    if old is None or (isinstance(old, HeldText) and old.reason is HeldReason.UNKNOWN):
        unsent = old is None and not is_sent
        what = "undo_window.this_edit_sends_nothing" if unsent else "undo_window.that_text_has_left_the"
        # What the room shows now is not what `!again` would send.
        thread = _without(thread, event.target) if old is not None else thread
        mine = any(each.event_id == event.target and each.author == event.sender for each in thread.sending.sent)
        meant = is_sent or (unsent and not would_be_note(event, event.body))
        says = mine or (meant and event.sender == thread.assignment.assignee)
        return Step(thread, (_explain(event.target, notice_of(what)),) if says else (), consumed=True)
    if event.sender != thread.assignment.assignee:
        # Waiting words of a person who is not heard are a challenge or a cover line: nothing else may replace them.
        thread = replace(thread, codeword=_without_challenge(thread, event.target))
        why = notice_of("undo_window.a_command_for_a_check")
        return _refuse(thread, event.target, notice_of("sending.not_sent", why=why))
    thread = replace(thread, codeword=_without_challenge(thread, event.target))
    says_text = command is not None and command.name in canned_texts.COMMANDS
    text = canned_texts.read(pack, facts, thread, command, edit=True) if command is not None and says_text else None
    if (no := _edit_refusal(old, text)) is not None:
        return _refuse(thread, event.target, notice_of("undo_window.nothing_was_sent_and_what", no=no))
    body, name = (text.body, text.stands_for) if isinstance(text, canned_texts.CannedText) else (event.body, "")
    words = PendingText(
        event_id=event.target,
        body=body,
        author=event.sender,
        said_at=event.at,
        send_at=facts.now,
        name=name,
        edit_event_id=event.event_id,
        differs=event.differs,
    )
    if would_be_note(event, body):
        return _refuse(thread, event.target, notice_of("undo_window.not_sent_it_has_become"))
    looked_at = isinstance(text, canned_texts.CannedText) and not text.own
    shown: tuple[Action, ...] = (
        (_explain(event.target, notice_of("undo_window.leaving_in_a_moment", body=body)),) if looked_at else ()
    )
    if isinstance(text, canned_texts.CannedText) and text.name == TextName.URGENT:
        shown = (*shown, raise_alarm(thread, AlarmKind.URGENT))
    new, actions = take_text(pack, facts, _without(thread, event.target), words, looked_at=looked_at, quotes=event.quotes)
    if any(pending.event_id == event.target for pending in new.sending.pending) and isinstance(old, PendingText):
        # It keeps its place, so that nothing overtakes it.
        until = facts.now + _undo_seconds(pack, facts, thread)
        words = replace(old, body=body, name=name, send_at=until, edit_event_id=event.event_id)
        thread = _with_pending(thread, tuple(words if p is old else p for p in thread.sending.pending))
        return Step(thread, (*next_timer(thread), *shown, *_explain_quote(event)), consumed=True)
    marked = DeliveryReceipt.HELD if isinstance(old, HeldText) else None
    actions = tuple(a for a in actions if not (isinstance(a, ShowReceipt) and a.receipt is marked))
    shown = shown if new.sending.pending else ()
    return Step(new, (*actions, *next_timer(new), *shown, *_explain_quote(event)), consumed=True)


def retract(pack: Pack, facts: Facts, thread: Thread, event: MessageRedacted) -> Step[Thread]:
    """Stop words that their author or a supervisor redacted, or their last edit, also while they wait for the carrier.

    Without its edit a message shows earlier words, which are not what its author last wanted to send. Words that have left
    stay on the phone, and the author is told so.
    """
    known: tuple[PendingText | HeldText, ...] = (*thread.sending.pending, *thread.sending.held)
    supervises = facts.role(event.sender) is Role.SUPERVISOR
    mine = next((w for w in known if event.target in (w.event_id, w.edit_event_id)), None)
    if mine is not None and (supervises or mine.author == event.sender):
        thread = _without(thread, mine.event_id)
        if not isinstance(mine, HeldText) or mine.reason is not HeldReason.UNKNOWN:
            retracted = ShowReceipt(place=THREAD, event_id=mine.event_id, receipt=DeliveryReceipt.RETRACTED)
            if mine.author != event.sender:
                body = notice_of("undo_window.not_sent_a_supervisor_took")
                taken_out = SendMessage(place=THREAD, body=body, reply_to=mine.event_id, mentions=(mine.author,))
                return Step(thread, (retracted, taken_out, *next_timer(thread)))
            notice = _explain(mine.event_id, notice_of("undo_window.not_sent_the_edit_was"))
            return Step(
                thread, (retracted, *((notice,) if event.target == mine.edit_event_id else ()), *next_timer(thread))
            )
    text = next((s for s in thread.sending.sent if event.target in (s.event_id, s.edit_event_id)), None)
    if text is not None and text.receipt == DeliveryReceipt.LEAVING.name and (supervises or text.author == event.sender):
        return Step(retract_sent(thread, lambda words: words is text))
    if text is not None and event.sender in (thread.assignment.assignee, text.author):
        return Step(thread, (SendMessage(place=THREAD, body=ALREADY_SENT),))
    return Step(thread)


def send_due(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Send the words whose undo window is over, in order; hold those that are too old by now.

    Words whose time lies in the future, because the clock was set back since, do not wait for that time: they are held like
    old ones.
    """
    if event.key != TIMER:
        return Step(thread)
    actions: list[Action] = []
    waiting = list(thread.sending.pending)
    sent_texts = list(thread.sending.sent)
    held_texts: list[HeldText] = []
    while waiting and (waiting[0].send_at <= facts.now or is_ahead(waiting[0].said_at, facts.now)):
        words = waiting.pop(0)
        why = cannot_send(pack, facts, thread, words)
        if why is None:
            actions.append(_send_sms(thread, words))
            repeats = any(known.event_id == words.event_id for known in sent_texts)
            sent_texts = [known for known in sent_texts if known.event_id != words.event_id]
            leaving = DeliveryReceipt.LEAVING.name
            sent_texts.append(
                SentText(
                    event_id=words.event_id,
                    receipt=leaving,
                    body=words.body,
                    author=words.author,
                    name=words.name,
                    edit_event_id=words.edit_event_id,
                    repeats=repeats,
                )
            )
            continue
        # With the text that steps back the conversation is over: after `!unlock` it would be wrong.
        locked = why in guard.LOCKED.values() and words.name != TextName.DIFFERENT
        reason = HeldReason.LATE if why is guard.LATE else HeldReason.LOCKED if locked else None
        if reason is not None:
            held_texts.append(held_text_of(facts, words, reason))
        mark = DeliveryReceipt.NOT_SENT if reason is None else DeliveryReceipt.HELD
        actions += [
            ShowReceipt(place=THREAD, event_id=words.event_id, receipt=mark),
            _explain(words.event_id, notice_of("sending.not_sent" if reason is None else "sending.held", why=why)),
        ]
    sending = replace(thread.sending, pending=tuple(waiting), sent=tuple(sent_texts[-MAX_SENT:]))
    thread = replace(thread, sending=sending)
    for each in held_texts:
        thread = hold_text(thread, each)
    return Step(thread, (*actions, *next_timer(thread)))


def cannot_send(pack: Pack, facts: Facts, thread: Thread, words: PendingText) -> str | None:
    """Say why words whose undo window is over may not leave now, or None."""
    if (author := facts.member(words.author)) is None:
        return AUTHOR_GONE
    if author.may_be_another(words.said_at):
        return SIGNED_OUT
    return guard.may_send(pack, thread, _send_sms(thread, words), facts.now, facts.designations)


def hold_pending(
    facts: Facts, thread: Thread, why: str, *, told: frozenset[Doubt] = frozenset(), spared: frozenset[str] = frozenset()
) -> tuple[Thread, tuple[Action, ...]]:
    """Hold all that has not left, because of what was just said: `!anyway` lets it leave.

    `told`: the doubts that `why` names; `!anyway` asks about any other first. `spared`: messages that leave all the same.

    A challenge, and the text that steps back, would be wrong later: they are cancelled. The text that the texter chose for
    `!unsafe` is theirs and leaves. What waits for its turn at the carrier should not leave any more, but it may have. A
    supervisor's reply after a STOP is cancelled: it has to be said again.
    """
    stay = {*spared, thread.flags.unsafe_line_ref.removeprefix("say:")}
    stopped = [words for words in thread.sending.pending if words.event_id not in stay]
    thread = retract_sent(thread, lambda words: words.event_id not in stay)
    thread, unsent = drop_reply(thread, why, again=True)
    if not stopped:
        return thread, unsent
    thread = _with_pending(thread, tuple(words for words in thread.sending.pending if words not in stopped))
    actions = [*unsent]
    for words in stopped:
        over = words.name == TextName.DIFFERENT or words.event_id == thread.codeword.challenge
        mark = DeliveryReceipt.NOT_SENT if over else DeliveryReceipt.HELD
        actions.append(ShowReceipt(place=THREAD, event_id=words.event_id, receipt=mark))
        thread = replace(thread, codeword=_without_challenge(thread, words.event_id))
        held_text = replace(held_text_of(facts, words, HeldReason.UNPROMPTED), told=told)
        thread = thread if over else hold_text(thread, held_text)
        end = (
            notice_of("undo_window.not_sent_say_it_again", why=why)
            if over
            else notice_of("undo_window.held_if_you_are_sure", why=why)
        )
        actions.append(_explain(words.event_id, end))
    return thread, (*actions, *next_timer(thread))


def cancel(thread: Thread, event_id: str, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel one message that waits or is held, and say why. One that may have left stays as it is."""
    held_texts = [words for words in thread.sending.held if words.reason is not HeldReason.UNKNOWN]
    known: tuple[PendingText | HeldText, ...] = (*thread.sending.pending, *held_texts)
    if not any(words.event_id == event_id for words in known):
        return thread, ()
    step = _refuse(thread, event_id, notice_of("sending.not_sent", why=why))
    return step.aggregate, step.actions


def _hold_for_lock(
    pack: Pack, facts: Facts, thread: Thread, words: PendingText, why: str, *, looked_at: bool
) -> tuple[Thread, tuple[Action, ...]]:
    """Hold words for a phone that is locked.

    After `!unlock` the assignee may send them; they never leave by themselves.

    The text that steps back before another person waits its undo window as it would after success, because the conversation
    is over when it would leave; it does not leave (`unsafe_phone.start_over_under_lock`).
    """
    if words.name == TextName.DIFFERENT:
        lock = thread.codeword.lock
        free = replace(thread, codeword=replace(thread.codeword, lock=SendLock.NONE))
        free, actions = take_text(pack, facts, free, words, looked_at=looked_at)
        return replace(free, codeword=replace(free.codeword, lock=lock)), actions
    notice = _explain(words.event_id, notice_of("sending.held", why=why))
    return hold_text(thread, held_text_of(facts, words, HeldReason.LOCKED)), (
        ShowReceipt(place=THREAD, event_id=words.event_id, receipt=DeliveryReceipt.HELD),
        notice,
    )


def _send_sms(thread: Thread, words: PendingText) -> SendSms:
    ref, epoch = f"say:{words.event_id}", thread.assignment.epoch
    return SendSms(ref=ref, body=words.body, origin=Origin.ADVOCATE, epoch=epoch, since=words.said_at)


def _undo_seconds(pack: Pack, facts: Facts, thread: Thread) -> float:
    member = facts.member(thread.assignment.assignee or "")
    if facts.now < thread.assignment.long_undo_until:
        return float(pack.settings.undo_after_join_seconds)
    if member is not None and member.last_thread not in ("", thread.id):
        return float(pack.settings.undo_after_switch_seconds)
    return float(pack.settings.undo_seconds)


def needs_confirmation(
    pack: Pack, facts: Facts, thread: Thread, words: PendingText, *, own: bool, long: bool = False
) -> tuple[HeldText, str] | None:
    """Return words as held, and all questions about them, if their author should look once more.

    `own`: they are the author's, not the agency's. `long`: their length was mentioned already.
    """
    if own and not long and (why := guard.too_long(pack, words.body)) is not None:
        return held_text_of(facts, words, HeldReason.LONG), why
    warning = guard.warning(words.body, differs=words.differs) if own else None
    doubts = guard.doubts(pack, facts, thread, words.body, words.author, own=own)
    if warning is None and not doubts:
        return None
    doubt = guard.describe_doubts(facts, thread, doubts, words.body) if doubts else ""
    reason = HeldReason.UNPROMPTED if warning is None else HeldReason.WARNED
    why = doubt if warning is None else notice_of("undo_window.and", warning=warning, asked=doubt) if doubt else warning
    return replace(held_text_of(facts, words, reason), told=frozenset(doubts)), why


def _refuse(thread: Thread, event_id: str, notice: str) -> Step[Thread]:
    thread = _without(thread, event_id)
    refused = ShowReceipt(place=THREAD, event_id=event_id, receipt=DeliveryReceipt.NOT_SENT)
    return Step(thread, (refused, _explain(event_id, notice), *next_timer(thread)), consumed=True)


def _edit_refusal(
    old: PendingText | HeldText, text: canned_texts.CannedText | canned_texts.CannedTextRefusal | None
) -> str | None:
    """Say why an edit may not replace these words, or None.

    Nothing replaces the text that steps back before another person: that person may be reading now.
    """
    if isinstance(text, canned_texts.CannedTextRefusal):
        return text.why
    if old.name == TextName.DIFFERENT and (text is None or text.name != TextName.DIFFERENT):
        return canned_texts.ALONE
    return None


def _without_challenge(thread: Thread, event_id: str) -> CodewordState:
    """Do not count a message as a challenge any more: an answer to other words proves nothing, nor does its absence."""
    codeword = thread.codeword
    return replace(codeword, challenge="", challenge_sent_at=0.0) if codeword.challenge == event_id else codeword


def _without(thread: Thread, event_id: str) -> Thread:
    pending = tuple(p for p in thread.sending.pending if p.event_id != event_id)
    held_texts = tuple(h for h in thread.sending.held if h.event_id != event_id)
    return replace(thread, sending=replace(thread.sending, pending=pending, held=held_texts))


def _with_pending(thread: Thread, pending: tuple[PendingText, ...]) -> Thread:
    return replace(thread, sending=replace(thread.sending, pending=pending))


def next_timer(thread: Thread) -> tuple[Action, ...]:
    """Return the action that sets the timer to the end of the first undo window, or cancels it when nothing waits."""
    pending = thread.sending.pending
    return (SetTimer(key=TIMER, due=pending[0].send_at) if pending else CancelTimer(key=TIMER),)


def _explain_quote(event: MessageSent) -> tuple[Action, ...]:
    """Say that the quoted words are left out, if other words are left."""
    notice = notice_of("undo_window.what_is_quoted_in_it")
    reply_to = event.target if event.relation is Relation.EDIT else event.event_id
    return (_explain(reply_to, notice),) if event.quotes and event.body.strip() else ()


def _explain(event_id: str, body: str) -> SendMessage:
    return SendMessage(place=THREAD, body=body, reply_to=event_id)
