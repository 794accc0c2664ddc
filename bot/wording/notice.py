"""A notice: what the software says to staff, not yet in one language.

Rules of this module: a feature decides what is said (a key and its values). At the end of the decision
`bot.display.readers` decides who reads it, and so in which language. A notice is a string, its English words, so code that
joins notices uses :func:`join_notices`: an f-string, `+` or `str.join` would keep the English alone. Texts for a phone are
no notices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, Self

from bot.wording.catalogue import ENGLISH, TABLES

READ: Final = tuple(TABLES)
"""The languages in which staff can be spoken to; the first is the one of the tables that are complete by definition."""


class Notice(str):
    """English words with what is needed to say them in other languages.

    `key`: of the tables; empty for a notice of parts. `values`: for its placeholders. `parts`: said one after the other.
    `others`: by language, when the words come from a pack and not from the tables. `loud`: at the desk it is said in the
    language of everybody there.
    """

    __slots__ = ("key", "loud", "others", "parts", "values")

    key: str
    others: Mapping[str, str]
    values: dict[str, object]
    parts: tuple[str, ...]
    loud: bool

    def __new__(
        cls,
        words: str,
        *,
        key: str = "",
        values: dict[str, object] | None = None,
        parts: tuple[str, ...] = (),
        others: Mapping[str, str] | None = None,
        loud: bool = False,
    ) -> Self:
        """Return the notice whose English is `words`."""
        notice = super().__new__(cls, words)
        notice.key, notice.values, notice.parts, notice.others, notice.loud = key, values or {}, parts, others or {}, loud
        return notice

    def __add__(self, other: str) -> str:
        """Return both, one after the other."""
        return join_notices("", (self, other))

    def __radd__(self, other: str) -> str:
        """Return both, one after the other."""
        return join_notices("", (other, self))

    def in_language(self, language: str) -> str:
        """Return the words in a language; the English ones if there are none in that language."""
        if language == READ[0] or language not in TABLES:
            return str(self)
        if not self.key:
            return "".join(in_language(part, language) for part in self.parts) or self.others.get(language, str(self))
        words = TABLES[language].get(self.key, ENGLISH[self.key])
        return words.format_map({name: in_language(value, language) for name, value in self.values.items()})


def notice_of(key: str, **values: object) -> str:
    """Return the notice of a key of the tables (else KeyError), with a value for each placeholder."""
    if not values:
        return _bare_notice(key)
    words = ENGLISH[key].format_map({name: str(value) for name, value in values.items()})
    return Notice(words, key=key, values=values)


@cache
def _bare_notice(key: str) -> str:
    # A notice is never changed, and these are as many as the tables have.
    return Notice(ENGLISH[key].format_map({}), key=key)


def join_notices(between: str, parts: Iterable[str]) -> str:
    """Return several notices, or other words, as one notice, with `between` them."""
    said = tuple(parts)
    row = [between] * (2 * len(said) - 1)
    row[::2] = said
    return Notice(between.join(said), parts=tuple(row))


def pack_notice(words: str, others: Mapping[str, str]) -> str:
    """Return the notice of a pack's words for staff: the words, and the same in other languages, by code."""
    return Notice(words, others=others)


def notice_for_all(said: str) -> str:
    """Return the notice as one that everybody at the desk has to understand, each in their language."""
    return Notice(str(said), parts=(said,), loud=True)


def in_language(said: object, language: str) -> str:
    """Return the words in a language; a string that is no notice is returned as it is."""
    return said.in_language(language) if isinstance(said, Notice) else str(said)


def words_of(key: str, language: str, **values: object) -> str:
    """Return the words of a key of the tables in a language; empty: the first one."""
    return in_language(notice_of(key, **values), language)


def words_in_all(key: str) -> str:
    """Return the words of a key in every language, one after the other: for readers whose language is unknown."""
    return " ".join(words_of(key, language) for language in READ)


def in_languages(said: str, languages: Iterable[str]) -> str:
    """Return the words in each of several languages, a line each; once, if they do not differ."""
    return "\n".join(dict.fromkeys(in_language(said, language) for language in languages))
