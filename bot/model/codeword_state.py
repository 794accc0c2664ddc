"""What is known of a codeword, without the word: what matching found in a text, and what a thread and the desk keep of it.

Rules of this module: no word is in here, only digests of the two words; what belongs to the phone outlives the
conversation. `bot.language.codeword_forms` compares words, outside the decision, because digests are slow on purpose.
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


@unique
class SendLock(Enum):
    """Why an advocate's free words do not leave for a phone; the agreed cover lines do, until a supervisor's `!unlock`."""

    NONE = "none"
    UNVERIFIED = "unverified"
    DURESS = "duress"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodewordState:
    """The codeword of a phone. All of it goes over into the phone's next conversation.

    `spent`: a word was texted, so it is on that phone now; `spent_before`: the salts of earlier digests of which one was.
    `last_text_at`: when the last text that a person wrote came, by its own time.
    `challenge`: the `!verify` whose challenge has not been answered, `challenge_sent_at`: when the carrier took it, 0 while
    it has not. `ever_texted`: one of the two words was texted once. From then on nothing that shows on the phone may depend
    on whether words of a person left, because under duress they do not; it depends on whether they were said.
    """

    digests: Digests | None = field(default=None, repr=False)
    spent: bool = False
    spent_before: tuple[str, ...] = field(default=(), repr=False)
    ever_texted: bool = False
    verified_at: float = 0.0
    failures: tuple[float, ...] = ()
    lock: SendLock = SendLock.NONE
    last_text_at: float = 0.0
    challenge: str = ""
    challenge_sent_at: float = 0.0
    duress_at: float = 0.0
    """When the duress word last came. What the line says by itself never turns on it (practice 10)."""

    @property
    def spent_salts(self) -> tuple[str, ...]:
        """The salts of all digests of words that were texted."""
        now = {self.digests.salt} if self.spent and self.digests is not None else set()
        return tuple(sorted(now.union(self.spent_before)))

    def without_words(self) -> CodewordState:
        """Return what stays of it when its words are forgotten, or others are agreed."""
        return CodewordState(
            spent_before=self.spent_salts,
            failures=self.failures,
            ever_texted=self.ever_texted,
            last_text_at=self.last_text_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A person is being asked in their office for a codeword.

    `wants_duress_word`: the codeword is given, and they are asked for the duress word.
    """

    user: str
    thread: str
    designation: str
    until: float
    wants_duress_word: bool = False
