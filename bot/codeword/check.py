"""The codeword: what follows when the agreed word comes, or does not (practice 10).

Rules of this module: after the duress word the phone gets what it gets after the right one, byte for byte and at the same
moment. So a decision may depend on which of the two it was only in what staff see, and in the lock, which holds back
nothing but words that a person wrote. A word that came in a text is spent: it can be read on that phone now. The bridge has
found and masked the word before (`Facts.word`); no word is ever seen here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands.parser import ParsedCommand, names_a_word
from bot.display.ringing import nobody_decides, supervisor_note
from bot.language.codeword_forms import count_words, meaning
from bot.lifecycle import retention
from bot.lifecycle.recap import REMOVE_RECAP
from bot.model.actions import DESK, THREAD, Action, DeliveryReceipt, Origin, RedactEvent, SendMessage, SendSms, ShowReceipt
from bot.model.codeword_match import CodewordMatch
from bot.model.codeword_state import CodewordState, SendLock
from bot.model.desk import Facts, Thread
from bot.model.events import MessageSent, Outcome, Relation, TextArrived, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, DuressFlagChanged
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.safety import inbound_cues
from bot.sending.undo_window import cancel
from policies.keywords import Meaning
from policies.pack import Pack, TextName

TIMER: Final = "challenge"
MIN_VERDICT_DELAY: Final = 1.0
"""Seconds that lie at least between a verdict and its answer, so that what else the verdict sets off cannot show in it."""
MAX_GUESSES: Final = 12
"""Words of a text beyond which an agreed word in it may be one guess of many: then it is burned, and verifies nothing."""
CLOCK_TOLERANCE: Final = 2.0
"""Seconds by which a carrier's clock, or its rounding, may put a text before the challenge that it answers."""
WRITTEN_IN_ROOM: Final = (
    "a word that stood in a room is none any more, for others may have read it. Choose another one by "
    "phone call, and say the "
    "command with nothing behind it: you are asked in your office."
)
PARTLY_COMPARED: Final = (
    "That text is too long to be compared to the end. A word in it may have been missed, and stands there then: treat it "
    "as if it might be there."
)
DURESS: Final = (
    "⚠️ DURESS. The duress word came. Act as before: the phone sees what it would after the right word. Nothing you write "
    "leaves; !cover 1, 2 and 3 do."
)


