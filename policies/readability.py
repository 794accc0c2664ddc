"""How many years of school a text requires of its reader.

Rule of this module: an estimate that shows a writer where to look, never a reason to refuse words. Two sentences are a
small sample, and a formula knows nothing of fear.

Sources: English, J. P. Kincaid and others, "Derivation of New Readability Formulas", Research Branch Report 8-75 (1975),
the grade level from words per sentence and syllables per word. Spanish, J. Fernandez Huerta, "Medidas sencillas de
lecturabilidad", Consigna 214 (1959), with words per sentence in the place that Gwillim Law showed to be theirs
(linguistlist.org, 22.2332), and the school years of its scale.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import Final

_SENTENCE: Final = re.compile(r"[.!?…]+(?=\s|$)")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_SCALE: Final = ((90, 4.0), (80, 5.0), (70, 6.0), (60, 8.0), (50, 11.0), (30, 13.0))
"""Fernandez Huerta's points, and the last school year of each level; below the last it is 16."""


def grade(text: str, language: str) -> float | None:
    """Return the school year (United States) whose pupils read a text with ease; None for a language without a formula."""
    said = _WORD.findall(text)
    count = {"en": _syllables_en, "es": _syllables_es}.get(language)
    if count is None or not said:
        return None
    sentences = sum(1 for part in _SENTENCE.split(text) if _WORD.search(part))
    words_per_sentence, per_word = len(said) / sentences, sum(map(count, said)) / len(said)
    if language == "en":
        return max(0.0, 0.39 * words_per_sentence + 11.8 * per_word - 15.59)
    points = 206.84 - 60 * per_word - 1.02 * words_per_sentence
    return next((year for least, year in _SCALE if points >= least), 16.0)


def _syllables_en(word: str) -> int:
    """Count groups of vowels; a silent e at the end does not count, nor that of -es and -ed after most letters."""
    low = re.sub(r"[^a-z]", "", word.casefold())
    groups = len(re.findall(r"[aeiouy]+", low))
    silent = re.search(r"[^aeiouyl]e$|[^aeioutdy]ed$|[^aeiouscxzghy]es$|[aeiou][^aeiouy]?le$", low)
    return max(1, groups - (silent is not None))


def _syllables_es(word: str) -> int:
    """Count groups of vowels, split between two strong ones: a, e, o, and i or u with an accent."""
    low = re.sub(r"(?<=q)u(?=[eiéí])|(?<=g)u(?=[eiéí])", "", unicodedata.normalize("NFC", word.casefold()))
    groups: list[str] = re.findall(r"(?:[aeiouáéíóúü]|y(?![aeiouáéíóú]))+", low)
    return max(1, sum(1 + sum(1 for a, b in pairwise(group) if _strong(a) and _strong(b)) for group in groups))


_strong: Final[Callable[[str], bool]] = frozenset("aeoáéíóú").__contains__
