"""From the word lists of pack files to what texts are looked at with.

Rules of this module: lists of a language add up over the packs, the agency's own last; a phrase that cannot be read is a
problem with its path, and none repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policies.language_guess import plain
from policies.phrases import Matcher, Phrase, PhraseList, make_matcher, read_groups, read_phrase, read_spelling
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


def _matcher(language: str, parts: Sequence[WordsPart], problems: list[str]) -> Matcher | None:
    before = len(problems)
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
    lists: list[PhraseList] = []
    for sign in Sign:
        read: dict[str, tuple[Phrase, ...]] = {}
        for kind in ("phrases", "unless"):
            phrases: list[Phrase] = []
            listed = [p for part in parts if sign in part.signs for p in getattr(part.signs[sign], kind)]
            for number, written in enumerate(listed):
                try:
                    phrases.append(read_phrase(written, groups, spelling))
                except ValueError as error:
                    problems.append(f"words.{language}.signs.{sign}.{kind}.{number}: {error}")
            read[kind] = tuple(phrases)
        if read["phrases"]:
            lists.append(PhraseList(sign, read["phrases"], read["unless"]))
    return make_matcher(lists, spelling) if len(problems) == before else None
