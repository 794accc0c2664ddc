"""Reads files of drills into scripts.

Rules of this module: a line does not start on a bad script; its author gets all problems at once, each with its file and
path. A file is read as strictly as a pack (`policies/schema.py`); then the script is checked as a whole: every way through
it ends within an hour, every scene exists and can be reached, no number in it can be a person's. Quietline's own scripts
are read first; a script of the agency with the same name replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from policies.drills.script import (
    FIRST_SCENE,
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
    Words,
    targets,
)
from policies.fictional import find_fictional
from policies.load import PackError
from policies.schema import Language, Part, Seconds, printable
from policies.yaml_file import UNREADABLE, key_path, parse_yaml, unreadable_reason

SCRIPTS: Final = Path(__file__).parent / "scripts"
LONGEST_TEXT: Final = 600
"""Characters of a sentence of a script."""
LONGEST_PAUSE: Final = 600
LONGEST_WAIT: Final = 900
PRACTICES: Final = 41
LONGEST_DRILL: Final = 3600
"""Seconds that a drill may last when the advocate does nothing."""
NUMBER: Final = re.compile(r"(?<!\w)(?:\+|\()?\d(?:[\s().\-/]{0,3}\d){6,14}(?!\w)")
"""What may be a telephone number: seven digits or more, however they are grouped."""
ADDRESS: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\S+|\bwww\.\S+")
LEAVES: Final = (Go, Branch, End)
"""Steps after which nothing of a scene is played."""

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


def load_drills(own: Iterable[str | Path] = (), *, near: Path | None = None) -> Mapping[str, DrillScript]:
    """Read Quietline's own scripts and the agency's, by name, in order of their names.

    A path in `own` is relative to `near`, and is a file or a folder of files. Raises :class:`PackError` with all problems.
    """
    problems: list[str] = []
    files = [*sorted(SCRIPTS.glob("*.yaml"))]
    for path in own:
        full_path = (near or Path()) / path
        files += sorted(full_path.glob("*.yaml")) if full_path.is_dir() else [full_path]
    scripts = [script for file in files if (script := read_drill(file, problems)) is not None]
    if problems:
        raise PackError(problems)
    return MappingProxyType({script.name: script for script in sorted(scripts, key=lambda script: script.name)})


def read_drill(path: Path, problems: list[str]) -> DrillScript | None:
    """Read one file; None, with the reason in `problems`, when it cannot be played."""
    where = f"drills/{path.name}"
    try:
        raw = parse_yaml(path)
    except UNREADABLE as error:
        problems.append(f"{where}: {unreadable_reason(error, path)}")
        return None
    try:
        script = DrillFile.model_validate(raw).script
    except ValidationError as error:
        for e in error.errors(include_input=False, include_url=False):
            place = key_path(e["loc"])
            what = e["msg"].removeprefix("Value error, ")
            problems.append(f"{where}: {place}: {'unknown key' if e['type'] == 'extra_forbidden' else what}")
        return None
    problems += [f"{where}: {flaw}" for flaw in flaws(script)]
    return script


def flaws(script: DrillScript) -> tuple[str, ...]:
    """Return what is wrong with a script, each a sentence that begins with its place."""
    sentences = [*_scene_flaws(script), *_mark_flaws(script), *_number_flaws(script)]
    if not sentences and (length := _length(script, FIRST_SCENE, 0)) > LONGEST_DRILL:
        sentences.append(f"scenes: the longest way takes {length // 60} minutes; let it take an hour at most")
    return tuple(sentences)


def _scene_flaws(script: DrillScript) -> Iterator[str]:
    if FIRST_SCENE not in script.scenes:
        yield f"scenes: there is no scene “{FIRST_SCENE}”, with which a drill begins"
        return
    if not isinstance(_first(script), Text):
        yield f"scenes.{FIRST_SCENE}: the texter says nothing at the beginning; let it begin with a text"
    for scene, steps in script.scenes.items():
        for number, step in enumerate(steps):
            last = number == len(steps) - 1
            if last and not isinstance(step, LEAVES):
                yield f"scenes.{scene}: it stops; let it end with `go`, `if` or `end: true`"
            if not last and isinstance(step, LEAVES):
                yield f"scenes.{scene}.{number}: nothing behind this step is played; take it out"
            for target in targets(step):
                if target not in script.scenes:
                    yield f"scenes.{scene}.{number}: there is no scene “{target}”"
    reached, looping = _walk(script)
    for scene in script.scenes:
        if scene in looping:
            yield f"scenes.{scene}: it leads back to itself; a drill has no loops"
        elif scene not in reached:
            yield f"scenes.{scene}: no step leads to it; take it out, or lead to it"


def _first(script: DrillScript) -> object:
    return next((step for step in script.scenes[FIRST_SCENE] if not isinstance(step, Brief | Mark)), None)


def _walk(script: DrillScript) -> tuple[set[str], set[str]]:
    """Return the scenes that can be reached from the first, and those that lead back to themselves."""
    following = {
        scene: {target for step in steps for target in targets(step) if target in script.scenes}
        for scene, steps in script.scenes.items()
    }

    def beyond(scene: str) -> set[str]:
        scenes: set[str] = set()
        waiting = set(following[scene])
        while waiting:
            scenes |= waiting
            waiting = set().union(*(following[each] for each in waiting)) - scenes
        return scenes

    return {FIRST_SCENE} | beyond(FIRST_SCENE), {scene for scene in script.scenes if scene in beyond(scene)}


def _mark_flaws(script: DrillScript) -> Iterator[str]:
    marks = {step.name for steps in script.scenes.values() for step in steps if isinstance(step, Mark)}
    for number, point in enumerate(script.points):
        for mark in (point.check.after, point.check.before):
            if mark and mark not in marks:
                yield f"debrief.{number}: no step marks “{mark}”"


def _number_flaws(script: DrillScript) -> Iterator[str]:
    for path, words in _sentences(script):
        for language, sentence in words.items():
            if any(find_fictional(number) is None for number in NUMBER.findall(sentence)):
                yield f"{path}.{language}: holds a number that may be somebody's; say one of 555-0100 to 555-0199"
            if any(find_fictional(address) is None for address in ADDRESS.findall(sentence)):
                yield f"{path}.{language}: holds an address that may be somebody's; say one at example.org"


def _sentences(script: DrillScript) -> Iterator[tuple[str, Words]]:
    yield from (("title", script.title), ("about", script.about))
    for scene, steps in script.scenes.items():
        for number, step in enumerate(steps):
            if isinstance(step, Text | Brief):
                yield f"scenes.{scene}.{number}", step.words
    for number, point in enumerate(script.points):
        yield from ((f"debrief.{number}.well", point.well), (f"debrief.{number}.next_time", point.next_time))


def _length(script: DrillScript, scene: str, number: int) -> int:
    """Return the seconds of the longest way from a step. Only for a script without loops."""
    steps = script.scenes[scene]
    if number == len(steps):
        return 0
    step = steps[number]
    if isinstance(step, LEAVES):
        return max((_length(script, target, 0) for target in targets(step)), default=0)
    here = step.seconds if isinstance(step, Pause | Wait) else 0
    ways = [_length(script, scene, number + 1), *(_length(script, target, 0) for target in targets(step))]
    return here + max(ways)
