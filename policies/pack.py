"""A pack as all other parts see it: merged, checked, frozen.

Rule of this module: it is data and the standard library only, because `bot` reads it; what a pack file may contain is in
`policies.schema`, how files become one pack is in `policies.load`. There are no defaults here: the base pack holds them.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum, unique
from typing import ClassVar, Final

from policies.fictional import find_fictional
from policies.holidays import holidays
from policies.phrase_matcher import Matcher


@unique
class TextName(StrEnum):
    """Everything the agency may say by itself or by one command. A line's pack has each of them in each language."""

    GREETING = "greeting"
    LIMITS = "limits"
    DEVICE = "device"
    AFTER_HOURS = "after_hours"
    UNAVAILABLE = "unavailable"
    CLOSING = "closing"
    HANDOVER = "handover"
    STOP = "stop"
    PICTURE = "picture"
    OPTIONS = "options"
    TIPS_IPHONE = "tips_iphone"
    TIPS_ANDROID = "tips_android"
    RIGHTS = "rights"
    CLARIFY = "clarify"
    OUTAGE = "outage"
    DIFFERENT = "different"
    URGENT = "urgent"
    SWITCH = "switch"
    LATER = "later"
    SAFE_CHECK = "safe_check"
    CHALLENGE = "challenge"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    COVER_1 = "cover_1"
    COVER_2 = "cover_2"
    COVER_3 = "cover_3"


COVER_LINES: Final = (TextName.COVER_1, TextName.COVER_2, TextName.COVER_3)
"""The texts that may leave for a locked phone; none is an answer to the person who has it."""

OPENS_PLACEHOLDER: Final = "{opens}"
"""Placeholder in the after-hours text for when the line opens again."""
WAIT_PLACEHOLDER: Final = "{wait}"
"""Placeholder in the greeting, right behind a word, for how long an answer usually takes; it may be replaced by nothing."""

LANGUAGE_OFFER: Final = re.compile(r"\s*[^\W\d_]+: ([A-Z]{2})\.?$")
"""The offer of another language at the end of a text, by the word for it: `Español: ES`."""


@unique
class BreakGlass(StrEnum):
    """Who may let the number be seen while no other supervisor is on duty: nobody, a second advocate, or one alone."""

    NEVER = "never"
    SECOND = "second_advocate"
    ALONE = "alone"


@unique
class AssignmentMode(StrEnum):
    """Who gets a waiting thread: the advocate who claims it, the first on duty who may, or the one with the fewest."""

    NONE = "none"
    FIRST = "first"
    LEAST_LOADED = "least-loaded"


@unique
class ResumeMode(StrEnum):
    """What START after a STOP does: it resumes at once, or it asks the people in the room."""

    AT_ONCE = "at_once"
    ASK = "ask"


