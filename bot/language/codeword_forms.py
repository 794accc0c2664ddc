"""Codewords as they are compared: the form in which two spellings are one word, and which words may not be a codeword.

Rules of this module: case, accents, spaces and punctuation make no difference, in any script. A word is looked for in the
whole text and in every run of its words; in a script without spaces between words, in every run of letters. What is found
is replaced by a mask of fixed length. A refusal never repeats the word. Source: Unicode Standard Annex 15 (normalisation)
and Core Specification, section 3.13 (folding).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from bot.language.common_words import CARRIER, COMMON
from bot.model.codeword_state import LONGEST, MOST_WORDS, SHORTEST, SHORTEST_IDEOGRAPHS, Flaw
from policies.keywords import MessageMeaning, classify
from policies.pack import Pack

T = TypeVar("T")

MASK: Final = "▮▮▮"
PLACEHOLDER: Final = "zebra"
"""A word without a meaning in any language."""
MIN_DISTANCE: Final = 2
"""Two words must differ by more letters than this: mistyping one must not give the other."""
TATWEEL: Final = "\u0640"
INVISIBLE: Final = frozenset(
    {TATWEEL, *"\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0", *(chr(n) for n in range(0x180B, 0x1810))}
)
"""Characters that are not format marks and yet invisible, or only stretch. Source: Unicode, Default_Ignorable_Code_Point.
"""
APOSTROPHES: Final = frozenset(chr(n) for n in range(0x02B9, 0x02C0))
"""Characters that are letters by category, and that people type, and read, as apostrophes."""
NO_ACCENT: Final = str.maketrans(
    {"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe", TATWEEL: None}
)
"""Letters that normalisation does not split and people type in another form; and the Arabic line that only stretches."""
NO_SPACES: Final = (
    *("CJK ", "HIRAGANA ", "KATAKANA ", "HALFWIDTH KATAKANA ", "BOPOMOFO ", "HANGUL ", "YI "),
    *("THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "JAVANESE ", "BALINESE ", "TAI ", "NEW TAI "),
)
"""Beginnings of the names of letters of scripts without spaces between words (Unicode Standard Annex 14, classes SA and
ID), and of Hangul, whose particles are attached to the word.
"""
LETTERS, DIGITS, UNSPACED = "letters", "digits", "unspaced"
NO_DURESS_WORD: Final = re.compile(r"[-\u2010-\u2015\u2212]+")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text in the form that is compared, and its position in the text."""

    form: str = field(repr=False)
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive words of a text, as one word.

    `likely` is false when all of them are common words; `fits`: they are as many as the words of the codeword.
    """

    form: str = field(repr=False)
    start: int
    end: int
    likely: bool
    fits: bool


def normalise(text: str) -> str:
    """Return the form in which words are compared: folded letters and digits, nothing between them."""
    return "".join(token.form for token in tokens(text))


def tokens(text: str) -> list[Token]:
    """Return the words of a text, split at every character that is no letter, except invisible marks and accents.

    In a script without spaces each letter is a token, because nobody can tell where a word begins. Digits are separated
    from letters, because people add them by mistyping.
    """
    words: list[Token] = []
    form, start, kind = "", 0, ""
    for place, char in enumerate(text):
        if unicodedata.category(char) == "Cf" or _is_accent(char) or char in INVISIBLE:
            continue
        folded = _fold(char)
        now = _kind(char) if folded else ""
        if form and (now != kind or now == UNSPACED):
            words.append(Token(form, start, place))
            form = ""
        if folded:
            start = start if form else place
            form += folded
        kind = now
    return [*words, Token(form, start, len(text))] if form else words


def count_words(text: str) -> int:
    """Count the words of a text in which codewords are masked; each mask counts as one, whatever stands between them.

    In a script without spaces between words, two letters count as one word.
    """
    words, letters, end = text.count(MASK), 0, -1
    for token in tokens(text):
        if _kind(text[token.start]) == UNSPACED:
            letters += 1
        else:
            words += token.start != end
        end = token.end
    return words + (letters + 1) // 2


def runs(text: str, lengths: Sequence[int], parts: Sequence[int] = ()) -> list[Run]:
    """Return the runs that could be a word of one of these lengths, with these numbers of tokens.

    The whole text comes first, then likely runs, those with as many tokens as the word before others, in their order.
    """
    length_set = set(lengths)
    fitting = set(zip(lengths, parts, strict=False))
    longest, words = max(length_set, default=0), tokens(text)
    spans: list[Run] = []
    for first in range(len(words)):
        form, likely = "", False
        for last, word in enumerate(words[first:], 1):
            form, likely = form + word.form, likely or word.form not in COMMON
            if len(form) > longest:
                break
            if len(form) in length_set:
                spans.append(Run(form, words[first].start, word.end, likely, (len(form), last) in fitting))
    whole = (words[0].start, words[-1].end) if words else ()
    return sorted(spans, key=lambda run: ((run.start, run.end) != whole, not (run.fits and run.likely), not run.likely))


def mask(text: str, word_runs: Iterable[Run]) -> str:
    """Return a text with these runs masked; overlapping runs get one mask."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((run.start, run.end) for run in word_runs):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    for start, end in reversed(spans):
        text = text[:start] + MASK + text[end:]
    return text


