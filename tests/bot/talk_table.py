"""The measured table of talk about a texter, in both pages: what is missed and what is held by mistake.

`python -m tests.bot.talk_table` writes it there.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from bot import guard
from policies.yaml_file import parse_yaml
from tests.bot.examples import at, held
from tests.bot.strategies import ANA
from tests.packs import shipped

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = {
    ROOT / "deploy/docs/signs.md": (
        "words of an advocate",
        "of",
        "about the texter: left unasked",
        "to them: held by mistake",
    ),
    ROOT / "deploy/docs/signs.es.md": (
        "palabras de quien atiende",
        "de",
        "sobre la persona: salieron sin preguntar",
        "para ella: en pausa por error",
    ),
}
"""The pages, and the words of the table in the language of each."""
CORPUS: Final[dict[str, dict[str, dict[str, list[str]]]]] = parse_yaml(Path(__file__).parent / "talk_corpus.yaml")
"""By part (`known`, `fresh`, `blind`, `common`), language, and `hold` or `leave`: what an advocate types."""
BEGIN: Final = "<!-- measured: python -m tests.bot.talk_table -->"
END: Final = "<!-- end -->"
PACK: Final = shipped("base")


def is_held(body: str) -> bool:
    """Return whether the guard holds words, with the base pack, in a thread without other reasons."""
    return guard.doubts(PACK, at(5), held(), body, ANA, own=True) != ()


@cache
def measure() -> dict[tuple[str, str, str], tuple[list[str], int]]:
    """Return, by part, language and `hold` or `leave`, the wrongly treated words and the number of all."""
    return {
        (part, language, kind): ([body for body in bodies if is_held(body) != (kind == "hold")], len(bodies))
        for part, languages in CORPUS.items()
        for language, kinds in languages.items()
        for kind, bodies in kinds.items()
    }


def table(words: str, of: str, missed: str, mistaken: str) -> str:
    """Return the table as text for a page, with these words."""
    figures = measure()
    columns = [(part, language) for part in ("known", "fresh", "blind", "common") for language in CORPUS[part]]

    def cell(part: str, language: str, kind: str) -> str:
        wrong, count = figures.get((part, language, kind), ([], 0))
        return f"{len(wrong)} {of} {count}" if count else ""

    def row(title: str, kind: str) -> str:
        return f"| {title} | {' | '.join(cell(part, language, kind) for part, language in columns)} |"

    head = " | ".join(f"{part} {language}" for part, language in columns)
    return "\n".join(
        (f"| {words} | {head} |", f"| --- |{' --- |' * len(columns)}", row(missed, "hold"), row(mistaken, "leave"))
    )


def written(page: Path) -> str:
    """Return the table that a page contains."""
    return page.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()


if __name__ == "__main__":
    for page, said in PAGES.items():
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{table(*said)}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
