"""The commands about the codeword: `!codeword`, `!forget-word`, `!verify`, `!cover`, `!unlock`.

Rules of this module: only a person asks for the word, and only soon after a text of a person (`challenge_window`), while
the phone is in a person's hand; not after a text that asks for no answer now. A cover line leaves in the same way before
and after duress. Only a supervisor opens a lock.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from bot import guard
from bot.codeword.check import TIMER
from bot.commands.parser import ParsedCommand, answer, mark_as_note
from bot.model.actions import DESK, OFFICE, THREAD, Action, DeliveryReceipt, SendMessage, ShowReceipt
from bot.model.audit_kinds import AuditKind
from bot.model.codeword_state import SendLock
from bot.model.desk import Facts, Role, Thread
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.model.hold_signs import Doubt
from bot.model.text_order import seconds_since
from bot.model.thread import HeldReason, PendingText, SentText, ThreadState
from bot.model.thread_desk_events import DuressFlagChanged, EnrolmentFinished, EnrolmentRequested
from bot.model.transactional_actions import CancelTimer, RecordAudit, SendEvent
from bot.safety.break_off import tell_desk
from bot.sending.held_texts import held_text_of, hold_text
from bot.sending.reply_after_stop import drop_reply
from bot.sending.retraction import retract_sent
from bot.sending.undo_window import next_timer, start_undo
from bot.wording.notice import notice_of
from policies.pack import COVER_LINES, Pack, TextName

COVER_BY_NUMBER: Final = {str(n): name for n, name in enumerate(COVER_LINES, 1)}
KEPT: Final = notice_of("codeword_commands.it_is_kept_nobody_sees")
NOT_KEPT: Final = notice_of("codeword_commands.no_codeword_was_kept_the")
NEVER_BY_TEXT: Final = notice_of("codeword_commands.only_a_word_agreed_in")


def codeword(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!codeword`: ask its sender for the word in their office."""
    if thread.codeword.lock is not SendLock.NONE:
        return _refuse(facts, thread, event, notice_of("codeword_commands.first_a_supervisors_unlock_once"))
    request = EnrolmentRequested(
        thread=thread.id, designation=thread.designation, user=event.sender, language=thread.consent.language
    )
    notice = notice_of("codeword_commands.you_are_asked_for_it", never_by_text=NEVER_BY_TEXT)
    return Step(
        thread, (mark_as_note(event), SendEvent(owner=DESK, event=request), *answer(facts, event, notice)), consumed=True
    )


