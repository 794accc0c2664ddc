"""What a thread and the desk keep of a codeword: slices of the two aggregates of `bot.model.desk`.

Rule of this module: no word is in here, only digests of the two words; what belongs to the phone outlives the conversation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique

from bot.model.codeword_match import Digests


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
    `last_text_at`: when the last text came, by its own time.
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
