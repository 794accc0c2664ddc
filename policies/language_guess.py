"""Guesses the language of a text by its function words.

Rules of this module: only function words and letters count, never what a text is about. When two languages have as many, or
none has any, there is no answer, and the line uses its first language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

MAX_SEARCHED: Final = 1_600
"""Characters of a text that are looked at."""
_WORD = re.compile(r"[^\W\d_]+")
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc\u00b4\u0060\u2032]")


def guess_language(text: str, function_words: Mapping[str, frozenset[str]]) -> str | None:
    """Return the language with the most words and letters in a text; None if that is not clear.

    `function_words`: words by language, without accents and apostrophes; an entry that is no word in that form is a letter
    or a sign that only this language has, such as ñ or ¿.
    """
    said = _APOSTROPHES.sub("", text[:MAX_SEARCHED].casefold())
    words = [plain(word) for word in _WORD.findall(said)]
    counts = sorted(
        (
            (
                sum(word in listed for word in words)
                + sum(letter in listed and plain(letter) != letter for letter in set(said)),
                language,
            )
            for language, listed in function_words.items()
        ),
        reverse=True,
    )
    if not counts or not counts[0][0] or (len(counts) > 1 and counts[0][0] == counts[1][0]):
        return None
    return counts[0][1]


def plain(word: str) -> str:
    """Return a word without accents and without characters that are no letters."""
    if word.isascii() and word.isalpha():
        return word.casefold()
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in letters if c.isalpha() and not unicodedata.combining(c))
