"""The codeword: what follows when the agreed word comes, or does not (practice 10).

Rules of this module: after the duress word the phone gets the same bytes at the same moment as after the codeword. So a
decision may depend on which of the two it was only in what staff see, and in the lock, which holds only words that a person
wrote. A word that was texted is spent, because it can be read on that phone. The bridge has found and masked the word
before (`Facts.word`); this module never sees a word.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands.parser import ParsedCommand, names_a_word
from bot.commands.stray_commands import may_mean_stop
from bot.display.ringing import no_supervisor_notice
from bot.language.codeword_forms import count_words, meaning
from bot.lifecycle import retention
from bot.lifecycle.recap import REMOVE_RECAP
from bot.model.actions import DESK, THREAD, Action, DeliveryReceipt, Origin, RedactEvent, SendMessage, SendSms, ShowReceipt
from bot.model.codeword_state import CodewordMatch, CodewordState, SendLock
from bot.model.desk import Facts, Thread
from bot.model.events import MessageSent, Outcome, Relation, TextArrived, TextOutcome, TimerDue
from bot.model.feature import Step, raise_alarm
from bot.model.retention import retention_of
from bot.model.text_order import seconds_since
from bot.model.thread import HeldText, PendingText
from bot.model.thread_desk_events import AlarmKind, DuressFlagChanged
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.safety import inbound_cues
from bot.safety.danger_signs import signs_of
from bot.sending.reply_after_stop import drop_reply
from bot.sending.undo_window import MAY_MEAN_STOP, cancel, hold_pending
from bot.sending.unsent_texts import agreed_for_others, hold_on_stop_word
from bot.wording.notice import join_notices, notice_of
from policies.keywords import Meaning
from policies.pack import Pack, TextName
from policies.signs import Sign

TIMER: Final = "challenge"
MIN_VERDICT_DELAY: Final = 1.0
"""Seconds between a verdict and its answer, at least, so that other effects of the verdict cannot show in it."""
MAX_GUESSES: Final = 12
"""Words of a text beyond which a codeword in it may be one guess of many: then it is spent, and verifies nothing."""
CLOCK_TOLERANCE: Final = 2.0
"""Seconds by which a carrier's clock, or its rounding, may put a text before the challenge that it answers."""
DONE_ALL_THE_SAME: Final = frozenset({"unsafe", "different", "stopped", "block", "escalate"})
"""Commands that only stop words or call people: an agreed word in their reason does not keep them from being done."""
WRITTEN_IN_ROOM: Final = notice_of("check.a_word_that_stood_in")
PARTLY_COMPARED: Final = notice_of("check.that_text_is_too_long")
WITHOUT_WORD: Final = notice_of("check.their_answer_has_not_the_word")
DURESS: Final = notice_of("check.duress_the_duress_word_came")


