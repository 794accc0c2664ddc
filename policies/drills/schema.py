"""What a file of a drill may contain.

Rule of this module: strict, as a pack file is (`policies/schema.py`): an unknown key, an unknown fact, a missing language,
a step with two meanings is an error with its path. `flaws` checks a script as a whole.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from policies.drills.script import (
    LANGUAGES,
    Branch,
    Brief,
    Check,
    DrillFact,
    DrillScript,
    End,
    Go,
    Mark,
    Pause,
    Point,
    Step,
    Text,
    Wait,
)
from policies.schema import Language, Part, Seconds, printable

LONGEST_TEXT = 600
"""Characters of a sentence of a script."""
LONGEST_PAUSE = 600
LONGEST_WAIT = 900
PRACTICES = 41

Sentence = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(printable)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


def _every_language(words: dict[str, str]) -> dict[str, str]:
    missing = [language for language in LANGUAGES if language not in words]
    if missing:
        raise ValueError(f"is not there in {', '.join(missing)}")
    return words


Sentences = Annotated[dict[Language, Sentence], AfterValidator(_every_language)]


def _fact(value: Any) -> DrillFact:
    try:
        return DrillFact(value)
    except ValueError:
        raise ValueError(f"unknown fact (there are {', '.join(DrillFact)})") from None


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


FactName = Annotated[DrillFact, BeforeValidator(_fact)]
FactNames = Annotated[list[FactName], Field(min_length=1), BeforeValidator(_as_list)]


class WaitPart(Part):
    """`wait: {for: answered, at_most: 3 min, otherwise: alone}`."""

    for_: Annotated[FactNames, Field(alias="for")]
    at_most: Annotated[Seconds, Field(ge=1, le=LONGEST_WAIT)]
    otherwise: Name | None = None


class BranchPart(Part):
    """`if: {fact: limits, then: told, otherwise: not-told}`."""

    fact: FactNames
    then: Name
    otherwise: Name


class StepPart(Part):
    """One step: exactly one of these keys."""

    text: Sentences | None = None
    second: Sentences | None = None
    picture: Sentences | None = None
    pause: Annotated[Seconds, Field(ge=1, le=LONGEST_PAUSE)] | None = None
    wait: WaitPart | None = None
    if_: Annotated[BranchPart | None, Field(alias="if")] = None
    mark: Name | None = None
    brief: Sentences | None = None
    go: Name | None = None
    end: bool | None = None

    @model_validator(mode="after")
    def _one_meaning(self) -> StepPart:
        said = [name for name in self.model_fields_set if getattr(self, name) is not None]
        if len(said) != 1 or len(self.model_fields_set) != 1 or self.end is False:
            raise ValueError("must be one of text, second, picture, pause, wait, if, mark, brief, go, end: true")
        return self

    @property
    def step(self) -> Step:
        """The step that it describes."""
        if self.wait is not None:
            wait = self.wait
            return Wait(facts=frozenset(wait.for_), seconds=wait.at_most, otherwise=wait.otherwise or "")
        if self.if_ is not None:
            return Branch(facts=frozenset(self.if_.fact), then=self.if_.then, otherwise=self.if_.otherwise)
        if (words := self.text or self.second or self.picture) is not None:
            return Text(words=words, second=self.second is not None, picture=self.picture is not None)
        if self.brief is not None:
            return Brief(words=self.brief)
        if self.pause is not None:
            return Pause(seconds=self.pause)
        return Mark(name=self.mark) if self.mark else Go(scene=self.go) if self.go else End()


class PointPart(Part):
    """One point of the debrief."""

    practice: Annotated[int, Field(ge=1, le=PRACTICES)]
    fact: FactNames
    after: Name | None = None
    before: Name | None = None
    within: Annotated[Seconds, Field(ge=1)] | None = None
    never: bool = False
    well: Sentences
    next_time: Sentences

    @property
    def point(self) -> Point:
        """The point that it describes."""
        check = Check(
            facts=frozenset(self.fact),
            after=self.after or "",
            before=self.before or "",
            within=self.within or 0,
            never=self.never,
        )
        return Point(practice=self.practice, check=check, well=self.well, next_time=self.next_time)


class DrillFile(Part):
    """One file of a drill."""

    name: Name
    title: Sentences
    about: Sentences
    scenes: Annotated[dict[Name, Annotated[list[StepPart], Field(min_length=1)]], Field(min_length=1)]
    debrief: Annotated[list[PointPart], Field(min_length=1)]

    @property
    def script(self) -> DrillScript:
        """The script that it describes."""
        return DrillScript(
            name=self.name,
            title=self.title,
            about=self.about,
            scenes={name: tuple(part.step for part in parts) for name, parts in self.scenes.items()},
            points=tuple(part.point for part in self.debrief),
        )
