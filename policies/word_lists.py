"""From the word lists of pack files to what texts are looked at with.

Rules of this module: lists of a language add up over the packs, the agency's own last; a phrase that cannot be read is a
problem with its path, and none repeats it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from policies.language_guess import plain
from policies.phrases import (
    ALWAYS,
    STATEMENT,
    AboutTexter,
    Matcher,
    Phrase,
    PhraseList,
    make_matcher,
    read_groups,
    read_phrase,
    read_spelling,
    spelled,
)
from policies.schema import WordsPart
from policies.signs import Sign


def sign_matchers(files: Sequence[Mapping[str, WordsPart]], problems: list[str]) -> dict[str, Matcher]:
    """Return a matcher for each language in which a pack lists signs; add to `problems` what cannot be read."""
    made: dict[str, Matcher] = {}
    for language in dict.fromkeys(language for file in files for language in file):
        parts = [file[language] for file in files if language in file]
        if any(part.signs for part in parts) and (matcher := _matcher(language, parts, problems)) is not None:
            made[language] = matcher
    return made


def function_words(files: Sequence[Mapping[str, WordsPart]], languages: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the function words of the line's languages, where a pack has any."""
    found = {
        language: frozenset(
            plain(word) if len(word) > 1 else word
            for file in files
            if language in file
            for word in file[language].function_words
        )
        for language in languages
    }
    return {language: words for language, words in found.items() if words}


def about_texter(files: Sequence[Mapping[str, WordsPart]], problems: list[str]) -> dict[str, AboutTexter]:
    """Return how colleagues speak of a texter, for each language in which a pack lists it; add to `problems` as above."""
    made: dict[str, AboutTexter] = {}
    for language in dict.fromkeys(language for file in files for language in file):
        parts = [file[language] for file in files if language in file]
        # What is wrong with spelling and groups is told once, where the signs are read.
        words = _vocabulary(language, parts, [])
        path, listed = f"words.{language}.about_texter", [part.about_texter for part in parts]
        unless = words.read(f"{path}.unless", [phrase for each in listed for phrase in each.unless], problems)
        lists = (
            PhraseList(
                kind, words.read(f"{path}.{kind}", [p for each in listed for p in getattr(each, kind)], problems), unless
            )
            for kind in (ALWAYS, STATEMENT)
        )
        if found := [each for each in lists if each.phrases]:
            reader = frozenset(
                word for each in listed for written in each.reader for word in spelled(written, words.spelling)
            )
            made[language] = AboutTexter(make_matcher(found, words.spelling), reader)
    return made


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What the phrases of one language are read with."""

    spelling: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[tuple[str, ...], ...]]

    def read(self, path: str, listed: Iterable[str], problems: list[str]) -> tuple[Phrase, ...]:
        """Return phrases; add to `problems` what cannot be read."""
        read: list[Phrase] = []
        for number, written in enumerate(listed):
            try:
                read.append(read_phrase(written, self.groups, self.spelling))
            except ValueError as error:
                problems.append(f"{path}.{number}: {error}")
        return tuple(read)


def _vocabulary(language: str, parts: Sequence[WordsPart], problems: list[str]) -> _Vocabulary:
    spelling: dict[str, tuple[str, ...]] = {}
    groups: dict[str, tuple[tuple[str, ...], ...]] = {}
    for part in parts:
        try:
            spelling |= read_spelling(part.spelling)
        except ValueError as error:
            problems.append(f"words.{language}.spelling: needs {error}")
    for part in parts:
        try:
            added = read_groups(part.groups, spelling)
        except ValueError as error:
            problems.append(f"words.{language}.groups: {error}")
            continue
        groups |= {name: (*groups.get(name, ()), *rows) for name, rows in added.items()}
    return _Vocabulary(spelling, groups)


def _matcher(language: str, parts: Sequence[WordsPart], problems: list[str]) -> Matcher | None:
    before = len(problems)
    words = _vocabulary(language, parts, problems)
    lists: list[PhraseList] = []
    for sign in Sign:
        path, listed = f"words.{language}.signs.{sign}", [part.signs[sign] for part in parts if sign in part.signs]
        phrases = words.read(f"{path}.phrases", [phrase for each in listed for phrase in each.phrases], problems)
        unless = words.read(f"{path}.unless", [phrase for each in listed for phrase in each.unless], problems)
        if phrases:
            lists.append(PhraseList(sign, phrases, unless))
    return make_matcher(lists, words.spelling) if len(problems) == before else None