def check_text(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Handle what the bridge found in a text: the codeword, the duress word, or, after a challenge, neither."""
    codeword = thread.codeword
    if meaning(event.body, pack).from_a_person:  # what a phone sends by itself shows nobody's hand
        codeword = replace(codeword, last_text_at=max(codeword.last_text_at, event.at))
        thread = replace(thread, codeword=codeword)
    if codeword.digests is None:
        return Step(thread)
    # What is no answer, such as a wish for no more texts, gets no reply even with the word in it: a guesser learns nothing.
    is_challenge_answer = _answers_challenge(pack, codeword, event) and _is_words(pack, event)
    partly = (SendMessage(place=THREAD, body=PARTLY_COMPARED),) if facts.partly_compared else ()
    if facts.codeword_match is CodewordMatch.NONE:
        if not is_challenge_answer:
            return Step(thread, partly)
        thread, notice = _apply_missing_word(pack, facts, thread)
        name = TextName.UNVERIFIED
    else:
        thread, notice = _apply_word(pack, facts, thread, is_challenge_answer=is_challenge_answer, event=event)
        name = TextName.VERIFIED
    answer = _answer(pack, facts, thread, event, name) if is_challenge_answer else ()
    if answer:
        # One answer to one text: no automatic reply to the rest of it as well.
        thread = replace(thread, silence=replace(thread.silence, last_auto_reply=name.value, auto_replied=True))
    return Step(thread, (*answer, *notice, *partly))


def note_challenge_outcome(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Start to wait for the answer once the carrier took the challenge; give up when the carrier never takes it."""
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
    """End a challenge that nobody answered. Silence is no failure."""
    if event.key != TIMER:
        return Step(thread)
    if not thread.codeword.challenge_sent_at:
        return Step(thread, consumed=True)
    if facts.now < (over := thread.codeword.challenge_sent_at + pack.settings.challenge_window):
        return Step(thread, (SetTimer(key=TIMER, due=over),), consumed=True)
    notice = (SendMessage(place=THREAD, body=notice_of("check.the_challenge_was_not_answered")),)
    return Step(_end_challenge(thread), () if thread.codeword.spent else notice, consumed=True)


def redact_codeword(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """Redact a colleague's message with a word, an agreed one or one to be: it neither stays in the room nor leaves.

    A command that stops the phone, or calls a person, is done all the same: the words behind it are a reason, and masked.
    """
    notice = notice_of("check.that_held_an_agreed_word")
    if names_a_word(event.body):
        notice = notice_of("check.redacted_and_not_taken", written_in_room=WRITTEN_IN_ROOM)
    elif facts.codeword_match is CodewordMatch.NONE:
        return Step(thread)
    redaction = (RedactEvent(place=THREAD, event_id=event.event_id), REMOVE_RECAP, SendMessage(place=THREAD, body=notice))
    if command is not None and command.name in DONE_ALL_THE_SAME:
        return Step(thread, redaction)
    edit = event.relation is Relation.EDIT
    marks = () if edit else (ShowReceipt(place=THREAD, event_id=event.event_id, receipt=DeliveryReceipt.NOT_SENT),)
    thread, stopped = _stop_replaced(thread, event) if edit else _hold_if_meant(pack, facts, thread, event, command)
    return Step(thread, (*marks, *stopped, *redaction), consumed=True)


def _stop_replaced(thread: Thread, event: MessageSent) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel the words that an edit was to replace, because its author does not want to say them any more."""
    why, reply = notice_of("check.its_author_was_changing_it"), thread.consent.reply
    known: tuple[PendingText | HeldText, ...] = (*thread.sending.pending, *thread.sending.held)
    if any(words.event_id == event.target and words.author == event.sender for words in known):
        return cancel(thread, event.target, why)
    if reply is not None and (reply.event_id, reply.author) == (event.target, event.sender):
        return drop_reply(thread, why, again=True)
    return thread, ()


def _hold_if_meant(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> tuple[Thread, tuple[Action, ...]]:
    """Hold what has not left when the redacted words of a member may mean that: "he has the phone, stop"."""
    if facts.role(event.sender) is None:
        return thread, ()
    if may_mean_stop(event.body):
        return hold_pending(facts, thread, MAY_MEAN_STOP)
    step = hold_on_stop_word(pack, facts, thread, event, command)
    return step.aggregate, step.actions


def _answers_challenge(pack: Pack, codeword: CodewordState, event: TextArrived) -> bool:
    """Tell whether a text may answer the challenge, by the text's own time: a day later it does not."""
    soon = (
        codeword.challenge_sent_at - CLOCK_TOLERANCE
        <= event.at
        <= codeword.challenge_sent_at + pack.settings.challenge_window
    )
    return bool(codeword.challenge and codeword.challenge_sent_at) and soon


def _is_words(pack: Pack, event: TextArrived) -> bool:
    """Tell whether a person answered in words: pictures, keywords and what phones send by themselves count for nothing.

    Nor does a wish for no more texts, whose answer is a person's, nor "he's here": another text would light up that phone.
    """
    talks = bool(event.body.strip()) and meaning(event.body, pack).meaning is Meaning.CONVERSATION
    return talks and Sign.LEAVING not in signs_of(pack, event)


def _apply_word(
    pack: Pack, facts: Facts, thread: Thread, *, is_challenge_answer: bool, event: TextArrived
) -> tuple[Thread, tuple[Action, ...]]:
    """Record a word that was texted. Whatever the phone can ever notice of it is the same for both words."""
    codeword, duress = thread.codeword, facts.codeword_match is CodewordMatch.DURESS
    again = codeword.spent
    # A challenge that has not left would come after its answer.
    thread, stopped = (
        cancel(thread, codeword.challenge, notice_of("check.the_word_has_come_already"))
        if codeword.challenge
        else (thread, ())
    )
    # One that the phone shows is open until it is answered, as after a wrong word in the same text.
    is_open = bool(codeword.challenge_sent_at) and not is_challenge_answer
    thread, over = (thread, ()) if is_open else (_end_challenge(thread), (CancelTimer(key=TIMER),))
    failures = codeword.failures if again else ()
    thread = replace(thread, codeword=replace(thread.codeword, spent=True, ever_texted=True, failures=failures))
    common = (*stopped, *over, SetTimer(key=retention.IDLE, due=facts.now + retention_of(pack, thread).idle))
    if duress:
        thread = replace(thread, codeword=replace(thread.codeword, lock=SendLock.DURESS, duress_at=facts.now))
        addressees = (
            notice_of("check.the_desk_and_the_supervisors")
            if facts.supervisors
            else notice_of("check.the_desk_is_told", nobody_decides=no_supervisor_notice(facts))
        )
        notice = SendMessage(
            place=THREAD, body=join_notices(" ", (DURESS, addressees)), mentions=thread.assignment.mentions
        )
        mark = SendEvent(owner=DESK, event=DuressFlagChanged(thread=thread.id, duress=True))
        return thread, (*common, notice, mark, raise_alarm(thread, AlarmKind.DURESS))
    if again:
        notice = SendMessage(place=THREAD, body=notice_of("check.the_burned_codeword_came_once"))
        return thread, (*common, notice)
    if seconds_since(event.at, facts.now) > pack.settings.late_after_seconds:
        body = notice_of("check.the_codeword_came_late_who")
        return thread, (*common, SendMessage(place=THREAD, body=body, mentions=thread.assignment.mentions))
    if count_words(event.body) > MAX_GUESSES:
        body = notice_of("check.the_codeword_came_among_many")
        return thread, (*common, SendMessage(place=THREAD, body=body, mentions=thread.assignment.mentions))
    thread = replace(thread, codeword=replace(thread.codeword, verified_at=event.at))
    how = notice_of("check.as_the_answer_to_the") if is_challenge_answer else notice_of("check.without_being_asked_for")
    locked = notice_of("check.what_is_locked_stays_so") if codeword.lock is not SendLock.NONE else ""
    body = notice_of("check.the_codeword_came_it_is", how=how, locked=locked)
    return thread, (*common, SendMessage(place=THREAD, body=body))


def _apply_missing_word(pack: Pack, facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Count an answer without the word; after the third within a day, hold free words."""
    settings, codeword = pack.settings, thread.codeword
    if codeword.spent:  # the word came before, in a text that was no answer
        return _end_challenge(thread), (CancelTimer(key=TIMER),)
    recent = tuple(at for at in codeword.failures if facts.now - at < settings.codeword_window)
    failures = (*recent, facts.now)[-settings.codeword_failures :]
    thread = _end_challenge(thread)
    thread = replace(thread, codeword=replace(thread.codeword, failures=failures))
    count = notice_of("check.the_answer_does_not_hold", failures=len(failures), most=settings.codeword_failures)
    if len(failures) < settings.codeword_failures:
        # It may be a slip, and it may be another person: something has changed (practice 11).
        thread = replace(thread, silence=replace(thread.silence, recheck_safety=True))
        thread, held_back = hold_pending(facts, thread, WITHOUT_WORD, spared=agreed_for_others(pack, thread))
        return thread, (
            CancelTimer(key=TIMER),
            *held_back,
            inbound_cues.safe_check_cue(notice_of("check.a_slip_perhaps_verify_asks", count=count)),
        )
    if thread.codeword.lock is SendLock.NONE:
        thread = replace(thread, codeword=replace(thread.codeword, lock=SendLock.UNVERIFIED))
    body = notice_of("check.unverified_possible_duress", count=count, locked=guard.LOCKED[SendLock.UNVERIFIED])
    if not facts.supervisors:
        body = join_notices(" ", (body, no_supervisor_notice(facts)))
    notice = SendMessage(place=THREAD, body=body, mentions=thread.assignment.mentions)
    return thread, (CancelTimer(key=TIMER), notice, raise_alarm(thread, AlarmKind.UNVERIFIED))


def _answer(pack: Pack, facts: Facts, thread: Thread, event: TextArrived, name: TextName) -> tuple[Action, ...]:
    """Reply to the answer of a challenge, a fixed time after it came; show the room what the phone gets."""
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
    # Not by the text's name: after the duress word nothing in the room may read as if it were verified.
    shown = notice_of("sending.answered_by_itself", name=notice_of("check.whatever_follows_the_check"), body=body)
    return (answer, SendMessage(place=THREAD, body=shown))


def _end_challenge(thread: Thread) -> Thread:
    return replace(thread, codeword=replace(thread.codeword, challenge="", challenge_sent_at=0.0))
