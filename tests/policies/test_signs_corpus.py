"""Signs over five hundred sentences, typed as people type: what is found, and what is found by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from policies.signs import Sign, find_signs
from policies.yaml_file import parse_yaml
from tests.every_row import every_row
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


@every_row("sign", Sign)
def test_what_must_be_found_is(sign: Sign) -> None:
    """Of the sentences by which the lists were corrected, each is found; of others, at least four in ten for each sign."""
    for (part, language, which), row in measure().items():
        if which is sign:
            floor = 1.0 if part == "known" else 0.4
            assert row.hits >= floor * row.there, (part, language)


@pytest.mark.practice(39)
def test_signs_in_unseen_sentences_are_found_more_often_than_not() -> None:
    """Over all signs, seven in ten of the sentences that the lists have never met are found."""
    fresh = [row for (part, _, _), row in measure().items() if part == "fresh"]
    assert sum(row.hits for row in fresh) >= 0.7 * sum(row.there for row in fresh)


@pytest.mark.practice(39)
def test_false_alarms_stay_rare() -> None:
    """No false alarm in the sentences by which the lists were corrected; of others, less than one sentence in twenty."""
    assert not any(row.false_alarms for (part, _, _), row in measure().items() if part == "known")
    fresh = sum(row.false_alarms for (part, _, _), row in measure().items() if part == "fresh")
    assert fresh <= sum(1 for part, *_ in cases() if part == "fresh") / 20
