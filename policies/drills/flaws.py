"""Finds what is wrong with the script of a drill as a whole, and says what to do about it.

Rules of this module: every way through a script ends within an hour; every scene exists and can be reached; no number in it
can be a person's. It is pure, and `policies.drills.load` refuses a script with a flaw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policies.drills.script import FIRST_SCENE, Branch, Brief, DrillScript, End, Go, Mark, Pause, Text, Wait, Words, targets
from policies.fictional import find_fictional

LONGEST_DRILL: Final = 3600
"""Seconds that a drill may last when the advocate does nothing."""
NUMBER: Final = re.compile(r"(?<!\w)(?:\+|\()?\d(?:[\s().\-/]{0,3}\d){6,14}(?!\w)")
"""What may be a telephone number: seven digits or more, however they are grouped."""
ADDRESS: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\S+|\bwww\.\S+")
LEAVES: Final = (Go, Branch, End)
"""Steps after which nothing of a scene is played."""


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