def forget_word(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!forget-word`: stop comparing texts with the codeword."""
    if thread.codeword.digests is None:
        return _refuse(facts, thread, event, notice_of("codeword_commands.no_codeword_is_kept_for"))
    if thread.codeword.lock is not SendLock.NONE:
        return _refuse(facts, thread, event, notice_of("codeword_commands.first_a_supervisors_unlock_until"))
    notice = notice_of("codeword_commands.the_codeword_is_forgotten_texts")
    thread = replace(thread, codeword=thread.codeword.without_words())
    return Step(thread, (mark_as_note(event), CancelTimer(key=TIMER), *answer(facts, event, notice)), consumed=True)


def keep_digests(pack: Pack, facts: Facts, thread: Thread, event: EnrolmentFinished) -> Step[Thread]:
    """Store the digests of new words, in place of earlier ones, if their author may still speak for this thread."""
    may = event.user == thread.assignment.assignee or facts.role(event.user) is Role.SUPERVISOR
    place = OFFICE + event.user
    if not may or thread.codeword.lock is not SendLock.NONE or thread.lifecycle.state is ThreadState.PARKED:
        return Step(thread, (SendMessage(place=THREAD, body=NOT_KEPT), SendMessage(place=place, body=NOT_KEPT)))
    thread = replace(thread, codeword=replace(thread.codeword.without_words(), digests=event.digests))
    notice = notice_of("codeword_commands.a_codeword_is_agreed_from")
    return Step(
        thread, (CancelTimer(key=TIMER), SendMessage(place=THREAD, body=notice), SendMessage(place=place, body=KEPT))
    )


def verify(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!verify`: put the challenge into the undo window."""
    state = thread.codeword
    if state.digests is None:
        return _refuse(
            facts, thread, event, notice_of("codeword_commands.there_is_no_codeword_to", never_by_text=NEVER_BY_TEXT)
        )
    if state.lock is not SendLock.NONE:
        return _refuse(facts, thread, event, notice_of("sending.not_sent", why=guard.LOCKED[state.lock]))
    if state.spent:
        return _refuse(facts, thread, event, notice_of("codeword_commands.the_codeword_is_burned_it"))
    if seconds_since(state.last_text_at, facts.now) > pack.settings.challenge_window:
        return _refuse(facts, thread, event, notice_of("codeword_commands.not_now", why=guard.NOT_NOW))
    doubts = guard.doubts(pack, facts, thread, "", event.sender, own=False)
    reasons = [doubt for doubt in doubts if doubt in guard.NOT_ANSWERED]
    sure = reasons == [Doubt.LEAVING] and _is_said_again(thread, event)
    if reasons and not sure:
        return _doubt_moment(facts, thread, event, reasons)
    body = pack.say(TextName.CHALLENGE, thread.consent.language)
    if (why_not := _cannot_send(pack, facts, thread, body)) is not None:
        return _refuse(facts, thread, event, notice_of("sending.not_sent", why=why_not))
    if sure and event.sender == thread.assignment.assignee:
        thread = replace(thread, signs=replace(thread.signs, answered=thread.signs.answered | {Doubt.LEAVING}))
    thread = replace(thread, codeword=replace(state, challenge=event.event_id, challenge_sent_at=0.0))
    return _send(pack, facts, thread, event, body)


def _is_said_again(thread: Thread, event: MessageSent) -> bool:
    """Tell whether the same person said the command before, and this one after it was refused."""
    return dict(thread.signs.verify_refused).get(event.sender, math.inf) <= event.at


def _doubt_moment(facts: Facts, thread: Thread, event: MessageSent, reasons: list[Doubt]) -> Step[Thread]:
    """Refuse a challenge after a text that asks for no answer now.

    Whether they have to break off is a guess ("he came in. im back"): who says the command again is sure.
    """
    if reasons == [Doubt.LEAVING]:
        why = guard.describe_doubts(facts, thread, reasons, "", command="verify")
        refused = dict(thread.signs.verify_refused) | {event.sender: facts.now}
        thread = replace(thread, signs=replace(thread.signs, verify_refused=tuple(sorted(refused.items()))))
    else:
        why = notice_of("guard.wait_for_a_text", said=guard.list_doubts(facts, thread, reasons))
    return _refuse(facts, thread, event, notice_of("codeword_commands.not_now", why=why))


def cover(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!cover 1`: put an agreed cover line into the undo window, locked or not."""
    which, language = command.arguments, thread.consent.language
    if which not in COVER_BY_NUMBER:
        listed = "\n".join(f"!cover {n}: “{pack.say(name, language)}”" for n, name in COVER_BY_NUMBER.items())
        return _refuse(facts, thread, event, listed)
    body = pack.say(COVER_BY_NUMBER[which], language)
    if (why := _cannot_send(pack, facts, thread, body)) is not None:
        return _refuse(facts, thread, event, notice_of("sending.not_sent", why=why))
    return _send(pack, facts, thread, event, body)


def unlock(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!unlock`: let free words leave again. The command table lets only supervisors say it.

    A duress word, or an answer without the word, that came after it was said stays: the call that it rests on was before.
    """
    if thread.codeword.lock is SendLock.NONE:
        return _refuse(facts, thread, event, notice_of("codeword_commands.nothing_is_locked_here"))
    if event.at < max((thread.codeword.duress_at, *thread.codeword.failures)):
        return _refuse(facts, thread, event, notice_of("break_off.another_sign_came", name=command.name))
    thread, notices = _hold_written_before(pack, facts, thread)
    thread = replace(thread, codeword=replace(thread.codeword, lock=SendLock.NONE, failures=()))
    unlocked = guard.add_other_stop(pack, thread, notice_of("codeword_commands.unlocked_by_a_supervisor_the"))
    notice = SendMessage(place=THREAD, body=unlocked)
    # The duress word counts at the desk as a sign of other hands.
    marks = (SendEvent(owner=DESK, event=DuressFlagChanged(thread=thread.id, duress=False)), tell_desk(thread))
    return Step(thread, (mark_as_note(event), *notices, notice, *marks, RecordAudit(kind=AuditKind.UNLOCK)), consumed=True)


def _hold_written_before(pack: Pack, facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Hold what was written before the phone was locked and has not left: `!again` lets it leave, the unlocking does not.

    What waits for its turn at the carrier does not leave any more, nor does a reply after a STOP. The text that steps back
    stays: the conversation is to end.
    """

    def is_locked(words: PendingText | SentText) -> bool:
        return words.name != TextName.DIFFERENT and guard.lock_reason(pack, thread, words.body) is not None

    why, locked = guard.LOCKED[thread.codeword.lock], [words for words in thread.sending.pending if is_locked(words)]
    locked_thread, actions = drop_reply(retract_sent(thread, is_locked), why, again=True)
    waiting = tuple(words for words in thread.sending.pending if words not in locked)
    locked_thread = replace(locked_thread, sending=replace(locked_thread.sending, pending=waiting))
    for words in locked:
        locked_thread = hold_text(locked_thread, held_text_of(facts, words, HeldReason.LOCKED))
        mark = ShowReceipt(place=THREAD, event_id=words.event_id, receipt=DeliveryReceipt.HELD)
        notice = SendMessage(place=THREAD, body=notice_of("sending.held", why=why), reply_to=words.event_id)
        actions = (*actions, mark, notice)
    return locked_thread, (*actions, *next_timer(locked_thread))


def _cannot_send(pack: Pack, facts: Facts, thread: Thread, body: str) -> str | None:
    """Say why one of the agency's texts may not even wait, or None: the guard's reasons that hold for agency texts too."""
    why = guard.refusal_reason(pack, thread, body, facts.designations)
    return None if why == guard.NOT_ASKED else why


def _send(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, body: str) -> Step[Thread]:
    words = PendingText(event_id=event.event_id, body=body, author=event.sender, said_at=event.at, send_at=facts.now)
    thread, actions = start_undo(pack, facts, thread, words)
    notice = notice_of("codeword_commands.leaving_in_a_moment_redact", body=body)
    return Step(thread, (*actions, SendMessage(place=THREAD, body=notice, reply_to=event.event_id)), consumed=True)


def _refuse(facts: Facts, thread: Thread, event: MessageSent, why: str) -> Step[Thread]:
    actions: tuple[Action, ...] = (mark_as_note(event), *answer(facts, event, why))
    return Step(thread, actions, consumed=True)
