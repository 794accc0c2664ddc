"""The one-tap tally (practice 21): what a conversation was about, in counters that know no conversation.

Rules of this module: a counter has a month, a language and a kind, and nothing that leads back to a thread; each kind
counts once per thread, and what it was counted as is forgotten with it; free words are not counted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from bot.commands.parser import answer, noted, says
from bot.model.actions import THREAD, Action, Post
from bot.model.desk import Facts, Thread
from bot.model.events import Said, Tapped
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned
from bot.model.transactional_actions import Count
from policies.pack import Pack

REF: Final = "tally"
KINDS: Final = {
    "safety": "🛟",
    "shelter": "🏠",
    "legal": "⚖️",
    "medical": "🏥",
    "referral": "➡️",
    "listening": "👂",
    "other": "❔",
    "abandoned": "💨",
}
"""What a conversation can be counted as, and the tap that counts it."""
WAITS: Final = (
    (120.0, "wait_under_2_min"),
    (300.0, "wait_2_to_5_min"),
    (600.0, "wait_5_to_10_min"),
    (1800.0, "wait_10_to_30_min"),
)
LONGER: Final = "wait_over_30_min"
GONE: Final = "gone_when_answered"
UNMET: Final = "unmet_language"
LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
PLAIN: Final = str.maketrans("", "", "\ufe0f")
"""Clients send some symbols with or without the mark that makes them colourful."""


def offer(thread: Thread) -> tuple[Action, ...]:
    """Ask, when a thread is closed, what it was about: one message, to be tapped."""
    if thread.voice.epoch == 0:
        return ()
    taps = " · ".join(f"{tap} {kind}" for kind, tap in KINDS.items())
    asked = "What was it about? Tap what fits (or !tally and the word). It is counted without any link to this thread."
    return (Post(place=THREAD, ref=REF, body=f"{asked}\n{taps}"),)


def tally(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """`!tally kind`, or `!tally unmet vi` for a language that nobody here speaks."""
    if (said := says(event, "tally")) is None:
        return Step(thread)
    kind, _, rest = said.casefold().partition(" ")
    if kind == "unmet" and LANGUAGE.fullmatch(rest):
        thread, actions = _once(thread, UNMET, Count(month=month(facts.now), language=rest, kind=UNMET))
    elif kind in KINDS and not rest:
        thread, actions = _once(thread, kind, count(facts, thread, kind))
    else:
        how = f"Say !tally and one of: {', '.join(KINDS)}; or !tally unmet and the language's two letters (vi, ht, zh)."
        return Step(thread, (noted(event), *answer(facts, event, how)), consumed=True)
    told = "Counted." if actions else "That was counted already."
    return Step(thread, (noted(event), *actions, *answer(facts, event, told)), consumed=True)


def tapped(pack: Pack, facts: Facts, thread: Thread, event: Tapped) -> Step[Thread]:
    """Count what was tapped under the question."""
    key = event.key.translate(PLAIN)
    kind = next((kind for kind, tap in KINDS.items() if key == tap.translate(PLAIN)), None)
    if event.target != REF or kind is None or facts.role(event.sender) is None:
        return Step(thread)
    return Step(*_once(thread, kind, count(facts, thread, kind)))


def waited(pack: Pack, facts: Facts, thread: Thread, event: Assigned) -> Step[Thread]:
    """Count how long a texter waited for their first voice, in steps."""
    if thread.voice.epoch or event.designation not in ("", thread.designation):
        return Step(thread)
    seconds = facts.now - thread.life.since
    return Step(thread, (count(facts, thread, next((kind for limit, kind in WAITS if seconds < limit), LONGER)),))


def gone(facts: Facts, thread: Thread) -> tuple[Action, ...]:
    """Count, when it is over, a conversation in which no text of theirs came after our first words: they had gone."""
    silence = thread.silence
    silent = silence.heard and silence.spoke >= silence.heard and not silence.exchanges
    return (count(facts, thread, GONE),) if silent else ()


def count(facts: Facts, thread: Thread, kind: str) -> Count:
    """Count one, in the month it is (UTC) and the language the thread was held in."""
    return Count(month=month(facts.now), language=thread.consent.language, kind=kind)


def month(now: float) -> str:
    """Return the month of a time, in UTC, as `2027-01`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m")


def _once(thread: Thread, kind: str, one: Count) -> tuple[Thread, tuple[Action, ...]]:
    if kind in thread.tallied:
        return thread, ()
    return replace(thread, tallied=thread.tallied | {kind}), (one,)
