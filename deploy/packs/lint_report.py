"""`quietline policy`: packs looked at, shown and described, before a line uses them.

Rules of this module: it only reads; what is shown of a pack is the pack's own, letter for letter, and every complaint says
what to do. `base` comes first, named or not, as on a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bot.sending.auto_replies import FORCED
from deploy.inspect.status import Check, Report
from deploy.packs.preview import Script, play
from policies.hours import as_sent
from policies.lint import lint
from policies.load import load
from policies.pack import Exit, Pack, Text, Wording
from policies.readability import grade
from policies.schema import PackFile
from policies.segments import segments

BASE: Final = "base"
CONVERSATIONS: Final = Path(__file__).parents[1] / "examples" / "conversations"
"""The scripts that a preview without one plays."""


def with_base(names: Sequence[str]) -> Pack:
    """Load packs as a line would, `base` first. Raises :class:`policies.load.PackError` with all problems."""
    return load(names if BASE in names else [BASE, *names])


def checked(pack: Pack) -> Report:
    """Return what lint found as a report. Advice is well, and still says what to do."""
    checks = [
        Check(name=f"{found.path} ({found.rule})", ok=not found.must, what=found.what, do=found.do) for found in lint(pack)
    ]
    return Report(checks=tuple(checks) or (Check(name="packs", ok=True, what="nothing to say"),))


def schema() -> str:
    """Return the JSON Schema of a pack file, for editors."""
    made = PackFile.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Quietline pack"}
    return (
        json.dumps(head | {key: value for key, value in made.items() if key != "title"}, indent=2, ensure_ascii=False)
        + "\n"
    )


def preview(pack: Pack, scripts: Iterable[Script]) -> Iterator[str]:
    """Show a whole pack as Markdown: its texts, words and playbooks, and conversations played with it."""
    yield from (f"# Preview: {', '.join(pack.names)}", "")
    yield from ("Made by `quietline policy preview`; do not edit. Words are the pack's own.", "")
    yield from ("## Texts", "")
    for text in (*pack.texts.values(), *pack.canned.values()):
        yield from _text(pack, text)
    yield from ("## Whole messages with a meaning", "", "| what it does | messages |", "| --- | --- |")
    words = pack.keywords
    rows = (
        ("stops all texts, once confirmed", words.stop),
        ("takes a STOP back", words.start),
        *((f"asks for `{code}`", [w for w, to in words.language.items() if to == code]) for code in pack.languages),
        ("asks for a call: alert, no answer", words.call),
        ("leaves: parked, no answer", [w for w, way in words.exit.items() if way is Exit.PARK]),
        ("not now: alert, no answer", [w for w, way in words.exit.items() if way is Exit.ALERT]),
        ("help: alert, a person answers", words.help),
        *([("... and answered at once, because a carrier forces it", FORCED)] if pack.settings.help_answer else []),
        ("a wish to stop, at the beginning of a sentence: offered to the voice", words.wish_to_stop),
    )
    yield from (f"| {what} | {', '.join(sorted(said))} |" for what, said in rows)
    yield from ("", "## Playbooks", "", "For the people in the room; never sent.", "")
    for name, book in pack.playbooks.items():
        yield from (f"### {book.title} (`!playbook {name}`)", "")
        yield from (f"{number}. {step}" for number, step in enumerate(book.steps, 1))
        yield ""
    yield from ("## Conversations", "")
    yield "Played by the same decision as on a line. `→ phone` is what the handset shows, and nothing else reaches it."
    yield ""
    for script in scripts:
        yield from (f"### {script.title}", "", "```text", *play(pack, script), "```", "")


def _text(pack: Pack, text: Text) -> Iterator[str]:
    marks = ["legal"] if text.legal else []
    marks += [f"to compare with: {text.statute}"] if text.statute else []
    shown = f" ({'; '.join(marks)})" if marks else ""
    yield from (f"### `{text.name}`{shown}", "")
    for language in pack.languages:
        wording = text.wordings[language]
        yield from (f"- {language}, {_facts(wording, language)}", "")
        yield from (f"  > {line}" for line in wording.text.split("\n"))
        yield ""


def _facts(wording: Wording, language: str) -> str:
    said = as_sent(wording.text, language)
    cut, years = segments(said), grade(said, language)
    facts = [f"{cut.units} letters", f"{cut.count} segment{'s' if cut.count > 1 else ''}"]
    facts += [f"{years:.0f} years of school"] if years is not None else []
    facts += ["holds an example"] if wording.sample else []
    facts += [f"reviewed by {wording.reviewed_by} on {wording.reviewed_on}" if wording.reviewed else "not reviewed"]
    return ", ".join(facts)
