"""The one-tap tally (practice 21): counts what conversations were about, without a link to any of them.

Rules of this module: a counter has a month, a language and a kind, and nothing that leads back to a thread. Each kind
counts once per thread; the thread's record of it is forgotten with the thread. Free words are not counted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from bot.commands.parser import ParsedCommand, answer, answer_as_note, mark_as_note
from bot.model.actions import THREAD, Action, SendMessage
from bot.model.desk import Facts, Thread
from bot.model.events import MessageSent, ReactionAdded
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned
from bot.model.transactional_actions import IncrementCounter
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack

QUESTION: Final = "tally"
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
"""The kinds of conversations, and the reaction for each."""
WAIT_STEPS: Final = (
    (120.0, "wait_under_2_min"),
    (300.0, "wait_2_to_5_min"),
    (600.0, "wait_5_to_10_min"),
    (1800.0, "wait_10_to_30_min"),
)
LONGEST_WAIT: Final = "wait_over_30_min"
GONE_WHEN_ANSWERED: Final = "gone_when_answered"
UNMET_LANGUAGE: Final = "unmet_language"
LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
NO_VARIATION: Final = str.maketrans("", "", "\ufe0f")
"""Clients send some symbols with or without the mark that makes them colourful."""


def ask_kind(thread: Thread, closing: str) -> SendMessage:
    """Say that a thread closes and ask what it was about, in one message with reactions; only if it had an assignee."""
    if thread.assignment.epoch == 0:
        return SendMessage(place=THREAD, body=closing)
    taps = " · ".join(f"{tap} {kind}" for kind, tap in KINDS.items())
    question = notice_of("tally.what_was_it_about_tap")
    return SendMessage(place=THREAD, ref=QUESTION, body=join_notices("\n", (closing, question, taps)))


def tally(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!tally kind`, or `!tally unmet vi` for a language that nobody here speaks."""
    said = command.arguments
    kind, _, rest = said.casefold().partition(" ")
    if kind == "unmet" and LANGUAGE.fullmatch(rest):
        thread, actions = _count_once(
            thread, UNMET_LANGUAGE, IncrementCounter(month=month_of(facts.now), language=rest, kind=UNMET_LANGUAGE)
        )
    elif kind in KINDS and not rest:
        thread, actions = _count_once(thread, kind, count(facts, thread, kind))
    else:
        how = notice_of("tally.say_tally_and_one_of", kinds=", ".join(KINDS))
        return answer_as_note(facts, thread, event, how)
    notice = notice_of("tally.counted") if actions else notice_of("tally.that_was_counted_already")
    notice = notice_of("drills.not_counted") if thread.drill else notice
    return Step(thread, (mark_as_note(event), *actions, *answer(facts, event, notice)), consumed=True)


def count_reaction(pack: Pack, facts: Facts, thread: Thread, event: ReactionAdded) -> Step[Thread]:
    """Count the reaction under the question."""
    key = event.key.translate(NO_VARIATION)
    kind = next((kind for kind, tap in KINDS.items() if key == tap.translate(NO_VARIATION)), None)
    if event.target != QUESTION or kind is None or facts.role(event.sender) is None:
        return Step(thread)
    return Step(*_count_once(thread, kind, count(facts, thread, kind)))


def count_wait(pack: Pack, facts: Facts, thread: Thread, event: Assigned) -> Step[Thread]:
    """Count how long a texter waited for their first assignee, in steps."""
    if thread.assignment.epoch or event.designation not in ("", thread.designation):
        return Step(thread)
    seconds = facts.now - thread.lifecycle.since
    return Step(
        thread, (count(facts, thread, next((kind for limit, kind in WAIT_STEPS if seconds < limit), LONGEST_WAIT)),)
    )


def count_abandoned(facts: Facts, thread: Thread) -> tuple[Action, ...]:
    """Count a conversation, when it is over, in which no text came after our first words: the texter had gone."""
    silence = thread.silence
    silent = silence.heard_at and silence.spoke_at >= silence.heard_at and not silence.exchanges
    return (count(facts, thread, GONE_WHEN_ANSWERED),) if silent else ()


def count(facts: Facts, thread: Thread, kind: str) -> IncrementCounter:
    """Count one, in the current month (UTC) and the thread's language."""
    return IncrementCounter(month=month_of(facts.now), language=thread.consent.language, kind=kind)


def month_of(now: float) -> str:
    """Return the month of a time, in UTC, as `2027-01`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m")


def _count_once(thread: Thread, kind: str, one: IncrementCounter) -> tuple[Thread, tuple[Action, ...]]:
    if kind in thread.tallied:
        return thread, ()
    return replace(thread, tallied=thread.tallied | {kind}), (one,)