def check_text(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Look at what the bridge found in a text: the word, the duress word, or, after a challenge, neither."""
    codeword = replace(thread.codeword, last_text_at=max(thread.codeword.last_text_at, event.at))
    thread = replace(thread, codeword=codeword)
    if codeword.digests is None:
        return Step(thread)
    asked = _answers_challenge(pack, codeword, event)
    partly = (SendMessage(place=THREAD, body=PARTLY_COMPARED),) if facts.partly_compared else ()
    if facts.codeword_match is CodewordMatch.NONE:
        if not asked or not _is_words(pack, event):
            return Step(thread, partly)
        thread, notice = _word_missing(pack, facts, thread)
        name = TextName.UNVERIFIED
    else:
        thread, notice = _word_texted(pack, facts, thread, asked=asked, event=event)
        name = TextName.VERIFIED
    answer = _answer(pack, facts, thread, event, name) if asked else ()
    if answer:
        # One answer to one text: what came with it is not answered by itself as well.
        thread = replace(thread, silence=replace(thread.silence, last_auto_reply=name.value, auto_replied=True))
    return Step(thread, (*answer, *notice, *partly))


def outcome(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Begin to wait for the answer when the carrier has the challenge; give up when it never gets it."""
    codeword = thread.codeword
    if not codeword.challenge or event.ref != f"say:{codeword.challenge}":
        return Step(thread)
    if event.outcome not in (Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.UNKNOWN):
        return Step(_end_challenge(thread), (CancelTimer(key=TIMER),))
    if codeword.challenge_sent_at:
        return Step(thread)
    thread = replace(thread, codeword=replace(codeword, challenge_sent_at=facts.now))
    return Step(thread, (SetTimer(key=TIMER, due=facts.now + pack.settings.challenge_window),))


def end_challenge(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Let a challenge that nobody answered be over. Silence is no failure."""
    if event.key != TIMER:
        return Step(thread)
    if (
        not thread.codeword.challenge_sent_at
        or facts.now < thread.codeword.challenge_sent_at + pack.settings.challenge_window
    ):
        return Step(thread, consumed=True)
    notice = SendMessage(
        place=THREAD, body="The challenge was not answered in time. Nothing is counted; what comes now is no answer."
    )
    return Step(_end_challenge(thread), (notice,), consumed=True)


def redact_codeword(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """Take a word out of the room that a colleague wrote there, an agreed one or one to be: it neither stays nor leaves."""
    notice = "That held an agreed word: it was redacted, and nothing of it leaves. Never write it, here or to the phone."
    if names_a_word(event.body):
        notice = f"Redacted, and not taken: {WRITTEN_IN_ROOM}"
    elif facts.codeword_match is CodewordMatch.NONE:
        return Step(thread)
    edit = event.relation is Relation.EDIT
    marks = () if edit else (ShowReceipt(place=THREAD, event_id=event.event_id, receipt=DeliveryReceipt.NOT_SENT),)
    # What an edit was to replace is not what its author wants to say any more.
    mine = edit and any(p.event_id == event.target and p.author == event.sender for p in thread.sending.pending)
    thread, stopped = cancel(thread, event.target, "its author was changing it") if mine else (thread, ())
    redacted = RedactEvent(place=THREAD, event_id=event.event_id)
    return Step(thread, (*marks, *stopped, redacted, REMOVE_RECAP, SendMessage(place=THREAD, body=notice)), consumed=True)


def _answers_challenge(pack: Pack, codeword: CodewordState, event: TextArrived) -> bool:
    """Tell whether a text may answer the challenge, by the text's own time: a day later it does not."""
    soon = (
        codeword.challenge_sent_at - CLOCK_TOLERANCE
        <= event.at
        <= codeword.challenge_sent_at + pack.settings.challenge_window
    )
    return bool(codeword.challenge and codeword.challenge_sent_at) and soon


def _is_words(pack: Pack, event: TextArrived) -> bool:
    """Tell whether somebody answered in words: pictures, keywords and what phones send by themselves count for nothing.

    Nor does a wish for no more texts: the answer to it is a person's.
    """
    return bool(event.body.strip()) and meaning(event.body, pack).meaning is Meaning.CONVERSATION


def _word_texted(
    pack: Pack, facts: Facts, thread: Thread, *, asked: bool, event: TextArrived
) -> tuple[Thread, tuple[Action, ...]]:
    """Take note of a word that came. Whatever the phone can ever notice of it is the same for both words."""
    codeword, duress = thread.codeword, facts.codeword_match is CodewordMatch.DURESS
    again = codeword.spent
    # A challenge that has not left would come after its answer.
    thread, stopped = (
        cancel(thread, codeword.challenge, "the word has come already") if codeword.challenge else (thread, ())
    )
    thread = _end_challenge(thread)
    failures = codeword.failures if again else ()
    thread = replace(thread, codeword=replace(thread.codeword, spent=True, ever_texted=True, failures=failures))
    common = (*stopped, CancelTimer(key=TIMER), SetTimer(key=retention.IDLE, due=facts.now + pack.settings.idle))
    if duress:
        thread = replace(thread, codeword=replace(thread.codeword, lock=SendLock.DURESS, duress_at=facts.now))
        told = (
            "The desk and the supervisors are told." if facts.supervisors else f"The desk is told. {nobody_decides(facts)}"
        )
        notice = SendMessage(place=THREAD, body=f"{DURESS} {told}", mentions=_assignee(thread))
        mark = SendEvent(owner=DESK, event=DuressFlagChanged(thread=thread.id, duress=True))
        return thread, (*common, notice, mark, _alarm(thread, AlarmKind.DURESS))
    if again:
        notice = SendMessage(
            place=THREAD, body="The burned codeword came once more. It proves nothing: agree on a new one by phone call."
        )
        return thread, (*common, notice)
    if facts.now - event.at > pack.settings.late_after_seconds:
        body = (
            "The codeword came late: who has the phone now nobody knows. It verifies nothing; agree on a new one "
            "by phone call."
        )
        return thread, (*common, SendMessage(place=THREAD, body=body, mentions=_assignee(thread)))
    if count_words(event.body) > MAX_GUESSES:
        body = "The codeword came among many words, as if guessed. It verifies nothing; agree on a new one by phone call."
        return thread, (*common, SendMessage(place=THREAD, body=body, mentions=_assignee(thread)))
    thread = replace(thread, codeword=replace(thread.codeword, verified_at=event.at))
    how = "as the answer to the challenge" if asked else "without being asked for"
    locked = " What is locked stays so until a supervisor's !unlock." if codeword.lock is not SendLock.NONE else ""
    body = (
        f"✓ The codeword came, {how}. It is burned now, for it is on that phone: agree on a new one by phone call.{locked}"
    )
    return thread, (*common, SendMessage(place=THREAD, body=body))


def _word_missing(pack: Pack, facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Count an answer without the word; hold back free words after the third within a day."""
    settings, codeword = pack.settings, thread.codeword
    recent = tuple(at for at in codeword.failures if facts.now - at < settings.codeword_window)
    failures = (*recent, facts.now)[-settings.codeword_failures :]
    thread = _end_challenge(thread)
    thread = replace(thread, codeword=replace(thread.codeword, failures=failures))
    count = f"✗ The answer does not hold the codeword ({len(failures)} of {settings.codeword_failures})."
    if len(failures) < settings.codeword_failures:
        # It may be a slip, and it may be somebody else: something has changed (practice 11).
        thread = replace(thread, silence=replace(thread.silence, recheck_safety=True))
        return thread, (
            CancelTimer(key=TIMER),
            inbound_cues.safe_check_cue(f"{count} A slip, perhaps: !verify asks again."),
        )
    if thread.codeword.lock is SendLock.NONE:
        thread = replace(thread, codeword=replace(thread.codeword, lock=SendLock.UNVERIFIED))
    body = f"⚠️ {count} Unverified, possible duress. {guard.LOCKED[SendLock.UNVERIFIED]}{supervisor_note(facts)}"
    notice = SendMessage(place=THREAD, body=body, mentions=_assignee(thread))
    return thread, (CancelTimer(key=TIMER), notice, _alarm(thread, AlarmKind.UNVERIFIED))


def _answer(pack: Pack, facts: Facts, thread: Thread, event: TextArrived, name: TextName) -> tuple[Action, ...]:
    """Answer a text that answered the challenge, a fixed time after it came; show the room what the phone gets."""
    if thread.assignment.assignee is None or event.media:
        return ()  # It would ask for patience where nobody is; and a picture has an answer of its own.
    body = pack.say(name, thread.consent.language)
    answer = SendSms(
        ref=f"answer:{event.id}",
        body=body,
        origin=Origin.AUTO_REPLY,
        epoch=thread.assignment.epoch,
        since=event.at,
        not_before=max(event.at + pack.settings.verdict_delay, facts.now + MIN_VERDICT_DELAY),
    )
    if guard.may_send(pack, thread, answer, facts.now, facts.designations) is not None:
        return ()
    return (answer, SendMessage(place=THREAD, body=f"Answered by itself ({name}): {body}"))


def _end_challenge(thread: Thread) -> Thread:
    return replace(thread, codeword=replace(thread.codeword, challenge="", challenge_sent_at=0.0))


def _assignee(thread: Thread) -> tuple[str, ...]:
    return (thread.assignment.assignee,) if thread.assignment.assignee else ()


def _alarm(thread: Thread, alarm: AlarmKind) -> SendEvent:
    return SendEvent(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=alarm))
