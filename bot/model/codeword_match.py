"""The result of matching codewords, for the decision: which word a text held, and what became of an offered word.

Rule of this module: no word is in here. `bot.language.codeword_forms` compares words, outside the decision, because digests
are slow on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique

SHORTEST, SHORTEST_IDEOGRAPHS, LONGEST, MOST_WORDS = 4, 2, 40, 6
"""Letters that a codeword has at least (of ideographs fewer) and at most; words that it has at most."""


@unique
class CodewordMatch(Enum):
    """Which codeword a text held."""

    NONE = "none"
    SAFE = "safe"
    DURESS = "duress"


@unique
class Flaw(Enum):
    """Why a codeword is not accepted. The value is what the person who agreed on it is told."""

    NOT_PLAIN = "Only a new, plain message is taken: no edit, no thread, no file, nobody mentioned."
    NO_LETTERS = (
        "It needs letters: pictures look different on every phone, and digits alone are guessed and come up by chance."
    )
    SHORT = f"It is too short or too simple: at least {SHORTEST} letters, not all of them alike."
    LONG = f"It is too long: at most {MOST_WORDS} words and {LONGEST} letters."
    KEYWORD = "It is a keyword (like STOP, START, YES or HELP) and means something else in a text."
    COMMON = "It is too common: it would come up by chance. An unusual word, or two unlike each other, is better."
    OURS = "It stands in one of the agency's own texts, which phones may quote back."
    SAME = "It is the same as the codeword."
    NEAR = "It is too near to the codeword: a slip of the thumb would turn one into the other."
    LOST = "The codeword said before is not here any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What is stored of two words: a salt, the digest of each under it, in hex, and the length of each, in letters.

    There are always two digests; when no duress word was agreed, the second is of nothing that anybody could text.
    """

    salt: str = field(repr=False)
    safe: str = field(repr=False)
    duress: str = field(repr=False)
    lengths: tuple[int, int] = field(repr=False)
    parts: tuple[int, int] = field(default=(1, 1), repr=False)
    """The number of tokens of each: runs with as many tokens are the likely ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentAnswer:
    """The result for an answer in an office: a flaw, both digests, or neither (the first word is accepted)."""

    flaw: Flaw | None = None
    digests: Digests | None = field(default=None, repr=False)
