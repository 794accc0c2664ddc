"""Asks for a codeword in an office.

Rules of this module: every message in the office during an enrolment is redacted at once. The desk knows who is asked and
never what they wrote. An interrupted enrolment keeps nothing. Between the first answer and the second, the words are in the
bridge's memory and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.codeword.check import WRITTEN_IN_ROOM
from bot.commands.parser import ParsedCommand, names_a_word
from bot.model.actions import OFFICE, RedactEvent, SendMessage
from bot.model.codeword_state import LONGEST, MOST_WORDS, SHORTEST, Enrolment, Flaw
from bot.model.desk import Desk, Facts
from bot.model.events import Content, IgnoreReason, MemberLeft, MessageIgnored, MessageSent, Relation, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import EnrolmentFinished, EnrolmentRequested
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.wording.durations import spell_duration
from bot.wording.notice import notice_of
from policies.pack import COVER_LINES, Pack, TextName

TIMER: Final = "word:"
ANSWER_WITHIN: Final = 300.0
"""Seconds in which each of the two answers has to come."""
REDACT_FOR: Final = 600.0
"""Seconds after that in which messages there are still redacted: people answer late, and these are no codewords any more.
"""
MAX_EVENT_IDS: Final = 20
ASK_DURESS_WORD: Final = notice_of("enrolment.redacted_and_taken_now_the")
WORDS_TAKEN: Final = notice_of("enrolment.redacted_and_taken_it_is")
WORD_ALONE: Final = notice_of("enrolment.here_a_word_is_written")
PLAIN_RELATIONS: Final = (Relation.NONE, Relation.TEXTER_REPLY, Relation.OTHER_REPLY)


def pending_answer(desk: Desk, event: MessageSent, command: ParsedCommand | None) -> Enrolment | None:
    """Return the enrolment that a message in an office answers, or None. A command, or what resembles one, is no answer.

    `command`: `parse` of its body.
    """
    seems = command is not None and event.relation is not Relation.EDIT
    return None if seems else _enrolment(desk, event)


def is_plain(event: MessageSent) -> bool:
    """Tell whether a message could be a codeword: new, text, and addressed to nobody."""
    return event.content is Content.TEXT and event.relation in PLAIN_RELATIONS and not event.mentioned_users


def ask_codeword(pack: Pack, facts: Facts, desk: Desk, event: EnrolmentRequested) -> Step[Desk]:
    """Ask for the codeword; an enrolment of that person that was under way is forgotten."""
    if desk.member(event.user) is None:
        return Step(desk)
    until = facts.now + ANSWER_WITHIN
    enrolment = Enrolment(user=event.user, thread=event.thread, designation=event.designation, until=until)
    body = notice_of(
        "enrolment.codeword_for_only_one_that",
        designation=event.designation,
        grace=spell_duration(pack.settings.grace),
        longer=spell_duration(pack.settings.continuing),
    )
    actions = (
        SendMessage(place=OFFICE + event.user, body=body),
        SendMessage(place=OFFICE + event.user, body=_what_the_phone_shows(pack, event.language)),
        SetTimer(key=TIMER + event.user, due=until),
    )
    return Step(_with(desk, event.user, enrolment), actions)


def _flaw(flaw: Flaw) -> str:
    """Say why a word is not accepted."""
    return notice_of(f"flaw.{flaw.name.lower()}", shortest=SHORTEST, most_words=MOST_WORDS, longest=LONGEST)


def _what_the_phone_shows(pack: Pack, language: str) -> str:
    """Return what the survivor has to know to recognise it: the question for the word, what follows, the cover lines."""
    lines = " ".join(f"“{pack.say(name, language)}”" for name in COVER_LINES)
    return notice_of(
        "enrolment.they_need_these_by_voice",
        challenge=pack.say(TextName.CHALLENGE, language),
        answer=pack.say(TextName.VERIFIED, language),
        lines=lines,
    )


def redact_codeword(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand | None) -> Step[Desk]:
    """Redact what stands behind a command about words, at the desk or in an office: it may be a codeword.

    The same holds for what looks like a mistyped command, while a word is being asked for.
    """
    seems = command is not None and command.command is None and event.relation is not Relation.EDIT
    if not names_a_word(event.body) and not (seems and _enrolment(desk, event) is not None):
        return Step(desk)
    own = event.place == OFFICE + event.sender
    notice = notice_of("check.redacted_and_not_taken", written_in_room=WORD_ALONE if own else WRITTEN_IN_ROOM)
    redacted = RedactEvent(place=event.place, event_id=event.event_id)
    return Step(desk, (redacted, SendMessage(place=event.place, body=notice)), consumed=True)


def take_word(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand | None) -> Step[Desk]:
    """Redact the answer, and continue: ask for the duress word, pass both to the thread, or ask again with a reason."""
    redacted = RedactEvent(place=event.place, event_id=event.event_id)
    if event.relation is Relation.EDIT and event.target in desk.codeword_event_ids:
        # A person who edits an accepted word meant another one.
        user = event.place.removeprefix(OFFICE)
        why = SendMessage(place=event.place, body=notice_of("enrolment.redacted_as_well_a_word"))
        return Step(_with(desk, user, None), (redacted, CancelTimer(key=TIMER + user), why), consumed=True)
    enrolment = pending_answer(desk, event, command)
    if enrolment is None or facts.enrolment_answer is None:
        return Step(desk)
    desk = replace(desk, codeword_event_ids=(*desk.codeword_event_ids, event.event_id)[-MAX_EVENT_IDS:])
    user, over = enrolment.user, CancelTimer(key=TIMER + enrolment.user)
    if facts.now > enrolment.until:
        why = SendMessage(place=event.place, body=notice_of("enrolment.redacted_and_not_taken_it"))
        return Step(_with(desk, user, None), (redacted, over, why), consumed=True)
    flaw, digests = facts.enrolment_answer.flaw, facts.enrolment_answer.digests
    if flaw is Flaw.LOST:
        why = SendMessage(place=event.place, body=notice_of("enrolment.redacted_nothing_is_kept_say", flaw=_flaw(flaw)))
        return Step(_with(desk, user, None), (redacted, over, why), consumed=True)
    if digests is not None:
        chosen = SendEvent(owner=enrolment.thread, event=EnrolmentFinished(user=user, digests=digests))
        done = SendMessage(place=event.place, body=WORDS_TAKEN)
        return Step(_with(desk, user, None), (redacted, over, chosen, done), consumed=True)
    enrolment = replace(
        enrolment, until=facts.now + ANSWER_WITHIN, wants_duress_word=enrolment.wants_duress_word or flaw is None
    )
    body = ASK_DURESS_WORD if flaw is None else notice_of("enrolment.redacted_and_not_taken_another", flaw=_flaw(flaw))
    notice = (redacted, SendMessage(place=event.place, body=body), SetTimer(key=over.key, due=enrolment.until))
    return Step(_with(desk, user, enrolment), notice, consumed=True)


def redact_ignored(pack: Pack, facts: Facts, desk: Desk, event: MessageIgnored) -> Step[Desk]:
    """Redact what could not be accepted while a word was asked for; a word sent unencrypted is no codeword any more."""
    enrolment = _enrolment(desk, event)
    if enrolment is None:
        return Step(desk)
    redacted = RedactEvent(place=event.place, event_id=event.event_id)
    if event.reason is not IgnoreReason.UNENCRYPTED:
        return Step(desk, (redacted,))
    why = SendMessage(place=event.place, body=notice_of("enrolment.redacted_it_was_not_encrypted"))
    return Step(_with(desk, enrolment.user, None), (redacted, CancelTimer(key=TIMER + enrolment.user), why))


def end_enrolment(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Forget an enrolment that was not finished in time."""
    if not event.key.startswith(TIMER):
        return Step(desk)
    enrolment = next((a for a in desk.enrolments if a.user == event.key.removeprefix(TIMER)), None)
    if enrolment is None:
        return Step(desk, consumed=True)
    if facts.now < enrolment.until:
        return Step(desk, (SetTimer(key=event.key, due=enrolment.until),), consumed=True)
    if facts.now >= enrolment.until + REDACT_FOR:
        return Step(_with(desk, enrolment.user, None), consumed=True)
    body = notice_of("enrolment.five_minutes_are_over_no", designation=enrolment.designation)
    again = SetTimer(key=event.key, due=enrolment.until + REDACT_FOR)
    return Step(desk, (SendMessage(place=OFFICE + enrolment.user, body=body), again), consumed=True)


def forget_member(pack: Pack, facts: Facts, desk: Desk, event: MemberLeft) -> Step[Desk]:
    """Forget the enrolment of a person who has left the desk, or the office."""
    return Step(_with(desk, event.user, None))


def _enrolment(desk: Desk, event: MessageSent | MessageIgnored) -> Enrolment | None:
    return next((a for a in desk.enrolments if event.place == OFFICE + a.user and event.sender == a.user), None)


def _with(desk: Desk, user: str, enrolment: Enrolment | None) -> Desk:
    others = tuple(other for other in desk.enrolments if other.user != user)
    return replace(desk, enrolments=(*others, enrolment) if enrolment is not None else others)
