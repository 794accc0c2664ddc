"""Looks for many phrases in a text at once: which labels have a phrase that is in it.

Rule of this module: a text is cut at `MAX_WORDS` words, and a phrase is tried only in a sentence with one of the words it
needs, so the work grows with the length of the text and hardly with the number of phrases. Syntax and spelling are those of
`policies.phrases`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policies.phrases import MAX_WORDS, SHORTEST_PREFIX, Phrase, spell, typed_sentences


@dataclass(frozen=True, slots=True)
class PhraseList:
    """The phrases of one label: any of `phrases` counts, unless a phrase of `unless` overlaps it."""

    label: str
    phrases: tuple[Phrase, ...]
    unless: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A phrase to look for. `first`, `prefixes`: the words and prefixes with which it can begin."""

    label: str
    phrase: Phrase
    excludes: bool
    first: frozenset[str]
    prefixes: tuple[str, ...]

    def occurrences(self, words: list[str]) -> Iterator[tuple[int, int]]:
        """Yield where in a sentence the phrase begins and ends, each way in which it stands there."""
        for start in (0,) if self.phrase.begins else range(len(words)):
            if words[start] in self.first or (self.prefixes and words[start].startswith(self.prefixes)):
                yield from ((start, end) for end in self.phrase.find_ends(words, start))


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
    """Lists of phrases of one language, ready for matching. `spelling`: the words that a typed word stands for.

    A phrase is tried only in a sentence that has a word of its rarest required element, so most phrases cost nothing. A
    matcher equals itself alone: equal lists share one matcher (`policies.load`).
    """

    lists: tuple[PhraseList, ...] = field(repr=False)
    spelling: Mapping[str, tuple[str, ...]] = field(repr=False)
    _entries: tuple[_Entry, ...] = field(repr=False)
    _by_word: Mapping[str, tuple[int, ...]] = field(repr=False)
    _by_prefix: Mapping[str, tuple[tuple[str, int], ...]] = field(repr=False)

    def find(self, text: str) -> frozenset[str]:
        """Return the labels that have a phrase in a text."""
        return self.find_typed(typed_sentences(text))

    def find_typed(self, sentences: Iterable[Sequence[str]]) -> frozenset[str]:
        """Return the labels for a text that is cut into sentences and words already, for several languages at once."""
        labels: set[str] = set()
        rest = MAX_WORDS
        for typed in sentences:
            words = spell(typed, self.spelling, rest)
            rest -= len(words)
            labels |= self._find_in_sentence(words)
        return frozenset(labels)

    def _find_in_sentence(self, words: list[str]) -> set[str]:
        entries = [self._entries[number] for number in self._candidates(words)]
        hits = [(each.label, *place) for each in entries if not each.excludes for place in each.occurrences(words)]
        hit = {label for label, *_ in hits}
        excluded: dict[str, set[int]] = {}
        for each in entries:
            if each.excludes and each.label in hit:
                for start, end in each.occurrences(words):
                    excluded.setdefault(each.label, set()).update(range(start, end))
        return {label for label, start, end in hits if excluded.get(label, set()).isdisjoint(range(start, end))}

    def _candidates(self, words: list[str]) -> set[int]:
        numbers: set[int] = set()
        for word in words:
            if word in self._by_word:
                numbers.update(self._by_word[word])
            for prefix, number in self._by_prefix.get(word[:SHORTEST_PREFIX], ()):
                if word.startswith(prefix):
                    numbers.add(number)
        return numbers


def make_matcher(lists: Iterable[PhraseList], spelling: Mapping[str, tuple[str, ...]]) -> Matcher:
    """Return a matcher for these lists."""
    lists = tuple(lists)
    entries: list[_Entry] = []
    for each in lists:
        for phrases, excludes in ((each.phrases, False), (each.unless, True)):
            for phrase in phrases:
                first = first_words(phrase)
                whole = frozenset(word for word in first if not word.endswith("*"))
                entries.append(_Entry(each.label, phrase, excludes, whole, tuple(w[:-1] for w in first - whole)))
    used = Counter(
        word for entry in entries for element in entry.phrase.elements for row in element.options for word in row
    )
    by_word: dict[str, list[int]] = {}
    by_prefix: dict[str, list[tuple[str, int]]] = {}
    for number, entry in enumerate(entries):
        for word in _required_words(entry.phrase, used):
            if word.endswith("*"):
                by_prefix.setdefault(word[:SHORTEST_PREFIX], []).append((word[:-1], number))
            else:
                by_word.setdefault(word, []).append(number)
    return Matcher(
        lists,
        dict(spelling),
        tuple(entries),
        {word: tuple(numbers) for word, numbers in by_word.items()},
        {prefix: tuple(numbers) for prefix, numbers in by_prefix.items()},
    )


def _required_words(phrase: Phrase, used: Mapping[str, int]) -> frozenset[str]:
    """Return words of which one is wherever the phrase is: the set that is least used in all phrases."""
    sets = (
        frozenset(row[0] if len(row) == 1 else min(row, key=lambda word: (used[word], word)) for row in element.options)
        for element in phrase.elements
        if element.options and not element.optional
    )
    return min(sets, key=lambda words: (sum(used[word] for word in words), sorted(words)))


def first_words(phrase: Phrase) -> frozenset[str]:
    """Return the words, and prefixes with their `*`, with which a phrase can begin."""
    words: set[str] = set()
    for element in phrase.elements:
        words |= {option[0] for option in element.options}
        if not element.optional:
            break
    return frozenset(words)
