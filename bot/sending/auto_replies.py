"""Automatic replies: only the immediate answer to a text that has just arrived (design.md, "Rules of the phone").

Rules of this module: the greeting promises a person only while the line is open and a person is on duty (practice 29). It
is sent once per twelve hours and language, and never to tapbacks or automatic replies. Whoever came in a flood gets nothing
before a person has the conversation. A text gets one automatic reply. Without a person's words between them, a second one
follows the first only to correct when a person answers (practices 28 and 29), in a language that was asked for, or because
a carrier forces one. Every automatic reply is shown in the room.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands import canned_texts
from bot.language.codeword_forms import meaning
from bot.model.actions import THREAD, Action, Origin, SendMessage, SendSms
from bot.model.desk import Facts, Thread
from bot.model.events import TextArrived
from bot.model.feature import Step
from bot.model.thread import ThreadState
from bot.wording.notice import notice_of
from policies.hours import open_at
from policies.keywords import normalize_keyword
from policies.pack import Pack, TextName

SAME_PROMISE = frozenset({TextName.GREETING, TextName.UNAVAILABLE})
"""These change with every `!on` and `!off`: they count as the same reply."""
PROMISES = frozenset({*SAME_PROMISE, TextName.AFTER_HOURS, TextName.OUTAGE})
"""Answers to a first text: the greeting promises that a person answers; any other says that nobody can."""

NOT_FIRST: Final = frozenset({TextName.AFTER_HOURS, TextName.UNAVAILABLE})
"""Texts that promise that we text nobody first. An agency's own wording is taken to keep that promise."""

PICTURE_ANSWERED: Final = "picture answered"
"""The mark in the conversation that the texter knows that pictures do not come through, from the line or a person."""
HELP: Final = "help_answer"
HELP_WORDS: Final = frozenset({"help", "info"})
"""The words that carriers want answered. A texter who sends 911, SOS or AYUDA hears from a person alone."""


