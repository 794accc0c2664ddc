"""Signs of danger in a text: a cue in the room, and a mark at the desk while the thread waits (practices 9, 12, 39).

Rules of this module: a sign is a guess (`policies.signs`). People are told of it, and it stops words of ours that wait
(`break_off`). It sends nothing. It is kept with the conversation only, by its name and without a word of the texter. The
same sign causes one cue in `sign_cue` seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.language.codeword_forms import cached_reading, meaning, unmask
from bot.model.actions import THREAD, SendMessage
from bot.model.desk import Facts, Thread
from bot.model.events import TextArrived
from bot.model.feature import Step
from bot.safety.inbound_cues import MAX_SEARCHED, TALK
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack
from policies.signs import DANGERS, Sign, find_signs

CUES: Final = {
    Sign.DANGER_NOW: notice_of("danger_signs.they_may_be_in_danger"),
    Sign.SUICIDE: notice_of("danger_signs.they_may_be_thinking_of"),
    Sign.STRANGLED: notice_of("danger_signs.they_may_have_been_choked"),
    Sign.WEAPON: notice_of("danger_signs.there_may_be_a_weapon"),
    Sign.OTHER_HANDS: (notice_of("danger_signs.somebody_else_may_have_the")),
    Sign.THIRD_PARTY: (notice_of("danger_signs.this_may_be_somebody_else")),
    Sign.LEAVING: (notice_of("danger_signs.they_may_have_to_break")),
}
"""The cue for each sign, in the order in which the room shows them."""


def mark_danger(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Mark a thread without an assignee that has a sign of danger, before the desk hears of it and shows its first card."""
    if thread.silence.danger or thread.assignment.assignee or not signs_of(pack, event) & DANGERS:
        return Step(thread)
    return Step(replace(thread, silence=replace(thread.silence, danger=True)))


def cue_signs(
    pack: Pack, facts: Facts, thread: Thread, text_signs: frozenset[Sign]
) -> tuple[Thread, tuple[SendMessage, ...]]:
    """Tell the room and its assignee of the signs in a text, each once in a while. A sign of danger marks the thread."""
    shown = dict(thread.silence.signs)
    due = [
        sign
        for sign in CUES
        if sign in text_signs
        and not 0 <= facts.now - shown.get(sign.value, -pack.settings.sign_cue) < pack.settings.sign_cue
    ]
    danger = thread.silence.danger or bool(text_signs & DANGERS)
    signs = tuple(sorted((shown | {sign.value: facts.now for sign in due}).items()))
    called = thread.assignment.mentions
    posts = tuple(
        SendMessage(place=THREAD, body=join_notices("", ("⚠️ " if sign in DANGERS else "", CUES[sign])), mentions=called)
        for sign in due
    )
    return replace(thread, silence=replace(thread.silence, danger=danger, signs=signs)), posts


def signs_of(pack: Pack, event: TextArrived) -> frozenset[Sign]:
    """Return the signs in words of a person. A codeword in them reads like any other word."""
    if meaning(event.body, pack).meaning not in TALK:
        return frozenset()
    return cached_reading(_read_signs, event.body, pack)


def _read_signs(body: str, pack: Pack) -> frozenset[Sign]:
    return find_signs(unmask(body[:MAX_SEARCHED]), pack.signs.values())
