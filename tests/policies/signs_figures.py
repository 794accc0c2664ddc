"""Hits and false alarms of the lists of signs over the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from policies.signs import Sign, find_signs
from policies.yaml_file import parse_yaml
from tests.packs import shipped

CORPUS: Final[dict[str, dict[str, dict[str, list[str]]]]] = parse_yaml(Path(__file__).parent / "signs_corpus.yaml")
"""The texts by part (`known`, `fresh`), language and signs, separated by spaces (`none`: no sign)."""


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
