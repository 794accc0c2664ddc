"""The language of the agency's texts for a phone, as far as the texter shows it (practice 25).

Rules of this module: a texter who asks for a language by its word gets it, at any time. Before anybody has answered, the
language of the texter's words is taken where it is clear (`policies.language_guess`); later a person decides, by `!lang`.
A keyword or a single word alone changes no language that was told: who writes Spanish may text HELP, as notices say it.
The room shows a change in one line, and so does the desk.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.language.codeword_forms import cached_reading, meaning, unmask
from bot.model.actions import THREAD, SendMessage
from bot.model.desk import Facts, Thread
from bot.model.events import TextArrived
from bot.model.feature import Step
from bot.model.thread import ThreadState
from bot.safety.inbound_cues import TALK
from bot.wording.notice import READ, notice_of
from policies.keywords import MessageMeaning
from policies.language_guess import guess_language
from policies.pack import Pack

NAMES: Final = {code: notice_of(f"language.{code}") for code in READ}
HINT: Final = "language hint"


def choose_language(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Choose the language that a text asks for, or, while nobody has answered, the one that it is clearly written in."""
    consent = thread.consent
    means = meaning(event.body, pack)
    if means.language:
        consent = replace(consent, language=means.language, language_chosen=True)
    elif (
        not consent.language_chosen
        and means.from_a_person
        and thread.lifecycle.state is not ThreadState.OPEN
        and (not thread.silence.told_language or _is_sentence(event.body, means))
        and (written := _guess_language(pack, event)) is not None
    ):
        consent = replace(consent, language=written)
    return Step(replace(thread, consent=consent) if consent != thread.consent else thread)


def tell_language(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Tell the room once when the language of the agency's texts changed, or perhaps should change."""
    silence, now = thread.silence, thread.consent.language
    if now != (silence.told_language or pack.languages[0]):
        body = notice_of("language_choice.language_the_agencys_texts_for", name=_name(now))
        return Step(replace(thread, silence=replace(silence, told_language=now)), (SendMessage(place=THREAD, body=body),))
    means = meaning(event.body, pack)
    written = _guess_language(pack, event) if means.from_a_person and not means.language else None
    if written in (None, now) or HINT in silence.cues_shown:
        return Step(thread)
    body = notice_of("language_choice.this_seems_to_be_the", name=_name(written or ""), leaves=_name(now), written=written)
    silence = replace(silence, cues_shown=silence.cues_shown | {HINT})
    return Step(replace(thread, silence=silence), (SendMessage(place=THREAD, body=body),))


def _is_sentence(body: str, means: MessageMeaning) -> bool:
    return means.meaning in TALK and len(body.split()) > 1


def _guess_language(pack: Pack, event: TextArrived) -> str | None:
    """Return the language of the line in which a text is clearly written, or None."""
    return cached_reading(_read_language, event.body, pack)


def _read_language(body: str, pack: Pack) -> str | None:
    return guess_language(unmask(body), pack.function_words)


def _name(language: str) -> str:
    return NAMES.get(language, language)
