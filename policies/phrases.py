"""Phrases: their syntax, and how one is found in a sentence as people type it.

Rules of this module: it is deterministic, keeps nothing, and its work is bounded: a text is cut at `MAX_WORDS` words, a
phrase at `MAX_ELEMENTS` elements, a gap at `GAP_WORDS` words. A phrase never spans the end of a sentence. Case,
accents, apostrophes and repeated letters make no difference; other spellings are in the lists.

The syntax of a phrase, element by element, with a space between them:

- `word`: this word; `one|other`: one of these;
- `strangl*`: any word that begins so, with three letters or more;
- `<name>`: any of the words, or rows of words, of the group with this name; also as one of several: `<he>|someone`;
- `word?`, `<name>?`: the same, or nothing;
- `...`: nothing, or up to four words;
- `^`, `$`: the beginning, the end of a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

MAX_WORDS: Final = 1_500
"""As many as fit into the longest text that phones send (some 5,000 characters)."""
MAX_ELEMENTS: Final = 12
GAP_WORDS: Final = 4
SHORTEST_PREFIX: Final = 3
GAP: Final = "..."
BEGIN, END = "^", "$"

_SENTENCE = re.compile(r"[.!?…;:\n¡¿]+")
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc\u00b4\u0060\u2032]")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_REPEATED = re.compile(r"([^\W\d_])\1+")
_PLAIN = re.compile(r"(?:([a-z])(?!\1))+")
"""One word in lower case without accents, in which no letter is repeated."""
_NO_WORDS = re.compile(r"[<>^$]")
_ELEMENT = re.compile(r"(?P<options>[^?|]+(?:\|[^?|]+)*)(?P<optional>\??)")


@dataclass(frozen=True, slots=True)
class Element:
    """One place of a phrase. `options`: the alternatives, each a row of words; a word that ends in `*` is a prefix.

    No options: a gap.
    """

    options: tuple[tuple[str, ...], ...]
    optional: bool = False
    _single: frozenset[str] = frozenset()
    _rows: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict, compare=False)
    """The options of several words, by the first of them."""
    _prefixes: tuple[tuple[str, ...], ...] = ()
    """The options that are a prefix."""

    @classmethod
    def of(cls, options: Iterable[tuple[str, ...]], *, optional: bool) -> Element:
        """Return an element that finds its options by their first word."""
        unique = tuple(dict.fromkeys(options))
        single = frozenset(option[0] for option in unique if len(option) == 1 and not option[0].endswith("*"))
        rows: dict[str, tuple[tuple[str, ...], ...]] = {}
        for option in unique:
            if len(option) > 1:
                rows[option[0]] = (*rows.get(option[0], ()), option)
        return cls(unique, optional, single, rows, tuple(o for o in unique if len(o) == 1 and o[0] not in single))

    def after(self, words: list[str], place: int) -> list[int]:
        """Return the places at which it can end when it begins at `place`, ignoring `optional`."""
        if place >= len(words):
            return []
        word = words[place]
        ends = [place + 1] if word in self._single else []
        if word in self._rows:
            ends += [place + len(row) for row in self._rows[word] if _is_at(row, words, place)]
        if self._prefixes:
            ends += [place + 1 for row in self._prefixes if _is_at(row, words, place)]
        return ends


@dataclass(frozen=True, slots=True)
class Phrase:
    """A parsed phrase. `source`: as it was written. `begins`, `ends`: it matches only at that end of a sentence."""

    source: str
    elements: tuple[Element, ...]
    begins: bool = False
    ends: bool = False
    _second: frozenset[str] | None = None
    """Words of which one must be the second word; None if that is not known."""

    @classmethod
    def of(cls, source: str, elements: tuple[Element, ...], *, begins: bool, ends: bool) -> Phrase:
        """Return a phrase that is rejected for most first words after one look at the next word."""
        return cls(source, elements, begins, ends, _second_words(elements))

    def find_ends(self, words: list[str], start: int) -> set[int]:
        """Return every place at which the phrase can end when it begins with the word at `start`."""
        if self._second is not None and (start + 1 >= len(words) or words[start + 1] not in self._second):
            return set()
        if self.begins and start:
            return set()
        places = {start}
        for element in self.elements:
            if not element.options:
                places = {place + n for place in places for n in range(GAP_WORDS + 1) if place + n <= len(words)}
                continue
            after = set(places) if element.optional else set()
            for place in places:
                after.update(element.after(words, place))
            if not after:
                return set()
            places = after
        return {place for place in places if place > start and (not self.ends or place == len(words))}


def spelled(sentence: str, spelling: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the words of a sentence in the form in which they are compared."""
    return spell(_typed_words(sentence), spelling)


def typed_sentences(text: str) -> list[list[str]]:
    """Return the words of each sentence of a text, before any language's spelling is looked up."""
    return [_typed_words(sentence) for sentence in _SENTENCE.split(text)]