def note_flood(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Note that a conversation begins in a flood, whatever its first text says.

    Who comes in a flood may be nobody. They count as greeted, so that the next conversation brings no greeting either.
    """
    if not event.rate_limited:
        return Step(thread)
    named = (TextName.GREETING, TextName.AFTER_HOURS, TextName.OUTAGE)
    as_if = {_key(language, name): facts.now for language in pack.languages for name in named}
    consent = replace(thread.consent, greeted=tuple(sorted(as_if.items())))
    return Step(replace(thread, consent=consent, silence=replace(thread.silence, from_flood=True)))


def greet(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Answer a texter without an assignee, in the language they asked for by its word; and a picture, once."""
    means = meaning(event.body, pack)
    if not thread.answerable or not means.from_a_person or _waits_in_flood(thread):
        return Step(thread)
    name = first_answer(pack, facts)
    if (
        thread.lifecycle.state is ThreadState.WAITING
        and _is_news(pack, facts, thread, name, means.language)
        and not _was_greeted(pack, facts, thread, name, means.language)
    ):
        new, actions = _answer(pack, facts, thread, event, name)
        if actions:
            new = _record_greeting(facts, new, name)
        return Step(new, actions)
    silence = thread.silence
    alone = not (silence.auto_replied_before or silence.auto_replied or PICTURE_ANSWERED in silence.cues_shown)
    if event.media and alone and name is TextName.GREETING:
        new, actions = _answer(pack, facts, thread, event, TextName.PICTURE)
        if actions:
            new = replace(new, silence=replace(new.silence, cues_shown=new.silence.cues_shown | {PICTURE_ANSWERED}))
        return Step(new, actions)
    return Step(thread)


def _waits_in_flood(thread: Thread) -> bool:
    """Tell whether a texter from a flood waits for a person: until then nothing of theirs is answered by itself."""
    return thread.silence.from_flood and not thread.assignment.epoch


def first_answer(pack: Pack, facts: Facts) -> TextName:
    """Return the answer to a first text: it promises a person only while the line is open and a person is on duty."""
    if facts.outage:
        return TextName.OUTAGE
    if not open_at(pack.hours, facts.wall_clock):
        return TextName.AFTER_HOURS
    return TextName.GREETING if facts.staffed else TextName.UNAVAILABLE


def _is_news(pack: Pack, facts: Facts, thread: Thread, name: TextName, asked_language: str) -> bool:
    """Tell whether this reply may follow an automatic reply when no person has said anything since.

    It may when the earlier one was long ago, or is not true any more: it promised a person and now nobody can answer, or
    the other way round. A texter who asks for a language by its word is answered in it.
    """
    silence, long = thread.silence, pack.settings.greeting_every_hours * 3600
    recent = any(facts.now - at < long for _, at in thread.consent.greeted)
    if asked_language or not recent or not (silence.auto_replied_before or silence.auto_replied):
        return True
    return silence.last_auto_reply in PROMISES and (silence.last_auto_reply == TextName.GREETING) != (
        name is TextName.GREETING
    )


def answer_help(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> tuple[Thread, tuple[Action, ...]]:
    """Answer HELP and INFO, and no other word for help, by the agency's one text, if a carrier forces an answer."""
    name = pack.settings.help_answer
    if (
        not name
        or normalize_keyword(event.body) not in HELP_WORDS
        or _waits_in_flood(thread)
        or _was_greeted(pack, facts, thread, HELP, "")
    ):
        return thread, ()
    answer = _auto_reply(pack, facts, thread, event, name, kind=HELP)
    if guard.may_send(pack, thread, answer, facts.now, facts.designations) is not None:
        return thread, ()
    thread, shown = _show(_record_greeting(facts, thread, HELP), name, answer)
    return thread, (answer, *shown)


def _answer(
    pack: Pack, facts: Facts, thread: Thread, event: TextArrived, name: TextName
) -> tuple[Thread, tuple[Action, ...]]:
    answer = _auto_reply(pack, facts, thread, event, name)
    if guard.may_send(pack, thread, answer, facts.now, facts.designations) is not None:
        return thread, ()
    thread = replace(thread, silence=replace(thread.silence, last_auto_reply=name.value, auto_replied=True))
    if name in NOT_FIRST:
        thread = replace(thread, signs=replace(thread.signs, promised_at=facts.now))
    thread, shown = _show(thread, name, answer)
    return thread, (answer, *shown)


def _auto_reply(pack: Pack, facts: Facts, thread: Thread, event: TextArrived, name: str, *, kind: str = "") -> SendSms:
    body = canned_texts.wording(pack, facts, thread, name)
    # Its ref holds its name: the carrier's report of this text, and of no other, is noted under that name (practice 26).
    ref = f"{kind or name}:{event.id}"
    return SendSms(ref=ref, body=body, origin=Origin.AUTO_REPLY, epoch=thread.assignment.epoch, since=event.at)


def _show(thread: Thread, name: str, answer: SendSms) -> tuple[Thread, tuple[Action, ...]]:
    """Show the automatic reply in the room, or, while the thread has no assignee, on its card."""
    if thread.assignment.epoch or thread.assignment.members:
        notice = notice_of("sending.answered_by_itself", name=name, body=answer.body)
        return thread, (SendMessage(place=THREAD, body=notice),)
    alone = (*thread.silence.answered_alone, (str(name), answer.body))
    return replace(thread, silence=replace(thread.silence, answered_alone=alone)), ()


def _record_greeting(facts: Facts, thread: Thread, name: str) -> Thread:
    greeted = dict(thread.consent.greeted) | {_key(thread.consent.language, name): facts.now}
    return replace(thread, consent=replace(thread.consent, greeted=tuple(sorted(greeted.items()))))


def _key(language: str, name: str) -> str:
    return language if name in SAME_PROMISE else f"{language} {name}"


def _was_greeted(pack: Pack, facts: Facts, thread: Thread, name: str, asked_language: str) -> bool:
    """Tell whether the texter got this within the time; if asked for by its word, whether in that language."""
    languages = (asked_language,) if asked_language else {*pack.languages, thread.consent.language}
    greeted = dict(thread.consent.greeted)
    times = (greeted.get(_key(language, name)) for language in languages)
    return any(at is not None and facts.now - at < pack.settings.greeting_every_hours * 3600 for at in times)
