"""`quietline policy`: packs looked at, shown and described, before a line uses them.

Rules of this module: it only reads; what is shown of a pack is the pack's own, letter for letter, and every complaint says
what to do. `base` comes first, named or not, as on a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bot.sending.auto_replies import HELP_WORDS
from deploy.inspect.status import CheckReport, CheckResult
from deploy.packs.script_player import Script, play_script
from policies.hours import longest_as_sent
from policies.lint import lint
from policies.load import load
from policies.pack import ExitAction, Pack, PackText, Wording
from policies.readability import grade
from policies.schema import PackFile
from policies.segments import segments
from policies.signs import Sign

BASE_PACK: Final = "base"
CONVERSATIONS: Final = Path(__file__).parents[1] / "examples" / "conversations"
"""The scripts that a preview without one plays."""


def load_with_base(names: Sequence[str]) -> Pack:
    """Load packs as a line would, `base` first. Raises :class:`policies.load.PackError` with all problems."""
    return load(names if BASE_PACK in names else [BASE_PACK, *names])


def lint_report(pack: Pack) -> CheckReport:
    """Return what lint found as a report. Advice is well, and still says what to do."""
    checks = [
        CheckResult(name=f"{found.path} ({found.rule})", ok=not found.must, what=found.what, do=found.do)
        for found in lint(pack)
    ]
    return CheckReport(checks=tuple(checks) or (CheckResult(name="packs", ok=True, what="nothing to say"),))


def json_schema() -> str:
    """Return the JSON Schema of a pack file, for editors."""
    made = PackFile.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Quietline pack"}
    return (
        json.dumps(head | {key: value for key, value in made.items() if key != "title"}, indent=2, ensure_ascii=False)
        + "\n"
    )


def preview_pack(pack: Pack, scripts: Iterable[Script]) -> Iterator[str]:
    """Show a whole pack as Markdown: its texts, words and playbooks, and conversations played with it."""
    yield from (f"# Preview: {', '.join(pack.names)}", "")
    yield from ("Made by `quietline policy preview`; do not edit. Words are the pack's own.", "")
    yield from ("## Texts", "")
    for text in (*pack.texts.values(), *pack.canned.values()):
        yield from _text_section(pack, text)
    yield from ("## Whole messages with a meaning", "", "| what it does | messages |", "| --- | --- |")
    words = pack.keywords
    rows = (
        ("stops all texts, once confirmed", words.stop),
        ("takes a STOP back", words.start),
        *((f"asks for `{code}`", [w for w, to in words.language.items() if to == code]) for code in pack.languages),
        ("asks for a call: alert, no answer", words.call),
        ("leaves: parked, no answer", [w for w, way in words.exit.items() if way is ExitAction.PARK]),
        ("not now: alert, no answer", [w for w, way in words.exit.items() if way is ExitAction.ALERT]),
        ("help: alert, a person answers", words.help),
        *([("... and answered at once, because a carrier forces it", HELP_WORDS)] if pack.settings.help_answer else []),
        ("a wish to stop, at the beginning of a sentence: offered to the advocate", words.wish_to_stop),
    )
    yield from (f"| {what} | {', '.join(sorted(said))} |" for what, said in rows)
    yield from (
        "",
        "## Signs in a text",
        "",
        "How many phrases are looked for, by sign and language. They bring a cue; the last three stop our words that wait.",
    )
    yield from ("", f"| sign | {' | '.join(pack.signs)} |", f"| --- |{' --- |' * len(pack.signs)}")
    for sign in Sign:
        counts = (sum(len(each.phrases) for each in m.lists if each.label == sign) for m in pack.signs.values())
        yield f"| {sign.value} | {' | '.join(map(str, counts))} |"
    yield from ("", "## Playbooks", "", "For the people in the room; never sent.", "")
    for name, book in pack.playbooks.items():
        yield from (f"### {book.title} (`!playbook {name}`)", "")
        yield from (f"{number}. {step}" for number, step in enumerate(book.steps, 1))
        yield ""
    yield from ("## Conversations", "")
    yield "Played by the same decision as on a line. `→ phone` is what the handset shows, and nothing else reaches it."
    yield ""
    for script in scripts:
        yield from (f"### {script.title}", "", "```text", *play_script(pack, script), "```", "")


def _text_section(pack: Pack, text: PackText) -> Iterator[str]:
    marks = ["legal"] if text.legal else []
    marks += [f"to compare with: {text.statute}"] if text.statute else []
    shown = f" ({'; '.join(marks)})" if marks else ""
    yield from (f"### `{text.name}`{shown}", "")
    for language in pack.languages:
        wording = text.wordings[language]
        yield from (f"- {language}, {_wording_facts(wording, language)}", "")
        yield from (f"  > {line}" for line in wording.text.split("\n"))
        yield ""


def _wording_facts(wording: Wording, language: str) -> str:
    said = longest_as_sent(wording.text, language)
    cut, years = segments(said), grade(said, language)
    facts = [f"{cut.units} letters", f"{cut.count} segment{'s' if cut.count > 1 else ''}"]
    facts += [f"{years:.0f} years of school"] if years is not None else []
    facts += ["holds an example"] if wording.sample else []
    facts += [f"reviewed by {wording.reviewed_by} on {wording.reviewed_on}" if wording.reviewed else "not reviewed"]
    return ", ".join(facts)
