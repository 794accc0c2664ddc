"""The page with the handsets.

Rule of this module: the page requests nothing from another server, and its headers make the browser enforce this.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

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


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetPage:
    """`page.html` with style, script and the line's number filled in, and the content security policy for them."""

    html: str = field(repr=False)
    policy: str

    @classmethod
    def load(cls, *, number: str) -> HandsetPage:
        """Read the page. `number` is E.164, so nothing in it needs escaping."""
        html, style, script = (
            Path(__file__).with_name(f"page.{ending}").read_text(encoding="utf-8") for ending in ("html", "css", "js")
        )
        html = html.replace("{{style}}", style).replace("{{script}}", script).replace("{{number}}", number)
        policy = (
            f"default-src 'none'; connect-src 'self'; img-src data:; script-src {_hash(html, 'script')}; "
            f"style-src {_hash(html, 'style')}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return cls(html=html, policy=policy)

    def response(self) -> web.Response:
        """Answer with the page."""
        headers = {
            "Content-Security-Policy": self.policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(text=self.html, content_type="text/html", headers=headers)


def _hash(html: str, element: str) -> str:
    # Content Security Policy Level 3, §6.7.2: the hash covers the exact bytes between the tags.
    (inner,) = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"
