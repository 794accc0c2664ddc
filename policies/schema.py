"""What a pack file may contain.

Rule of this module: strict. An unknown key, a number written as text, a YAML word that became a boolean, a value out of its
range: each is an error with its path, and none shows the value. Every key may be left out, since packs are merged;
`policies.load` reports what no pack has.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from policies.holidays import RULES
from policies.keywords import normalize_keyword
from policies.pack import OPENS_PLACEHOLDER, WAIT_PLACEHOLDER, TextName
from policies.segments import segments
from policies.signs import Sign

DURATION = re.compile(r"(\d{1,6}) ?(s|min|h|days?)")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
UNIT = {"s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}
PERIOD = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)|([01]\d|2[0-3]):([0-5]\d)-24:00")
MOST_SEGMENTS = 3
"""Automatic and canned texts have to be readable at a glance (practice 28)."""


def seconds(value: Any) -> Any:
    """Turn `8 s`, `10 min`, `24 h`, `90 days` into seconds; leave a plain number of seconds as it is."""
    if not isinstance(value, str):
        return value
    match = DURATION.fullmatch(value)
    if match is None:
        raise ValueError("must be a number of seconds, or a number with s, min, h or days")
    return int(match[1]) * UNIT[match[2]]


def day(value: Any) -> Any:
    """Turn `"2026-11-01"` into a date: editors and YAML writers put quotes around it. A date from YAML is unchanged."""
    if not isinstance(value, str):
        return value
    if not DAY.fullmatch(value):
        raise ValueError("must be a date, such as 2026-11-01")
    return date.fromisoformat(value)


def period(value: Any) -> tuple[int, int]:
    """Turn `08:00-20:00` into minutes of the day, the second one not included."""
    match = PERIOD.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be like '08:00-20:00' (in quotes; midnight as an end is 24:00)")
    start, end = (sum(int(n) * m for n, m in zip(t.split(":"), (60, 1), strict=True)) for t in match[0].split("-"))
    if start >= end:
        raise ValueError("must end after it starts; hours over midnight are two periods, on two days")
    return start, end


def normalized_keyword(value: str) -> str:
    """Return a keyword in the form in which messages are compared with it."""
    if not normalize_keyword(value):
        raise ValueError("must be a word")
    return normalize_keyword(value)


NOT_PRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode: control and format characters (some reverse a line), separators of lines and paragraphs."""


def printable(value: str) -> str:
    """Refuse a text that no phone should get: empty, or with invisible characters."""
    if not value.strip() or value != value.strip():
        raise ValueError("must not be empty, nor begin or end with a space")
    if any(unicodedata.category(c) in NOT_PRINTABLE and c != "\n" for c in value):
        raise ValueError("must not contain control characters, nor separators of lines but a line feed")
    return value


def short_enough(value: str) -> str:
    """Refuse a text that takes too many segments."""
    if (count := segments(value).count) > MOST_SEGMENTS:
        raise ValueError(f"takes {count} segments; the most is {MOST_SEGMENTS}, and one is better")
    return value


def holiday_rules(value: str) -> str:
    """Refuse names of rules that do not exist."""
    if value not in RULES:
        raise ValueError(f"there are no such rules (there are {', '.join(RULES)}); other days are `closed`")
    return value


Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
StaffLanguage = Literal["en", "es"]
"""Languages in which the software can speak to staff (`bot.wording`)."""
Keyword = Annotated[str, AfterValidator(normalized_keyword)]
ShortText = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(printable)]
OwnName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]
Period = Annotated[
    tuple[int, int], BeforeValidator(period), WithJsonSchema({"type": "string", "examples": ["08:00-20:00"]})
]
Seconds = Annotated[
    int,
    BeforeValidator(seconds),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{DURATION.pattern}$"}]}),
]
Day = Annotated[date, BeforeValidator(day)]
Holidays = Annotated[str, AfterValidator(holiday_rules), WithJsonSchema({"type": "string", "enum": [*RULES]})]
Undo = Annotated[Seconds, Field(ge=0, le=120)]
Hold = Annotated[Seconds, Field(ge=30, le=86400)]
Duration = Annotated[Seconds, Field(ge=1, le=400 * 86400)]
Count = Annotated[int, Field(ge=1, le=100_000)]


