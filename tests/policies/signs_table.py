"""The measured table of signs, in the pages of both languages: hits and false alarms over the corpus.

`python -m tests.policies.signs_table` writes it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from policies.signs import Sign, find_signs
from policies.yaml_file import parse_yaml
from tests.packs import shipped

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = {
    ROOT / "deploy/docs/signs.md": ("sign", "of", "texts"),
    ROOT / "deploy/docs/signs.es.md": ("señal", "de", "textos"),
}
"""The pages, and three words of the table in the language of each."""
CORPUS: Final[dict[str, dict[str, dict[str, list[str]]]]] = parse_yaml(Path(__file__).parent / "signs_corpus.yaml")
"""The texts by part (`known`, `fresh`), language and signs, separated by spaces (`none`: no sign)."""
BEGIN: Final = "<!-- measured: python -m tests.policies.signs_table -->"
END: Final = "<!-- end -->"


@dataclass
class Figures:
    """The numbers of found signs, of present signs, and of false alarms."""

    hits: int = 0
    there: int = 0
    false_alarms: int = 0


def cases() -> Iterator[tuple[str, str, str, frozenset[Sign]]]:
    """Yield part, language, text and the signs that a person sees in it."""
    for part, languages in CORPUS.items():
        for language, groups in languages.items():
            for key, texts in groups.items():
                signs = frozenset() if key == "none" else frozenset(Sign(name) for name in key.split())
                for text in texts:
                    yield part, language, text, signs


@cache
def measure() -> dict[tuple[str, str, Sign], Figures]:
    """Return the figures of each part, language and sign, with the base pack's lists."""
    matchers = shipped("base").signs
    figures = {(part, language, sign): Figures() for part in CORPUS for language in CORPUS[part] for sign in Sign}
    for part, language, text, signs in cases():
        hits = find_signs(text, matchers.values())
        for sign in Sign:
            row = figures[part, language, sign]
            row.there += sign in signs
            row.hits += sign in signs and sign in hits
            row.false_alarms += sign in hits and sign not in signs
    return figures


def table(sign: str = "sign", of: str = "of", texts: str = "texts") -> str:
    """Return the table as text for a page, with these words."""
    figures = measure()
    size = {
        (part, language): sum(1 for p, lang, _, _ in cases() if (p, lang) == (part, language))
        for part, language, _ in figures
    }
    columns = list(size)
    head = " | ".join(f"{part} {language} ({size[part, language]} {texts})" for part, language in columns)
    rows = [
        f"| {each.value} | "
        + " | ".join(
            f"{row.hits} {of} {row.there}, {row.false_alarms}"
            for row in (figures[part, lang, each] for part, lang in columns)
        )
        + " |"
        for each in Sign
    ]
    return "\n".join((f"| {sign} | {head} |", f"| --- |{' --- |' * len(columns)}", *rows))


def written(page: Path) -> str:
    """Return the table that a page contains."""
    return page.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()


if __name__ == "__main__":
    for page, words in PAGES.items():
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{table(*words)}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")