@unique
class ExitAction(StrEnum):
    """What a silent exit word does. Nothing is sent to the phone either way."""

    PARK = "park"
    ALERT = "alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text in one language, and who reviewed exactly these words, when. A sample must be replaced before a real line."""

    text: str
    reviewed_by: str | None
    reviewed_on: date | None
    sample: bool

    @property
    def is_reviewed(self) -> bool:
        """Whether a person reviewed these words."""
        return self.reviewed_by is not None and self.reviewed_on is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackText:
    """A text in all languages of the line. Legal: it says something the agency's counsel must have read.

    `name` is a :class:`TextName` or the agency's own; `statute` names the law that counsel has to compare the words with.
    """

    name: str
    legal: bool
    wordings: Mapping[str, Wording]
    statute: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """What people in the room do in a situation, step by step (practice 39). It is never sent to a phone."""

    title: str
    steps: tuple[str, ...]
    translations: Mapping[str, Playbook] = field(default_factory=dict)
    """The same in other languages, by code, for staff who read those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """Whole messages with a meaning, in the form that `policies.keywords.normalize_keyword` gives.

    `language`: word to language. `exit`: word to what it does. `wish_to_stop` are no whole messages but phrases within one.
    """

    stop: frozenset[str]
    start: frozenset[str]
    language: Mapping[str, str]
    call: frozenset[str]
    exit: Mapping[str, ExitAction]
    help: frozenset[str]
    wish_to_stop: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Opening hours. Local time of `timezone`; `week` is Monday to Sunday, each a row of [from, to) in minutes.

    Closed on the dates of `closed` and on those that the rules named in `holidays` give. `clock`: 12 or 24 hours, as it is
    written in texts. `policies.hours` converts seconds since the epoch into local time.
    """

    always: bool
    timezone: str
    week: tuple[tuple[tuple[int, int], ...], ...]
    closed: frozenset[date]
    holidays: tuple[str, ...]
    clock: int
    sample: bool

    def open_at(self, local: datetime) -> bool:
        """Tell whether the line is open at a local time of its own time zone (any `tzinfo` is ignored)."""
        if self.always:
            return True
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.on(local.date()))

    def on(self, day: date) -> tuple[tuple[int, int], ...]:
        """Return the periods of a day, ignoring `always`."""
        if day in self.closed or any(day in holidays(name, day.year) for name in self.holidays):
            return ()
        return self.week[day.weekday()]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonShifts:
    """When one person is on shift: `week` as in :class:`Hours`; a day of `dates` has its own periods instead.

    `spans`: further shifts, in seconds since the epoch, in order and disjoint (`shifts.calendar_file`).
    """

    who: str = field(repr=False)
    week: tuple[tuple[tuple[int, int], ...], ...]
    dates: Mapping[date, tuple[tuple[int, int], ...]]
    spans: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifts:
    """The calendar of shifts, in local time of `timezone`; `policies.shifts` says who is on.

    `until`: the end of the calendar (seconds since the epoch); that of a pack has no end.
    """

    timezone: str
    people: tuple[PersonShifts, ...]
    until: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The numbers and choices. Seconds unless the name says otherwise; the base pack explains each."""

    undo_seconds: int
    undo_after_join_seconds: int
    undo_after_switch_seconds: int
    late_after_seconds: int
    greeting_every_hours: int
    cap: int
    message_ttl: int
    idle: int
    grace: int
    client_grace: int
    close_now_grace: int
    close_undo: int
    continuing: int
    silence_cues: tuple[int, ...]
    unclaimed_on_duty: int
    unclaimed_supervisors: int
    unclaimed_on_call: int
    unclaimed_again: int
    audit_retention: int
    receipt_retention: int
    new_threads_per_number_per_hour: int
    new_threads_per_minute: int
    flood_begins: int
    flood_ends: int
    verdict_delay: int
    challenge_window: int
    suppression_ttl: int
    stop_resumes: ResumeMode
    reply_after_stop: bool
    break_glass: BreakGlass
    assignment: AssignmentMode
    cold_outbound: bool
    hold_after_silence: int
    hold_never_answered: int
    help_answer: str
    """The name of the one of `canned` that answers HELP and INFO, where a carrier forces an answer; empty: none does."""

    # What no agency sets.
    # The longer undo window applies for this long after anyone joined the room.
    undo_after_join_window: ClassVar[int] = 300
    # The carrier is told to give up after this, where it can be told.
    carrier_validity_seconds: ClassVar[int] = 900
    # Longer texts need `!long`; six are 918 letters, or 402 with accents or emoji.
    segments_without_long: ClassVar[int] = 6
    # Wrong answers within `codeword_window` after which a check locks.
    codeword_failures: ClassVar[int] = 3
    codeword_window: ClassVar[int] = 86_400
    # A thread that is offered (`!transfer`) can be accepted for this long.
    offer_stands: ClassVar[int] = 600
    # Whoever was given a thread unasked and shows no sign in this time loses it again.
    assignment_answer: ClassVar[int] = 180
    # After so long a silence the room is offered to park the conversation.
    silence_offer_park: ClassVar[int] = 3600
    # The same sign of danger in a conversation brings its cue once in this time.
    sign_cue: ClassVar[int] = 600
    # Whoever comes back after so long is asked again whether texting is safe: a cue in the room.
    return_cue: ClassVar[int] = 1800
    # ... after so long the number may have a new owner: a cue to check who it is.
    dormant_cue: ClassVar[int] = 30 * 86_400
    # A flood is over when no more than `flood_ends` a minute have come for this long.
    flood_calm: ClassVar[int] = 300
    # Of those who wait in a flood without a card, so many get one at a time.
    flood_cards: ClassVar[int] = 5
    # Words are held when the last text is older than this and the texter said not to be texted first.
    hold_first_no: ClassVar[int] = 300
    # ... or this, after the line's own "we won't text you first".
    hold_after_promise: ClassVar[int] = 900
    # ... or when the thread is, or was so short a time ago, offered to a colleague.
    hold_after_offer: ClassVar[int] = 300
    # ... or when a colleague wrote in the room so short a time ago, and the words are about the texter.
    hold_after_colleague: ClassVar[int] = 120


PHRASES, STATEMENTS, QUESTIONS, READER = "phrases", "statements", "questions", "reader"
"""Labels of the lists of `AboutTexter`."""


@dataclass(frozen=True, slots=True)
class AboutTexter:
    """How colleagues speak of a texter in one language (`policies.schema.AboutTexterPart`).

    `matcher`: its labels are `PHRASES`, `STATEMENTS`, `READER`, and for a cue `cues.NAME.phrases` and so on. `scores`: by
    name of a cue. `enough`: the sum from which words are held. `reader`: what is subtracted for a word that addresses the
    reader.
    """

    matcher: Matcher
    scores: Mapping[str, int]
    enough: int
    reader: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """All packs of a line as one. `names`: those it was made of, in order. The first language is the one for a stranger.

    `canned`: the agency's own texts, by the name that `!say` takes. `leak_words`: what must never reach a phone, in the
    form in which `policies.agency_words` compares. `signs`: the lists of each language that a pack has, also of those that
    the line does not speak; `about_texter`: likewise; `function_words`: of the line's languages. `staff_language`: in which
    the software speaks to staff who chose none.
    """

    names: tuple[str, ...]
    languages: tuple[str, ...]
    staff_language: str
    settings: Settings
    hours: Hours
    keywords: Keywords
    texts: Mapping[TextName, PackText] = field(repr=False)
    canned: Mapping[str, PackText] = field(repr=False)
    playbooks: Mapping[str, Playbook] = field(repr=False)
    leak_words: frozenset[str] = field(repr=False)
    signs: Mapping[str, Matcher] = field(repr=False)
    about_texter: Mapping[str, AboutTexter] = field(repr=False)
    function_words: Mapping[str, frozenset[str]] = field(repr=False)
    shifts: Shifts | None = None
    """Who is on when; None: the agency keeps no calendar here, and only `!on` and `!off` say who is on duty."""

    def say(self, name: str, language: str | None = None, *, opens: str | None = None, wait: str = "") -> str:
        """Return a text in a language of the line; in the line's first when the language is another, or not known.

        `name` is a :class:`TextName` or the name of a canned text (else ValueError). `opens` is when the line opens again,
        in words (`policies.hours.opening_text`); without it the after-hours text could not say when, so `unavailable` is
        said. `wait` is how long an answer usually takes, in words (`policies.hours.waiting_text`).
        """
        text = self.canned[name] if name in self.canned else self.texts[TextName(name)]
        words = text.wordings[language if language in self.languages else self.languages[0]].text
        if OPENS_PLACEHOLDER in words and opens is None:
            return self.say(TextName.UNAVAILABLE, language)
        return words.replace(OPENS_PLACEHOLDER, opens or "").replace(WAIT_PLACEHOLDER, wait)

    @property
    def wordings(self) -> Iterator[tuple[PackText, str, Wording]]:
        """Yield every wording with its text and language: first the base pack's texts, then the canned ones."""
        for text in (*self.texts.values(), *self.canned.values()):
            for language, wording in text.wordings.items():
                yield text, language, wording


def text_digest(text: str) -> str:
    """Return the digest by which a review names exactly these words: SHA-256 of their UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def unreviewed(pack: Pack) -> tuple[str, ...]:
    """Name the legal wordings that nobody reviewed, as `limits.es`. A real line does not start with any."""
    return tuple(f"{text.name}.{language}" for text, language, w in pack.wordings if text.legal and not w.is_reviewed)


def samples(pack: Pack) -> tuple[str, ...]:
    """Name what still has an example's telephone number or hours, as `after_hours.en` or `hours`. Not for a real line.

    The words themselves are checked as well: an example that was copied into another pack is still one.
    """
    names = [
        f"{text.name}.{language}"
        for text, language, wording in pack.wordings
        if wording.sample or find_fictional(wording.text) is not None
    ]
    return (*names, "hours") if pack.hours.sample else tuple(names)