def _typed_words(sentence: str) -> list[str]:
    apart = _APOSTROPHES.sub("'", sentence)
    if not apart.isascii():
        letters = unicodedata.normalize("NFKD", apart)
        apart = "".join(c for c in letters if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    # All words at once: a repeated letter never reaches over the end of one.
    return _WORD.findall(_REPEATED.sub(r"\1", apart.casefold()))


def spell(typed: Iterable[str], spelling: Mapping[str, tuple[str, ...]], most: int = MAX_WORDS) -> list[str]:
    """Return words in the form in which they are compared; at most so many."""
    return list(islice((said for word in typed for said in _readings(word, spelling)), max(most, 0)))


def _readings(word: str, spelling: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the words that a typed word stands for. A spelling with an apostrophe counts for itself alone ("he'll")."""
    bare = word.replace("'", "")
    return spelling.get(word) or spelling.get(bare) or (bare,)


def read_spelling(written: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Read a table of spellings: a word, and the words that it stands for. ValueError: a key is not one word."""
    table: dict[str, tuple[str, ...]] = {}
    for key, value in written.items():
        typed = _WORD.findall(_REPEATED.sub(r"\1", key.casefold()))
        if typed != [_REPEATED.sub(r"\1", key)] or not spelled(value, {}):
            raise ValueError("one plain word in small letters, and the words that it is taken for")
        table[typed[0]] = tuple(spelled(value, {}))
    return table


def read_groups(
    written: Mapping[str, Iterable[str]], spelling: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Read groups of words, each entry one word or several. ValueError: an entry holds none."""
    return {name: tuple(_row(entry, spelling) for entry in entries) for name, entries in written.items()}


def read_phrase(
    source: str,
    groups: Mapping[str, tuple[tuple[str, ...], ...]],
    spelling: Mapping[str, tuple[str, ...]],
    known: dict[str, Element],
) -> Phrase:
    """Read a phrase. ValueError says what is wrong with it, and does not repeat it.

    `known`: elements read earlier with these groups and this spelling, by their source; new ones are added.
    """
    written = source.split()
    begins, ends = written[:1] == [BEGIN], written[-1:] == [END]
    written = written[begins : len(written) - ends]
    for each in written:
        if each not in known:
            known[each] = _read_element(each, groups, spelling)
    elements = tuple(known[each] for each in written)
    if len(elements) > MAX_ELEMENTS:
        raise ValueError(f"has more than {MAX_ELEMENTS} elements")
    if not elements or all(element.optional or not element.options for element in elements):
        raise ValueError("needs a word that is not optional")
    if not elements[0].options or not elements[-1].options:
        raise ValueError("neither begins nor ends with a gap")
    return Phrase.of(source, elements, begins=begins, ends=ends)


def is_loose(phrase: Phrase) -> bool:
    """Whether a phrase begins or ends with an optional element, without which it is found as well.

    A `?` is of the whole element: "better off me|us?" is found in "better off".
    """
    first, last = phrase.elements[0], phrase.elements[-1]
    return (first.optional and not phrase.begins) or (last.optional and not phrase.ends)


def examples(phrase: Phrase) -> Iterator[str]:
    """Yield texts that hold the phrase: one for each option of each element, with the first options of the others."""
    usual = [element.options[0] if element.options else () for element in phrase.elements]
    yield _text_of(usual)
    for place, element in enumerate(phrase.elements):
        for option in element.options[1:]:
            yield _text_of([*usual[:place], option, *usual[place + 1 :]])
        if element.optional:
            yield _text_of([*usual[:place], *usual[place + 1 :]])


def _text_of(options: Iterable[tuple[str, ...]]) -> str:
    return " ".join(word.removesuffix("*") for option in options for word in option)


def _is_at(option: tuple[str, ...], words: list[str], place: int) -> bool:
    if place + len(option) > len(words):
        return False
    return all(
        words[place + n].startswith(word[:-1]) if word.endswith("*") else words[place + n] == word
        for n, word in enumerate(option)
    )


def _second_words(elements: tuple[Element, ...]) -> frozenset[str] | None:
    first, second = elements[0], elements[1] if len(elements) > 1 else None
    if second is None or not second.options or first.optional or second.optional:
        return None
    if any(len(option) > 1 for option in first.options) or any(option[0].endswith("*") for option in second.options):
        return None
    return frozenset(option[0] for option in second.options)


def _read_element(
    written: str, groups: Mapping[str, tuple[tuple[str, ...], ...]], spelling: Mapping[str, tuple[str, ...]]
) -> Element:
    if written == GAP:
        return Element(())
    parts = _ELEMENT.fullmatch(written)
    if parts is None:
        raise ValueError("has an element that cannot be read")
    options: list[tuple[str, ...]] = []
    for option in parts["options"].split("|"):
        if option.startswith("<") and option.endswith(">"):
            if option[1:-1] not in groups:
                raise ValueError("names a group that does not exist")
            options += groups[option[1:-1]]
        else:
            options.append(_row(option, spelling))
    return Element.of(options, optional=bool(parts["optional"]))


def _row(written: str, spelling: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return words, the last of which may be a prefix, in the form in which they are compared."""
    if _PLAIN.fullmatch(written):  # nearly every one is: it is in the form already
        return _readings(written, spelling)
    prefix = written.endswith("*")
    words = spelled(written, {} if prefix else spelling)
    if not words or _NO_WORDS.search(written) or "*" in written[:-1] or _SENTENCE.search(written):
        raise ValueError("has an element that cannot be read")
    if not prefix:
        return tuple(words)
    if len(words[-1]) < SHORTEST_PREFIX:
        raise ValueError(f"has a prefix of less than {SHORTEST_PREFIX} letters")
    return (*words[:-1], f"{words[-1]}*")
