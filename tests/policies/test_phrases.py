"""Phrases: their syntax, what makes no difference in a text, and what bounds the work."""

from __future__ import annotations

import pytest

from policies.phrase_matcher import Matcher, PhraseList, make_matcher
from policies.phrases import (
    GAP_WORDS,
    MAX_ELEMENTS,
    read_groups,
    read_phrase,
    read_spelling,
    spell,
    spelled,
)
from tests.every_row import every_row

SPELLING = read_spelling({"hes": "he is", "dont": "do not", "he'll": "he will", "nife": "knife"})
GROUPS = read_groups({"he": ["he", "my husband"], "gun": ["gun", "knife"]}, SPELLING)


def matcher(*phrases: str, unless: tuple[str, ...] = ()) -> Matcher:
    """Return a matcher with one label."""

    def read(each: tuple[str, ...]) -> tuple:  # type: ignore[type-arg] # of phrases
        return tuple(read_phrase(written, GROUPS, SPELLING, {}) for written in each)

    return make_matcher([PhraseList("sign", read(phrases), read(unless))], SPELLING)


@every_row(
    ("phrase", "text", "is_found"),
    [
        ("<he> is here", "He's HERE!!", True),
        ("<he> is here", "hes hereee", True),
        ("<he> is here", "my husband is here", True),
        ("<he> is here", "he\u2019s here", True),
        ("<he> is here", "he is there", False),
        ("<he> is here", "he is. here", False),
        ("<he> is here", "he is, here", True),
        ("<he> is here", "is here", False),
        ("he is right? here", "he is here", True),
        ("he is right? here", "he is right here", True),
        ("he is right? here", "he is not here", False),
        ("he has|got a <gun>", "he got a nife", True),
        ("he has ... <gun>", "he has a really big old gun", True),
        ("he has ... <gun>", "he has one two three four five gun", False),
        ("strangl*", "he strangled me", True),
        ("strangl*", "strange", False),
        ("^ basta $", "ok. ¡Basta!", True),
        ("^ basta $", "basta ya", False),
        ("^ basta $", "ya basta", False),
        ("do not reply", "don't reply", True),
        ("do not reply", "DONT  REPLY", True),
        ("ya llego", "ya llegó", True),
        ("he will go", "he'll go", True),
        ("hell", "hell no", True),
        ("hell", "he'll", False),
        ("call 911", "call 911 now", True),
        ("call 911", "call 91", False),
    ],
)
def test_each_element_of_the_syntax(phrase: str, text: str, is_found: bool) -> None:
    """A phrase stands in a text, or does not, whatever its case, accents, apostrophes and repeated letters are."""
    assert (matcher(phrase).find(text) == {"sign"}) == is_found


def test_a_longer_phrase_takes_back_what_it_overlaps_and_nothing_else() -> None:
    """`unless` is about its own words: the same text with the sign somewhere else still has it."""
    both = matcher("<he> is here", unless=("is here to|for",))
    assert both.find("he is here to help me move") == frozenset()
    assert both.find("he is here to help. no wait he is here") == {"sign"}
    assert both.find("he is here") == {"sign"}


@every_row(
    "written",
    ["", "^", "... here", "here ...", "a? b?", "<nobody> is", "st*", "a|*", "he is|", "he*is", "w " * (MAX_ELEMENTS + 1)],
)
def test_what_cannot_be_read_is_refused(written: str) -> None:
    """A phrase with a mistake is an error, whose words do not repeat it."""
    with pytest.raises(ValueError, match=r"has|needs|neither|names"):
        read_phrase(written, GROUPS, SPELLING, {})


@pytest.mark.parametrize("table", [{"two words": "one"}, {"": "one"}, {"one": " "}, {"One": "two"}])
def test_a_spelling_is_one_word(table: dict[str, str]) -> None:
    """What a spelling is looked up by is one plain word, and it stands for at least one."""
    with pytest.raises(ValueError, match="one plain word"):
        read_spelling(table)


def test_words_as_they_are_compared() -> None:
    """Letters that are repeated are one, digits stay, and what nobody sees is gone."""
    assert spelled("Heelp\u200b me, 911 ÑANDÚ", {}) == ["help", "me", "911", "nandu"]
    assert spell(["one", "two", "three"], {}, 2) == ["one", "two"]
    assert GAP_WORDS == 4
