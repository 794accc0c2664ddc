"""What people at the agency say about an agreed word: agree, forget, ask for it, cover, unlock.

Rules of this module: only a person asks for the word, and only while the phone is in somebody's hand; a cover line leaves
the same way before and after duress; what was locked is opened by a supervisor and by nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.codeword.check import TIMER
from bot.commands.parser import answer, noted, says
from bot.model.actions import DESK, OFFICE, THREAD, Action, Post
from bot.model.audit_kinds import AuditKind
from bot.model.codeword_state import Escort, Lock
from bot.model.desk import Facts, Role, Thread
from bot.model.events import Said
from bot.model.feature import Step
from bot.model.thread import Pending, State
from bot.model.thread_desk_events import Marked, WordChosen, WordWanted
from bot.model.transactional_actions import Audit, DropTimer, Tell
from bot.sending.undo_window import into_window
from policies.pack import Pack, TextName

LINES: Final = {"1": TextName.COVER_1, "2": TextName.COVER_2, "3": TextName.COVER_3}
KEPT: Final = "It is kept: nobody sees it again, you and I included. Once it comes in a text it is used up."
NOT_KEPT: Final = (
    "No codeword was kept: the conversation was over, its voice changed, or the phone was locked, in between. Say "
    "!codeword again."
)
BY_VOICE: Final = "Only a word agreed by voice or in person is one: never agree on it by text."


def codeword(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!codeword`: have its sender asked for the word in their office. `!forget-word`: compare no more."""
    if says(event, "codeword") is not None:
        if thread.escort.lock is not Lock.NONE:
            return _refuse(facts, thread, event, "First a supervisor's !unlock, once they have heard her by voice.")
        wanted = WordWanted(thread=thread.id, designation=thread.designation, user=event.sender)
        told = f"{BY_VOICE} You are asked for it in your office, where it is redacted at once."
        return Step(thread, (noted(event), Tell(owner=DESK, event=wanted), *answer(facts, event, told)), consumed=True)
    if says(event, "forget-word") is None:
        return Step(thread)
    if thread.escort.words is None:
        return _refuse(facts, thread, event, "No codeword is kept for this phone.")
    if thread.escort.lock is not Lock.NONE:
        return _refuse(facts, thread, event, "First a supervisor's !unlock: until then the words are still listened for.")
    kept = Escort(failures=thread.escort.failures, came=thread.escort.came, heard=thread.escort.heard)
    told = "The codeword is forgotten: texts are not compared any more."
    thread = replace(thread, escort=kept)
    return Step(thread, (noted(event), DropTimer(key=TIMER), *answer(facts, event, told)), consumed=True)


def chosen(pack: Pack, facts: Facts, thread: Thread, event: WordChosen) -> Step[Thread]:
    """Keep the digests of new words, in place of any before, if whoever told them may still speak for this thread."""
    may = event.user == thread.voice.holder or facts.role(event.user) is Role.SUPERVISOR
    place = OFFICE + event.user
    if not may or thread.escort.lock is not Lock.NONE or thread.life.state is State.PARKED:
        return Step(thread, (Post(place=THREAD, body=NOT_KEPT), Post(place=place, body=NOT_KEPT)))
    kept = Escort(failures=thread.escort.failures, came=thread.escort.came, heard=thread.escort.heard)
    thread = replace(thread, escort=replace(kept, words=event.digests))
    told = "A codeword is agreed. From now every text is compared with it, and it is masked when it comes."
    return Step(thread, (DropTimer(key=TIMER), Post(place=THREAD, body=told), Post(place=place, body=KEPT)))


def verify(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!verify`: put the challenge into the undo window."""
    if says(event, "verify") is None:
        return Step(thread)
    escort = thread.escort
    if escort.words is None:
        return _refuse(facts, thread, event, f"There is no codeword to ask for. !codeword keeps one. {BY_VOICE}")
    if escort.lock is not Lock.NONE:
        return _refuse(facts, thread, event, f"Not sent: {guard.LOCKED[escort.lock]}")
    if escort.burned:
        return _refuse(
            facts, thread, event, "The codeword is burned: it stands on that phone. Agree on a new one by voice."
        )
    if facts.now - escort.heard > pack.settings.challenge_window:
        return _refuse(facts, thread, event, f"Not now: {guard.NOT_NOW}")
    body = pack.say(TextName.CHALLENGE, thread.consent.language)
    if (why_not := _cannot(pack, facts, thread, body)) is not None:
        return _refuse(facts, thread, event, f"Not sent: {why_not}")
    thread = replace(thread, escort=replace(escort, asked=event.event_id, asked_at=0.0))
    return _send(pack, facts, thread, event, body)


def cover(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!cover 1`: put an agreed cover line into the undo window, locked or not."""
    if (which := says(event, "cover")) is None:
        return Step(thread)
    language = thread.consent.language
    if which not in LINES:
        listed = "\n".join(f"!cover {n}: “{pack.say(name, language)}”" for n, name in LINES.items())
        return _refuse(facts, thread, event, listed)
    body = pack.say(LINES[which], language)
    if (why := _cannot(pack, facts, thread, body)) is not None:
        return _refuse(facts, thread, event, f"Not sent: {why}")
    return _send(pack, facts, thread, event, body)


def unlock(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!unlock`: let free words leave again. The table lets only supervisors say it."""
    if says(event, "unlock") is None:
        return Step(thread)
    if thread.escort.lock is Lock.NONE:
        return _refuse(facts, thread, event, "Nothing is locked here.")
    thread = replace(thread, escort=replace(thread.escort, lock=Lock.NONE, failures=()))
    told = Post(
        place=THREAD, body="Unlocked by a supervisor: the voice's words leave again. Words on that phone stay burned."
    )
    mark = Tell(owner=DESK, event=Marked(thread=thread.id, duress=False))
    return Step(thread, (noted(event), told, mark, Audit(kind=AuditKind.UNLOCK)), consumed=True)


def _cannot(pack: Pack, facts: Facts, thread: Thread, body: str) -> str | None:
    """Say why one of the agency's texts may not even wait, or None: what the guard says of any words, but of its own."""
    why = guard.refuses(pack, thread, body, facts.designations)
    return None if why == guard.NOT_ASKED else why


def _send(pack: Pack, facts: Facts, thread: Thread, event: Said, body: str) -> Step[Thread]:
    words = Pending(event_id=event.event_id, body=body, author=event.sender, said_at=event.at, leave_at=facts.now)
    thread, actions = into_window(pack, facts, thread, words)
    told = f"Leaving in a moment: “{body}” Redact your command to stop it."
    return Step(thread, (*actions, Post(place=THREAD, body=told, reply_to=event.event_id)), consumed=True)


def _refuse(facts: Facts, thread: Thread, event: Said, why: str) -> Step[Thread]:
    actions: tuple[Action, ...] = (noted(event), *answer(facts, event, why))
    return Step(thread, actions, consumed=True)
