"""The scripts of drills as the page shows them.

Rule of this module: only the scripts that come with Quietline; the carrier does not know which drill is being played.
Shape: `[{"name", "title", "about", "scenes": [{"name", "steps": [{"what", "words"}]}]}]`, where `title`, `about` and
`words` are sentences by language code, and `words` is null for a step without a text.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from policies.drills.load import load_drills
from policies.drills.script import Branch, Brief, DrillFact, End, Go, Mark, Pause, Step, Text, Wait, Words

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_MINUTE = 60


@cache
def drill_pages() -> list[dict[str, Any]]:
    """Return every script, in the order of their names."""
    return [
        {
            "name": script.name,
            "title": dict(script.title),
            "about": dict(script.about),
            "scenes": [
                {"name": name, "steps": [_drill_json(step) for step in steps]} for name, steps in script.scenes.items()
            ],
        }
        for script in load_drills().values()
    ]


def _drill_json(step: Step) -> dict[str, Any]:
    what, words = _in_english(step)
    return {"what": what, "words": dict(words) if words else None}


def _in_english(step: Step) -> tuple[str, Words | None]:
    match step:
        case Text(words=words, second=second, picture=picture):
            return "Texts" + " from a second handset" * second + ", with a picture" * picture, words
        case Brief(words=words):
            return "The advocate is told", words
        case Pause(seconds=seconds):
            return f"Pauses for {_time(seconds)}", None
        case Wait(facts=facts, seconds=seconds, otherwise=otherwise):
            after = f"otherwise goes to {otherwise}" if otherwise else "otherwise goes on"
            return f"Waits up to {_time(seconds)} for: {_fact_list(facts)}; {after}", None
        case Branch(facts=facts, then=then, otherwise=otherwise):
            return f"Goes to {then} if there was: {_fact_list(facts)}; otherwise to {otherwise}", None
        case Mark(name=name):
            return f"Marks the moment “{name}” for the debrief", None
        case Go(scene=scene):
            return f"Goes to {scene}", None
        case End():
            return "The drill is over", None


def _fact_list(facts: AbstractSet[DrillFact]) -> str:
    return " or ".join(sorted(fact.replace("_", " ") for fact in facts))


def _time(seconds: int) -> str:
    return f"{seconds // _MINUTE} min" if seconds % _MINUTE == 0 else f"{seconds} s"
