"""A thread whose phone has an agreed word, and texts with words, for the tests of the codeword."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from bot.language.codeword_forms import MASK
from bot.model.actions import SendSms
from bot.model.codeword_state import CodewordMatch, CodewordState, SendLock
from bot.model.desk import Facts, Thread
from bot.model.events import Outcome, TextOutcome, TimerDue
from bot.model.feature import Step
from policies.pack import COVER_LINES, TextName
from tests.bot.examples import arrived, at, held, of, said, then
from tests.bot.strategies import DIGESTS, PACK, UNDO

DELAY: Final = PACK.settings.verdict_delay
WINDOW: Final = PACK.settings.challenge_window
CHALLENGE = PACK.say(TextName.CHALLENGE)
VERIFIED = PACK.say(TextName.VERIFIED)
UNVERIFIED = PACK.say(TextName.UNVERIFIED)
COVERS = tuple(PACK.say(name) for name in COVER_LINES)


def agreed(**changed: Any) -> Thread:
    """Return a thread with Ana as its assignee, an agreed word, and a text that has just arrived."""
    thread = held()
    thread = replace(thread, codeword=CodewordState(digests=DIGESTS, **changed))
    step: Step[Thread] = then(thread, arrived("hello again", id="recent"), at(0))
    return step.aggregate


def locked(lock: SendLock) -> Thread:
    """Return such a thread whose phone is locked."""
    return agreed(lock=lock, spent=lock is SendLock.DURESS)


def asked(thread: Thread | None = None, *, seconds: float = 0.0, name: str = "$v") -> Thread:
    """Return a thread whose challenge the carrier accepted as early as possible after `!verify`."""
    thread = then(thread or agreed(), said("!verify", event_id=name), at(seconds)).aggregate
    thread = then(thread, TimerDue(key="send"), at(seconds + UNDO)).aggregate
    step: Step[Thread] = then(thread, TextOutcome(ref=f"say:{name}", outcome=Outcome.ACCEPTED), at(seconds + UNDO))
    return step.aggregate


def comes(thread: Thread, word: CodewordMatch, seconds: float, body: str = MASK, **changed: Any) -> Step[Thread]:
    """Decide a text in which the bridge found this word."""
    return then(thread, arrived(body, seconds=seconds, **changed), holding(word, seconds))


def holding(word: CodewordMatch, seconds: float) -> Facts:
    """Return the facts of that time, with the word that the bridge found."""
    return at(seconds, codeword_match=word)


def leaving(step: Step[Thread]) -> list[tuple[str, float]]:
    """Return the texts that a step sends to the phone, each with its earliest time."""
    return [(text.body, text.not_before) for text in of(SendSms, step)]
