"""The commands about the codeword: `!codeword`, `!forget-word`, `!verify`, `!cover`, `!unlock`.

Rules of this module: only a person asks for the word, and only while the phone is in somebody's hand. A cover line leaves
in the same way before and after duress. Only a supervisor opens a lock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.codeword.check import TIMER
from bot.commands.parser import ParsedCommand, answer, mark_as_note
from bot.model.actions import DESK, OFFICE, THREAD, Action, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.codeword_state import CodewordState, SendLock
from bot.model.desk import Facts, Role, Thread
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.model.thread import PendingText, ThreadState
from bot.model.thread_desk_events import DuressFlagChanged, EnrolmentFinished, EnrolmentRequested
from bot.model.transactional_actions import CancelTimer, RecordAudit, SendEvent
from bot.sending.undo_window import start_undo
from policies.pack import Pack, TextName

COVER_LINES: Final = {"1": TextName.COVER_1, "2": TextName.COVER_2, "3": TextName.COVER_3}
KEPT: Final = "It is kept: nobody sees it again, you and I included. Once it comes in a text it is used up."
NOT_KEPT: Final = (
    "No codeword was kept: the conversation was over, its advocate changed, or the phone was locked, in between. Say "
    "!codeword again."
)
NEVER_BY_TEXT: Final = "Only a word agreed in person or by phone call is one: never agree on it by text."


def codeword(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!codeword`: have its sender asked for the word in their office."""
    if thread.codeword.lock is not SendLock.NONE:
        return _refuse(facts, thread, event, "First a supervisor's !unlock, once they have spoken with her by phone.")
    wanted = EnrolmentRequested(
        thread=thread.id, designation=thread.designation, user=event.sender, language=thread.consent.language
    )
    notice = f"{NEVER_BY_TEXT} You are asked for it in your office, where it is redacted at once."
    return Step(
        thread, (mark_as_note(event), SendEvent(owner=DESK, event=wanted), *answer(facts, event, notice)), consumed=True
    )


def forget_word(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!forget-word`: compare texts with no word any more."""
    if thread.codeword.digests is None:
        return _refuse(facts, thread, event, "No codeword is kept for this phone.")
    if thread.codeword.lock is not SendLock.NONE:
        return _refuse(facts, thread, event, "First a supervisor's !unlock: until then the words are still listened for.")
    kept = CodewordState(
        failures=thread.codeword.failures,
        ever_texted=thread.codeword.ever_texted,
        last_text_at=thread.codeword.last_text_at,
    )
    notice = "The codeword is forgotten: texts are not compared any more."
    thread = replace(thread, codeword=kept)
    return Step(thread, (mark_as_note(event), CancelTimer(key=TIMER), *answer(facts, event, notice)), consumed=True)


def keep_digests(pack: Pack, facts: Facts, thread: Thread, event: EnrolmentFinished) -> Step[Thread]:
    """Keep the digests of new words, in place of any before, if whoever told them may still speak for this thread."""
    may = event.user == thread.assignment.assignee or facts.role(event.user) is Role.SUPERVISOR
    place = OFFICE + event.user
    if not may or thread.codeword.lock is not SendLock.NONE or thread.lifecycle.state is ThreadState.PARKED:
        return Step(thread, (SendMessage(place=THREAD, body=NOT_KEPT), SendMessage(place=place, body=NOT_KEPT)))
    kept = CodewordState(
        failures=thread.codeword.failures,
        ever_texted=thread.codeword.ever_texted,
        last_text_at=thread.codeword.last_text_at,
    )
    thread = replace(thread, codeword=replace(kept, digests=event.digests))
    notice = "A codeword is agreed. From now every text is compared with it, and it is masked when it comes."
    return Step(
        thread, (CancelTimer(key=TIMER), SendMessage(place=THREAD, body=notice), SendMessage(place=place, body=KEPT))
    )


def verify(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!verify`: put the challenge into the undo window."""
    state = thread.codeword
    if state.digests is None:
        return _refuse(facts, thread, event, f"There is no codeword to ask for. !codeword keeps one. {NEVER_BY_TEXT}")
    if state.lock is not SendLock.NONE:
        return _refuse(facts, thread, event, f"Not sent: {guard.LOCKED[state.lock]}")
    if state.spent:
        return _refuse(
            facts, thread, event, "The codeword is burned: it stands on that phone. Agree on a new one by phone call."
        )
    if facts.now - state.last_text_at > pack.settings.challenge_window:
        return _refuse(facts, thread, event, f"Not now: {guard.NOT_NOW}")
    body = pack.say(TextName.CHALLENGE, thread.consent.language)
    if (why_not := _cannot_send(pack, facts, thread, body)) is not None:
        return _refuse(facts, thread, event, f"Not sent: {why_not}")
    thread = replace(thread, codeword=replace(state, challenge=event.event_id, challenge_sent_at=0.0))
    return _send(pack, facts, thread, event, body)


def cover(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!cover 1`: put an agreed cover line into the undo window, locked or not."""
    which, language = command.arguments, thread.consent.language
    if which not in COVER_LINES:
        listed = "\n".join(f"!cover {n}: “{pack.say(name, language)}”" for n, name in COVER_LINES.items())
        return _refuse(facts, thread, event, listed)
    body = pack.say(COVER_LINES[which], language)
    if (why := _cannot_send(pack, facts, thread, body)) is not None:
        return _refuse(facts, thread, event, f"Not sent: {why}")
    return _send(pack, facts, thread, event, body)


def unlock(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!unlock`: let free words leave again. The table lets only supervisors say it."""
    if thread.codeword.lock is SendLock.NONE:
        return _refuse(facts, thread, event, "Nothing is locked here.")
    thread = replace(thread, codeword=replace(thread.codeword, lock=SendLock.NONE, failures=()))
    notice = SendMessage(
        place=THREAD, body="Unlocked by a supervisor: the advocate's words leave again. Words on that phone stay burned."
    )
    mark = SendEvent(owner=DESK, event=DuressFlagChanged(thread=thread.id, duress=False))
    return Step(thread, (mark_as_note(event), notice, mark, RecordAudit(kind=AuditKind.UNLOCK)), consumed=True)


def _cannot_send(pack: Pack, facts: Facts, thread: Thread, body: str) -> str | None:
    """Say why one of the agency's texts may not even wait, or None: what the guard says of any words, but of its own."""
    why = guard.refuses(pack, thread, body, facts.designations)
    return None if why == guard.NOT_ASKED else why


def _send(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, body: str) -> Step[Thread]:
    words = PendingText(event_id=event.event_id, body=body, author=event.sender, said_at=event.at, send_at=facts.now)
    thread, actions = start_undo(pack, facts, thread, words)
    notice = f"Leaving in a moment: “{body}” Redact your command to stop it."
    return Step(thread, (*actions, SendMessage(place=THREAD, body=notice, reply_to=event.event_id)), consumed=True)


def _refuse(facts: Facts, thread: Thread, event: MessageSent, why: str) -> Step[Thread]:
    actions: tuple[Action, ...] = (mark_as_note(event), *answer(facts, event, why))
    return Step(thread, actions, consumed=True)