class Part(BaseModel):
    """A strict part of a pack."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class WordingPart(Part):
    """A text in one language. A later pack replaces it whole, so a review never outlives the words it was for.

    `reviewed_digest`: :func:`policies.pack.text_digest` of the words that were reviewed; other words are unreviewed.
    """

    text: Annotated[str, AfterValidator(printable), AfterValidator(short_enough)]
    reviewed_by: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    reviewed_on: Day | None = None
    reviewed_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    sample: bool = False

    @model_validator(mode="after")
    def _whole_review(self) -> Self:
        if (self.reviewed_by is None) != (self.reviewed_on is None):
            raise ValueError("reviewed_by and reviewed_on are given together")
        return self


class TextPart(Part):
    """A text. Once a pack marks it `legal`, no later pack can undo that."""

    legal: bool = False
    statute: ShortText | None = None
    wordings: dict[Language, WordingPart] = Field(default_factory=dict)


class PlaybookTranslation(Part):
    """A playbook in another language that staff read."""

    title: ShortText
    steps: Annotated[list[ShortText], Field(min_length=1, max_length=20)]


class PlaybookPart(Part):
    """Steps for the people in the room. A later pack replaces a playbook whole."""

    title: ShortText
    steps: Annotated[list[ShortText], Field(min_length=1, max_length=20)]
    translations: dict[StaffLanguage, PlaybookTranslation] = Field(default_factory=dict)


class KeywordsPart(Part):
    """Words by language. A later pack adds to them and removes none: every pack honours STOP.

    The last pack that lists an exit word decides what it does.
    """

    stop: dict[Language, list[Keyword]] = Field(default_factory=dict)
    start: dict[Language, list[Keyword]] = Field(default_factory=dict)
    language: dict[Language, list[Keyword]] = Field(default_factory=dict)
    call: dict[Language, list[Keyword]] = Field(default_factory=dict)
    exit: dict[Language, dict[Keyword, Literal["park", "alert"]]] = Field(default_factory=dict)
    help: dict[Language, list[Keyword]] = Field(default_factory=dict)
    wish_to_stop: dict[Language, list[Keyword]] = Field(default_factory=dict)


def _sign(value: Any) -> Sign:
    try:
        return Sign(value)
    except ValueError:
        raise ValueError(f"unknown sign (there are {', '.join(Sign)})") from None


WrittenPhrase = Annotated[str, Field(min_length=1, max_length=400)]
SignName = Annotated[Sign, BeforeValidator(_sign)]


class SignPart(Part):
    """Phrases of one sign in one language, in the syntax of `policies.phrases`.

    `unless`: longer phrases in which a phrase is no sign.
    """

    phrases: Annotated[list[WrittenPhrase], Field(min_length=1)]
    unless: list[WrittenPhrase] = Field(default_factory=list)


Score = Annotated[int, Field(ge=-20, le=20)]


class CuePart(Part):
    """One cue, weak by itself, that words are meant for a colleague (score above 0) or for the texter (below 0).

    It counts once. `phrases` are looked for everywhere, `statements` in sentences that ask nothing, `questions` in those
    that ask. A later pack adds to the three lists and to `unless`, and its `score` replaces the earlier one.
    """

    score: Score | None = None
    phrases: list[WrittenPhrase] = Field(default_factory=list)
    statements: list[WrittenPhrase] = Field(default_factory=list)
    questions: list[WrittenPhrase] = Field(default_factory=list)
    unless: list[WrittenPhrase] = Field(default_factory=list)


class AboutTexterPart(Part):
    """How colleagues speak of a texter in one language, in the syntax of `policies.phrases`: such words are held.

    `phrases` hold by themselves anywhere. Everything else is added up, and held from `enough` on: `statements` count
    `enough` where nothing is asked; each of `cues` counts its score; a word of `reader` addresses the reader and counts
    `reader_score`. `unless`: longer phrases in which none of `phrases` and `statements` counts.
    """

    phrases: list[WrittenPhrase] = Field(default_factory=list)
    statements: list[WrittenPhrase] = Field(default_factory=list)
    unless: list[WrittenPhrase] = Field(default_factory=list)
    cues: dict[OwnName, CuePart] = Field(default_factory=dict)
    reader: list[WrittenPhrase] = Field(default_factory=list)
    reader_score: Annotated[int, Field(ge=-20, le=0)] | None = None
    enough: Annotated[int, Field(ge=1, le=20)] | None = None


class WordsPart(Part):
    """Words of one language with which texts are compared. A later pack adds to them and removes none.

    `function_words`: by which the language is known; accents make no difference, and an entry that is no word then is a
    letter that only this language has. `spelling`: a word, and the words that it stands for. `groups`: words by the name
    that stands for them in phrases.
    """

    function_words: list[WrittenPhrase] = Field(default_factory=list)
    spelling: dict[str, WrittenPhrase] = Field(default_factory=dict)
    groups: dict[OwnName, Annotated[list[WrittenPhrase], Field(min_length=1)]] = Field(default_factory=dict)
    signs: dict[SignName, SignPart] = Field(default_factory=dict)
    about_texter: AboutTexterPart = AboutTexterPart()


class WeekPart(Part):
    """Periods of each day of the week; a day left out is closed."""

    mon: list[Period] = Field(default_factory=list)
    tue: list[Period] = Field(default_factory=list)
    wed: list[Period] = Field(default_factory=list)
    thu: list[Period] = Field(default_factory=list)
    fri: list[Period] = Field(default_factory=list)
    sat: list[Period] = Field(default_factory=list)
    sun: list[Period] = Field(default_factory=list)


class HoursPart(Part):
    """When a person answers. A later pack replaces it whole. `timezone`: also for times that a texter names."""

    always: Literal[True] | None = None
    timezone: str | None = None
    week: WeekPart | None = None
    closed: list[Day] = Field(default_factory=list)
    holidays: list[Holidays] = Field(default_factory=list)
    clock: Literal[12, 24] | None = None
    sample: bool = False

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.always and (self.week or self.closed or self.holidays):
            raise ValueError("is either `always: true`, with a timezone or without, or a timezone with a week")
        if not self.always and not (self.timezone and self.week):
            raise ValueError("needs `always: true`, or a timezone and a week")
        return self


class PersonShiftsPart(Part):
    """When one person is on shift, each week, and on dates that have periods of their own instead (none: off)."""

    who: Annotated[str, Field(pattern=r"^@[a-z0-9._=/+-]+:[^\s@]+$")]
    week: WeekPart = WeekPart()
    dates: dict[Day, list[Period]] = Field(default_factory=dict)


class ShiftsPart(Part):
    """Who is on shift when. A later pack replaces it whole. The time zone is that of the hours, if they have one."""

    timezone: str | None = None
    people: Annotated[list[PersonShiftsPart], Field(min_length=1)]


class SettingsPart(Part):
    """The numbers and choices, with the allowed range of each. The fields are those of `policies.pack.Settings`."""

    undo_seconds: Undo | None = None
    undo_after_join_seconds: Undo | None = None
    undo_after_switch_seconds: Undo | None = None
    late_after_seconds: Annotated[Seconds, Field(ge=30, le=300)] | None = None
    greeting_every_hours: Annotated[int, Field(ge=1, le=24 * 30)] | None = None
    cap: Annotated[int, Field(ge=1, le=50)] | None = None
    message_ttl: Duration | None = None
    idle: Duration | None = None
    grace: Duration | None = None
    client_grace: Annotated[Seconds, Field(ge=2 * 3600, le=400 * 86400)] | None = None
    close_now_grace: Annotated[Seconds, Field(ge=1, le=300)] | None = None
    close_undo: Duration | None = None
    continuing: Duration | None = None
    silence_cues: Annotated[list[Duration], Field(min_length=1, max_length=10)] | None = None
    unclaimed_on_duty: Duration | None = None
    unclaimed_supervisors: Duration | None = None
    unclaimed_on_call: Duration | None = None
    unclaimed_again: Duration | None = None
    audit_retention: Duration | None = None
    receipt_retention: Duration | None = None
    new_threads_per_number_per_hour: Count | None = None
    new_threads_per_minute: Count | None = None
    flood_begins: Annotated[int, Field(ge=2, le=100_000)] | None = None
    flood_ends: Count | None = None
    verdict_delay: Annotated[Seconds, Field(ge=2, le=15)] | None = None
    challenge_window: Annotated[Seconds, Field(ge=30, le=300)] | None = None
    suppression_ttl: Annotated[Seconds, Field(ge=86400, le=1100 * 86400)] | None = None
    stop_resumes: Literal["at_once", "ask"] | None = None
    reply_after_stop: bool | None = None
    break_glass: Literal["never", "second_advocate", "alone"] | None = None
    assignment: Literal["none", "first", "least-loaded"] | None = None
    cold_outbound: bool | None = None
    hold_after_silence: Hold | None = None
    hold_never_answered: Hold | None = None
    help_answer: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_-]{0,30})?$")] | None = None


def _text_name(value: Any) -> TextName:
    try:
        return TextName(value)
    except ValueError:
        raise ValueError(f"unknown text (there are {', '.join(TextName)})") from None


class PackFile(Part):
    """One pack file."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}(/[a-z][a-z0-9-]{0,30})?$")]
    languages: Annotated[list[Language], Field(min_length=1)] | None = None
    staff_language: StaffLanguage | None = None
    settings: SettingsPart = SettingsPart()
    hours: HoursPart | None = None
    shifts: ShiftsPart | None = None
    keywords: KeywordsPart = KeywordsPart()
    words: dict[Language, WordsPart] = Field(default_factory=dict)
    leak_words: list[Keyword] = Field(default_factory=list)
    texts: dict[Annotated[TextName, BeforeValidator(_text_name)], TextPart] = Field(default_factory=dict)
    canned: dict[OwnName, TextPart] = Field(default_factory=dict)
    playbooks: dict[OwnName, PlaybookPart] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _placeholders_where_they_are_said(self) -> Self:
        parts = [(f"texts.{name}", part) for name, part in self.texts.items()]
        parts += [(f"canned.{name}", part) for name, part in self.canned.items()]
        for placeholder, only in ((OPENS_PLACEHOLDER, TextName.AFTER_HOURS), (WAIT_PLACEHOLDER, TextName.GREETING)):
            for name, part in parts:
                if name != f"texts.{only}" and any(placeholder in wording.text for wording in part.wordings.values()):
                    raise ValueError(f"{name} holds {placeholder}, which only texts.{only} may")
        if duplicates := sorted(self.canned.keys() & set(TextName)):
            raise ValueError(f"canned.{duplicates[0]} is the name of one of the texts")
        return self
