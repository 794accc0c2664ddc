"""A pack as the rest of the house sees it: merged, checked, frozen.

Rule of this module: it is data and the standard library only, because `bot` reads it; what a pack file may contain is in
`policies.schema`, how files become one pack is in `policies.load`. There are no defaults here: the base pack holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum, unique


@unique
class TextName(StrEnum):
    """Everything the agency may say by itself or by one command. Each pack line has each of them in each language."""

    GREETING = "greeting"
    LIMITS = "limits"
    DEVICE = "device"
    AFTER_HOURS = "after_hours"
    UNAVAILABLE = "unavailable"
    CLOSING = "closing"
    HANDOVER = "handover"
    STOP = "stop"
    PICTURE = "picture"
    CHALLENGE = "challenge"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    COVER_1 = "cover_1"
    COVER_2 = "cover_2"
    COVER_3 = "cover_3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text in one language, and who reviewed exactly these words, when. A sample must be replaced before a real line."""

    text: str
    reviewed_by: str | None
    reviewed_on: date | None
    sample: bool

    @property
    def reviewed(self) -> bool:
        """Whether somebody stands for these words."""
        return self.reviewed_by is not None and self.reviewed_on is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text in all languages of the line. Legal: it says something the agency's counsel must have read."""

    name: TextName
    legal: bool
    wordings: Mapping[str, Wording]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """Whole messages with a meaning, in the form that `policies.keywords.plain` gives. `language`: word to language."""

    stop: frozenset[str]
    start: frozenset[str]
    language: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When somebody answers. Local time of `timezone`; `week` is Monday to Sunday, each a row of [from, to) in minutes."""

    always: bool
    timezone: str
    week: tuple[tuple[tuple[int, int], ...], ...]
    closed: frozenset[date]
    sample: bool

    def open_at(self, local: datetime) -> bool:
        """Tell whether the line is open at a wall-clock time of its own time zone (any `tzinfo` is ignored)."""
        if self.always:
            return True
        minute = local.hour * 60 + local.minute
        return local.date() not in self.closed and any(a <= minute < b for a, b in self.week[local.weekday()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The numbers. Seconds unless the name says otherwise; what each is for is told in the base pack."""

    undo_seconds: int
    undo_after_join_seconds: int
    undo_after_join_window: int
    undo_after_switch_seconds: int
    late_after_seconds: int
    carrier_validity_seconds: int
    greeting_every_hours: int
    cap: int
    segments_without_long: int
    message_ttl: int
    idle: int
    grace: int
    client_grace: int
    close_undo: int
    continuing: int
    silence_cues: tuple[int, ...]
    silence_offer_park: int
    unclaimed_on_duty: int
    unclaimed_supervisors: int
    unclaimed_on_call: int
    codeword_failures: int
    codeword_window: int
    audit_retention: int
    receipt_retention: int
    new_threads_per_number_per_hour: int
    new_threads_per_minute: int
    verdict_delay: int
    challenge_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """All packs of a line as one. `names`: those it was made of, in order. The first language is the one for a stranger."""

    names: tuple[str, ...]
    languages: tuple[str, ...]
    settings: Settings
    hours: Hours
    keywords: Keywords
    texts: Mapping[TextName, Text] = field(repr=False)

    def say(self, name: TextName, language: str | None = None) -> str:
        """Return a text in a language of the line; in the line's first when it is not one of them, or not known."""
        wordings = self.texts[name].wordings
        return wordings[language if language in self.languages else self.languages[0]].text


def unreviewed(pack: Pack) -> tuple[str, ...]:
    """Name the legal wordings that nobody reviewed, as `limits.es`. A line that is no rehearsal does not start with any."""
    return tuple(
        f"{text.name}.{language}"
        for text in pack.texts.values()
        if text.legal
        for language, wording in text.wordings.items()
        if not wording.reviewed
    )


def samples(pack: Pack) -> tuple[str, ...]:
    """Name what still holds an example's telephone number or hours, as `after_hours.en` or `hours`. Not for a real line."""
    found = [
        f"{text.name}.{language}"
        for text in pack.texts.values()
        for language, wording in text.wordings.items()
        if wording.sample
    ]
    return (*found, "hours") if pack.hours.sample else tuple(found)
