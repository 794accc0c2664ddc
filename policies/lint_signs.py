"""Finds faults in the lists of signs and of talk: duplicate phrases, and phrases that no text matches.

Rules of this module: a phrase is tried on texts made of its own words, alone and behind another word; a phrase that is not
found in them is of no use. The lists of a matcher are checked once in a process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from policies.pack import Pack
from policies.phrase_matcher import Matcher, PhraseList, make_matcher
from policies.phrases import Phrase, examples

ANY_WORD = "x"
"""A word that is in no list."""


def flaws(pack: Pack) -> Iterator[tuple[str, str, str]]:
    """Yield path, fault and remedy for each flaw of the lists."""
    for language, matcher in pack.signs.items():
        yield from _sign_flaws(language, matcher)
    for language, about in pack.about_texter.items():
        yield from _talk_flaws(language, about.matcher)


@lru_cache(maxsize=32)
def _sign_flaws(language: str, matcher: Matcher) -> tuple[tuple[str, str, str], ...]:
    complaints: list[tuple[str, str, str]] = []
    for each in matcher.lists:
        path = f"words.{language}.signs.{each.label}"
        complaints += _list_flaws(matcher, each, f"{path}.phrases", f"{path}.unless")
    return tuple(complaints)


@lru_cache(maxsize=32)
def _talk_flaws(language: str, matcher: Matcher) -> tuple[tuple[str, str, str], ...]:
    complaints: list[tuple[str, str, str]] = []
    path = f"words.{language}.about_texter"
    for each in matcher.lists:
        within = each.label.rpartition(".")[0]
        complaints += _list_flaws(matcher, each, f"{path}.{each.label}", f"{path}.{within}.unless".replace("..", "."))
    return tuple(complaints)


def _list_flaws(matcher: Matcher, listed: PhraseList, phrases: str, unless: str) -> Iterator[tuple[str, str, str]]:
    """Yield the same for one list; `phrases` and `unless` are the paths of its two parts."""
    for path, part in ((phrases, listed.phrases), (unless, listed.unless)):
        yield from ((path, f"“{written}” is there twice", "Take one out.") for written in _duplicates(part))
    both = {p.elements for p in listed.phrases} & {p.elements for p in listed.unless}
    yield from (
        (unless, f"“{phrase.source}” is a phrase as well", "Take one of them out.")
        for phrase in listed.unless
        if phrase.elements in both
    )
    yield from (
        (phrases, f"“{phrase.source}” can never match: {why}", "Change it, or what stands against it.")
        for phrase in listed.phrases
        if phrase.elements not in both and (why := _never_matches(matcher, listed, phrase))
    )


def _duplicates(phrases: tuple[Phrase, ...]) -> list[str]:
    count = Counter((p.elements, p.begins, p.ends) for p in phrases)
    first: dict[object, str] = {}
    for phrase in phrases:
        first.setdefault((phrase.elements, phrase.begins, phrase.ends), phrase.source)
    return [first[key] for key, times in count.items() if times > 1]


def _never_matches(matcher: Matcher, every: PhraseList, phrase: Phrase) -> str:
    """Say why no text that is made of a phrase matches it; empty when one does."""
    texts = [text for words in examples(phrase) for text in (words, f"{ANY_WORD} {words}")]
    if any(every.label in matcher.find(text) for text in texts):
        return ""
    alone = make_matcher([PhraseList(every.label, (phrase,))], matcher.spelling)
    if any(every.label in alone.find(text) for text in texts):
        return "an entry of `unless` stands in each text that it is made of"
    return "its words are spelled in a way that no text is taken for"
