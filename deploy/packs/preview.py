"""`quietline policy preview`: shows a whole pack, and conversations played with it.

Rule of this module: it only reads, and shows texts of the pack unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bot.sending.auto_replies import HELP_WORDS
from deploy.packs.script_player import Script, play_script
from policies.hours import longest_as_sent
from policies.pack import ExitAction, Pack, PackText, Wording
from policies.readability import grade
from policies.segments import segments
from policies.signs import Sign

CONVERSATIONS: Final = Path(__file__).parents[1] / "examples" / "conversations"
"""The scripts that a preview without a given script plays."""


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
        ("a wish to stop, at the beginning of a sentence or after a “please”: offered to the advocate", words.wish_to_stop),
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
    facts += [f"reviewed by {wording.reviewed_by} on {wording.reviewed_on}" if wording.is_reviewed else "not reviewed"]
    return ", ".join(facts)
