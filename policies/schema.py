"""What a pack file may contain.

Rule of this module: strict. An unknown key, a number written as text, a YAML word that became a boolean, a value out of
its range: each is an error with its path, and none shows the value. Every key may be left out, since packs are merged;
what no pack says is found missing by `policies.load`.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from policies.keywords import plain
from policies.pack import TextName

DURATION = re.compile(r"(\d{1,6}) ?(s|min|h|days?)")
UNIT = {"s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}
PERIOD = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)|([01]\d|2[0-3]):([0-5]\d)-24:00")
LONGEST_TEXT = 1600


def seconds(value: Any) -> Any:
    """Turn `8 s`, `10 min`, `24 h`, `90 days` into seconds; leave a plain number of seconds as it is."""
    if not isinstance(value, str):
        return value
    found = DURATION.fullmatch(value)
    if found is None:
        raise ValueError("must be a number of seconds, or a number with s, min, h or days")
    return int(found[1]) * UNIT[found[2]]


def period(value: Any) -> tuple[int, int]:
    """Turn `08:00-20:00` into minutes of the day, the second one not included."""
    found = PERIOD.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be like '08:00-20:00' (in quotes; midnight as an end is 24:00)")
    start, end = (sum(int(n) * m for n, m in zip(t.split(":"), (60, 1), strict=True)) for t in found[0].split("-"))
    if start >= end:
        raise ValueError("must end after it starts; hours over midnight are two periods, on two days")
    return start, end


def keyword(value: str) -> str:
    """Bring a keyword into the form in which messages are compared with it."""
    if not plain(value):
        raise ValueError("must be a word")
    return plain(value)


def sendable(value: str) -> str:
    """Refuse a text that no phone should get: empty, endless, or with characters that cannot be seen."""
    if not value.strip() or value != value.strip():
        raise ValueError("must not be empty, nor begin or end with a space")
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"must not be longer than {LONGEST_TEXT} characters")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn"} and c != "\n" for c in value):
        raise ValueError("must not contain control characters")
    return value


Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Keyword = Annotated[str, AfterValidator(keyword)]
Period = Annotated[tuple[int, int], BeforeValidator(period)]
Undo = Annotated[int, BeforeValidator(seconds), Field(ge=0, le=120)]
Duration = Annotated[int, BeforeValidator(seconds), Field(ge=1, le=400 * 86400)]
Count = Annotated[int, Field(ge=1, le=100_000)]


class Part(BaseModel):
    """A strict part of a pack."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class WordingPart(Part):
    """A text in one language. A later pack replaces it whole, so a review never outlives the words it was for."""

    text: Annotated[str, AfterValidator(sendable)]
    reviewed_by: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    reviewed_on: date | None = None
    sample: bool = False

    @model_validator(mode="after")
    def _whole_review(self) -> Self:
        if (self.reviewed_by is None) != (self.reviewed_on is None):
            raise ValueError("reviewed_by and reviewed_on are given together")
        return self


class TextPart(Part):
    """A text. Once a pack calls it legal, no later pack can take that back."""

    legal: bool = False
    wordings: dict[Language, WordingPart] = Field(default_factory=dict)


class KeywordsPart(Part):
    """Words by language. A later pack adds to them and takes none away: STOP is honoured, whoever wrote the pack."""

    stop: dict[Language, list[Keyword]] = Field(default_factory=dict)
    start: dict[Language, list[Keyword]] = Field(default_factory=dict)
    language: dict[Language, list[Keyword]] = Field(default_factory=dict)


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
    """When somebody answers. A later pack replaces it whole."""

    always: Literal[True] | None = None
    timezone: str | None = None
    week: WeekPart | None = None
    closed: list[date] = Field(default_factory=list)
    sample: bool = False

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.always and (self.timezone or self.week or self.closed):
            raise ValueError("is either `always: true` or a timezone with a week")
        if not self.always and not (self.timezone and self.week):
            raise ValueError("needs `always: true`, or a timezone and a week")
        return self


class SettingsPart(Part):
    """The numbers, with the range in which each makes sense. The fields are those of `policies.pack.Settings`."""

    undo_seconds: Undo | None = None
    undo_after_join_seconds: Undo | None = None
    undo_after_join_window: Duration | None = None
    undo_after_switch_seconds: Undo | None = None
    late_after_seconds: Annotated[int, BeforeValidator(seconds), Field(ge=30, le=3600)] | None = None
    carrier_validity_seconds: Duration | None = None
    greeting_every_hours: Annotated[int, Field(ge=1, le=24 * 30)] | None = None
    cap: Annotated[int, Field(ge=1, le=50)] | None = None
    segments_without_long: Annotated[int, Field(ge=1, le=20)] | None = None
    message_ttl: Duration | None = None
    idle: Duration | None = None
    grace: Duration | None = None
    client_grace: Duration | None = None
    close_undo: Duration | None = None
    continuing: Duration | None = None
    silence_cues: Annotated[list[Duration], Field(min_length=1, max_length=10)] | None = None
    silence_offer_park: Duration | None = None
    unclaimed_on_duty: Duration | None = None
    unclaimed_supervisors: Duration | None = None
    unclaimed_on_call: Duration | None = None
    codeword_failures: Annotated[int, Field(ge=1, le=10)] | None = None
    codeword_window: Duration | None = None
    audit_retention: Duration | None = None
    receipt_retention: Duration | None = None
    new_threads_per_number_per_hour: Count | None = None
    new_threads_per_minute: Count | None = None
    verdict_delay: Annotated[int, BeforeValidator(seconds), Field(ge=1, le=60)] | None = None
    challenge_window: Annotated[int, BeforeValidator(seconds), Field(ge=30, le=3600)] | None = None


def _text_name(value: Any) -> TextName:
    try:
        return TextName(value)
    except ValueError:
        raise ValueError(f"unknown text (there are {', '.join(TextName)})") from None


class PackFile(Part):
    """One pack file."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    languages: Annotated[list[Language], Field(min_length=1)] | None = None
    settings: SettingsPart = SettingsPart()
    hours: HoursPart | None = None
    keywords: KeywordsPart = KeywordsPart()
    texts: dict[Annotated[TextName, BeforeValidator(_text_name)], TextPart] = Field(default_factory=dict)