def meaning(body: str, pack: Pack) -> MessageMeaning:
    """Say what a text means, in any language of the pack: what it would mean with another word in place of each mask.

    Nothing that the phone can notice may depend on a mask. The mask consists of signs that people put behind keywords as
    pictures. Read as it stands, "later" with the codeword would be a silent exit, and "later" with a guess would be
    conversation, so that the holder of the phone could tell one from the other (practice 10).
    """
    return cached_reading(_classify, body, pack)


def _classify(body: str, pack: Pack) -> MessageMeaning:
    return classify(unmask(body), pack)


def cached_reading(reader: Callable[[str, Pack], T], body: str, pack: Pack) -> T:
    """Return the result of `reader` for a text; in one decision it is computed once, however many features ask."""
    cache = _READINGS.by_text
    if cache is None:
        return reader(body, pack)
    if (known := cache.get((reader, body))) is None or known[0] is not pack:
        known = cache[reader, body] = pack, reader(body, pack)
    reading: T = known[1]
    return reading


class _Readings:
    """The results for the texts of the decision under way; None between decisions, so that no words are kept."""

    __slots__ = ("by_text",)

    def __init__(self) -> None:
        self.by_text: dict[tuple[Callable[[str, Pack], Any], str], tuple[Pack, Any]] | None = None


_READINGS: Final = _Readings()


@contextmanager
def reading_cache() -> Iterator[None]:
    """Keep the result for each text for the length of the block: several features ask for its meaning and its signs."""
    _READINGS.by_text = {}
    try:
        yield
    finally:
        _READINGS.by_text = None


def unmask(body: str) -> str:
    """Return a text with a meaningless word in place of each mask."""
    return body.replace(MASK, PLACEHOLDER)


def find_flaw(pack: Pack, text: str, first: str | None = None) -> Flaw | None:
    """Say why a word is not accepted, or None. `first`: the codeword in the form compared, if this is the duress word."""
    words, form = _split_words(text), normalise(text)
    if not any(char.isalpha() for char in form):
        return Flaw.NO_LETTERS
    ideographs = all(unicodedata.east_asian_width(char) == "W" for char in form)
    if len(form) < (SHORTEST_IDEOGRAPHS if ideographs else SHORTEST) or len(set(form)) < (2 if ideographs else 3):
        return Flaw.SHORT
    if len(form) > LONGEST or len(words) > MOST_WORDS:
        return Flaw.LONG
    if form in _keywords(pack):
        return Flaw.KEYWORD
    if form in COMMON or all(word in COMMON for word in words):
        return Flaw.COMMON
    if any(run.form == form for ours in _texts(pack) for run in runs(ours, (len(form),))):
        return Flaw.OURS
    if first is None:
        return None
    if form == first:
        return Flaw.SAME
    return Flaw.NEAR if form in first or first in form or _distance(form, first) <= MIN_DISTANCE else None


def _split_words(text: str) -> list[str]:
    """Return the words of a text as people count them: split at spaces and punctuation."""
    words: list[str] = []
    end = -1
    for token in tokens(text):
        if token.start == end:
            words[-1] += token.form
        else:
            words.append(token.form)
        end = token.end
    return words


def _kind(char: str) -> str:
    """Return the kind of a character: letter, digit, or letter of a script in which spaces do not separate words."""
    if unicodedata.category(char)[0] == "N":
        return DIGITS
    return UNSPACED if unicodedata.name(char, "").startswith(NO_SPACES) else LETTERS


def _fold(char: str) -> str:
    if char in APOSTROPHES:
        return ""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    letters = (c for c in folded if not _is_accent(c) and (unicodedata.category(c)[0] in "LN" or _is_vowel_sign(c)))
    return "".join(str(unicodedata.decimal(c, c)) for c in letters).translate(NO_ACCENT)


def _is_accent(char: str) -> bool:
    return unicodedata.combining(char) != 0


def _is_vowel_sign(char: str) -> bool:
    """Tell whether a mark is a letter of its script (Indic, Thai); marks that choose how a picture looks are not."""
    return unicodedata.category(char) in ("Mc", "Mn") and not 0xFE00 <= ord(char) <= 0xFE0F and ord(char) < 0xE0100


def _keywords(pack: Pack) -> set[str]:
    """Return every word of the pack's keyword families, and what carriers listen for."""
    families = (getattr(pack.keywords, family.name) for family in fields(pack.keywords))
    return {normalise(word) for family in families for word in family} | CARRIER


def _texts(pack: Pack) -> list[str]:
    return [wording.text for text in pack.texts.values() for wording in text.wordings.values()]


def _distance(one: str, other: str) -> int:
    """Return how many letters must change to turn one word into the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for n, a in enumerate(one, 1):
        last, row[0] = row[0], n
        for m, b in enumerate(other, 1):
            last, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, last + (a != b))
    return row[-1]
