"""Turns the word lists of pack files into what texts are compared with.

Rules of this module: lists of a language add up over the packs, the agency's own last; a phrase that cannot be read is a
problem with its path, and no problem repeats the phrase. The same words are read once in a process, whichever file they
come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from policies.language_guess import plain
from policies.pack import PHRASES, QUESTIONS, READER, STATEMENTS, AboutTexter
from policies.phrase_matcher import Matcher, PhraseList, make_matcher
from policies.phrases import Element, Phrase, is_loose, read_groups, read_phrase, read_spelling
from policies.schema import AboutTexterPart, CuePart, WordsPart
from policies.signs import Sign


def matchers(
    files: Sequence[Mapping[str, WordsPart]], problems: list[str]
) -> tuple[dict[str, Matcher], dict[str, AboutTexter]]:
    """Return the matchers for signs, and those for talk about a texter, each for every language in which a pack has lists.

    What cannot be read is added to `problems`.
    """
    signs: dict[str, Matcher] = {}
    about: dict[str, AboutTexter] = {}
    for language in dict.fromkeys(language for file in files for language in file):
        words = _read(language, tuple(file[language].model_dump_json() for file in files if language in file))
        problems += words.problems
        if words.signs is not None:
            signs[language] = words.signs
        if words.about is not None:
            about[language] = words.about
    return signs, about


@dataclass(frozen=True, slots=True)
class _Language:
    """The result of the lists of one language."""

    signs: Matcher | None
    about: AboutTexter | None
    problems: tuple[str, ...]


@lru_cache(maxsize=32)
def _read(language: str, written: tuple[str, ...]) -> _Language:
    """Read the lists of one language; `written`: each pack's, as JSON. Results are kept by the words and not by a file."""
    parts = [WordsPart.model_validate_json(each) for each in written]
    problems: list[str] = []
    words = _vocabulary(language, parts, problems)
    listed = _signs(language, parts, words, problems)
    signs = make_matcher(listed, words.spelling) if listed and not problems else None
    about = _about_texter(language, parts, words, problems)
    return _Language(signs, about, tuple(problems))


def function_words(files: Sequence[Mapping[str, WordsPart]], languages: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the function words of the line's languages, where a pack has any."""
    by_language = {
        language: frozenset(
            plain(word) if len(word) > 1 else word
            for file in files
            if language in file
            for word in file[language].function_words
        )
        for language in languages
    }
    return {language: words for language, words in by_language.items() if words}


def _about_texter(language: str, parts: Sequence[WordsPart], words: _Vocabulary, problems: list[str]) -> AboutTexter | None:
    path, listed = f"words.{language}.about_texter", [part.about_texter for part in parts]
    lists = words.read_lists(path, "", listed, (PHRASES, STATEMENTS), problems)
    lists += words.read_lists(path, "", listed, (READER,), problems, unless=False)
    scores: dict[str, int] = {}
    for name in dict.fromkeys(name for each in listed for name in each.cues):
        cues = [each.cues[name] for each in listed if name in each.cues]
        score = _last(cue.score for cue in cues)
        if not score:
            problems.append(f"{path}.cues.{name}.score: needs a number other than nought")
            continue
        scores[name] = score
        lists += words.read_lists(path, f"cues.{name}.", cues, (PHRASES, STATEMENTS, QUESTIONS), problems)
    if not lists:
        return None
    enough = _last(each.enough for each in listed) or ENOUGH
    reader = _last(each.reader_score for each in listed)
    return AboutTexter(make_matcher(lists, words.spelling), scores, enough, -enough if reader is None else reader)


ENOUGH: Final = 4
"""The sum from which words are held if no pack sets it."""


def _last(values: Iterable[int | None]) -> int | None:
    """Return the last value that is set: a later pack wins."""
    said = [value for value in values if value is not None]
    return said[-1] if said else None


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The groups and spellings with which the phrases of one language are read."""

    spelling: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[tuple[str, ...], ...]]
    elements: dict[str, Element] = field(default_factory=dict)
    """Their elements, which many phrases have in common."""

    def read(self, path: str, listed: Iterable[str], problems: list[str]) -> tuple[Phrase, ...]:
        """Return phrases; add to `problems` what cannot be read.

        Only in `unless` may one begin or end with an optional element: there it is said how far an entry reaches.
        """
        loose_allowed = path.endswith(".unless")
        phrases: list[Phrase] = []
        for number, written in enumerate(listed):
            try:
                phrase = read_phrase(written, self.groups, self.spelling, self.elements)
            except ValueError as error:
                problems.append(f"{path}.{number}: {error}")
                continue
            if is_loose(phrase) and not loose_allowed:
                problems.append(f"{path}.{number}: begins or ends with an optional element, which is found without it")
                continue
            phrases.append(phrase)
        return tuple(phrases)

    def read_lists(
        self,
        path: str,
        within: str,
        parts: Sequence[AboutTexterPart] | Sequence[CuePart],
        kinds: Sequence[str],
        problems: list[str],
        *,
        unless: bool = True,
    ) -> list[PhraseList]:
        """Return a list for each of these keys that holds phrases; `within` precedes the key in its label."""

        def read(kind: str) -> tuple[Phrase, ...]:
            return self.read(
                f"{path}.{within}{kind}", [phrase for each in parts for phrase in getattr(each, kind)], problems
            )

        against = read("unless") if unless else ()
        lists = [(kind, read(kind)) for kind in kinds]
        return [PhraseList(f"{within}{kind}", phrases, against) for kind, phrases in lists if phrases]


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


def _signs(language: str, parts: Sequence[WordsPart], words: _Vocabulary, problems: list[str]) -> list[PhraseList]:
    lists: list[PhraseList] = []
    for sign in Sign:
        path, listed = f"words.{language}.signs.{sign}", [part.signs[sign] for part in parts if sign in part.signs]
        phrases = words.read(f"{path}.phrases", [phrase for each in listed for phrase in each.phrases], problems)
        unless = words.read(f"{path}.unless", [phrase for each in listed for phrase in each.unless], problems)
        if phrases:
            lists.append(PhraseList(sign, phrases, unless))
    return lists
