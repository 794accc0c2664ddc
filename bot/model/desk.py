"""The two aggregates: a thread (one texter's conversation) and the desk (everything the threads of a line share).

Rules of this module: everything that changes what happens next is in one of these two values, frozen; a thread is made of
slices and each feature replaces only its own; no phone number is in here (the bridge's vault has it), and no Matrix event
id that the homeserver makes, but those of what people said: our own events are called by `ref`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TypeAlias

from bot.language.codeword_forms import Taken, Word
from bot.model.codeword_state import Asking, Escort
from bot.model.dialed_number import Cold, Number
from bot.model.thread import Consent, Flags, Life, Sending, Silence, Voice


@unique
class Role(Enum):
    """What a member of the desk is: power level 50 makes a supervisor."""

    ADVOCATE = "advocate"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody asks to see the number; until then a second person can say yes."""

    by: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One conversation. `answerable` is false for short codes and names: shown, not answered."""

    id: str
    designation: str
    answerable: bool = True
    voice: Voice = field(default_factory=Voice)
    consent: Consent = field(default_factory=Consent)
    sending: Sending = field(default_factory=Sending)
    life: Life = field(default_factory=Life)
    escort: Escort = field(default_factory=Escort)
    flags: Flags = field(default_factory=Flags)
    silence: Silence = field(default_factory=Silence)
    tallied: frozenset[str] = frozenset()
    """What this conversation was counted as, so that a second tap counts nothing. The counters know no thread."""
    held: bool = False
    """It is on hold, as last seen here; the database has the truth (`Facts.frozen`)."""
    asked: Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A member of the desk. `spoke`: the thread in which their last words for a phone were said.

    `away`: was given a thread unasked and did not show themselves. `since`: on duty since then. `heavy`: heavy threads
    since then. `offered`: when they were last offered a talk unasked. Counts and times, never what it was about.
    """

    user: str
    role: Role
    duty: bool = True
    spoke: str = ""
    away: bool = False
    since: float = 0.0
    heavy: int = 0
    offered: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A thread as the desk sees it. `voice` is None while it waits; `since`: when it came to wait, or to its voice.

    `begun`: when it came to the desk. `last`, `theirs`: the last text, to the minute, and whose it was. `given`: to its
    voice unasked; `tried`: who had it in their hands and has it no longer. `duress`, `heavy`: marks, no content.
    """

    thread: str
    designation: str
    since: float
    voice: str | None = None
    offered: bool = False
    carded: bool = True
    """False for a texter who came in a flood, until their card can be shown: no room is made for them before."""
    cards: int = 0
    """How many messages at the desk were its card before the present one."""
    begun: float = 0.0
    last: float = 0.0
    theirs: bool = True
    given: bool = False
    tried: tuple[str, ...] = ()
    duress: bool = False
    heavy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Roster and queue of a line; serial, so that two claims in one second have one winner."""

    roster: tuple[Seat, ...] = ()
    levels: tuple[tuple[str, int], ...] = ()
    threads: tuple[Line, ...] = ()
    identities: tuple[tuple[str, str], ...] = ()
    """Master keys that wait for a supervisor's `!trust`, by user."""
    reported: tuple[tuple[str, float], ...] = ()
    """When the desk was told of each of these (seconds since the epoch)."""
    outage: bool = False
    board: str = ""
    """The live board as it was last written."""
    board_at: float = 0.0
    claimers: tuple[tuple[str, float], ...] = ()
    """Who asked for the next thread while nobody waited, and until when."""
    flood_told: float = 0.0
    dropped: int = 0
    """Texts from blocked phones, within a day of `dropped_since`."""
    dropped_since: float = 0.0
    cold: tuple[Cold, ...] = ()
    asking: tuple[Asking, ...] = ()
    worded: tuple[str, ...] = ()
    """The last messages that held a codeword and were redacted: what edits them is redacted as well."""
    holds: tuple[str, ...] = ()
    """Threads that are on hold, also those whose conversation is over."""

    def seat(self, user: str) -> Seat | None:
        """Who that person is at the desk, if they are there."""
        return next((seat for seat in self.roster if seat.user == user), None)

    @property
    def waiting(self) -> tuple[Line, ...]:
        """Threads without a voice, the longest waiting first."""
        return tuple(sorted((line for line in self.threads if line.voice is None), key=lambda line: line.since))

    def held(self, user: str) -> tuple[Line, ...]:
        """Threads whose voice that person is."""
        return tuple(line for line in self.threads if line.voice == user)


Aggregate: TypeAlias = Thread | Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the engine looked up for one decision.

    `now` in seconds since the epoch; `roster` as the desk stands; `designations` of all threads of the line but this one;
    `load`: how many threads each person holds; `outage`: the desk says that texts do not work well; `number`: what a
    message in an office is as a telephone number. The rest is for threads only, and `fresh` for a parked one.
    """

    now: float
    roster: tuple[Seat, ...] = ()
    designations: frozenset[str] = frozenset()
    load: Mapping[str, int] = field(default_factory=dict)
    word: Word = Word.NONE
    """Which agreed word the event held, before it was masked."""
    partly: bool = False
    """It was so long that not all of it could be compared with the agreed word."""
    taken: Taken | None = None
    """What was said in an office that was asked for a codeword; the words themselves are not in the event any more."""
    outage: bool = False
    on_call: bool = False
    """Somebody outside Matrix can be called."""
    number: Number | None = None
    frozen: bool = False
    """Somebody put the thread on hold: nothing of it is destroyed (DESIGN section 5)."""
    showing: bool = False
    """Something of the thread is still on its way into its room."""
    buried: bool = False
    """Words of this texter could not be shown, and are kept: `!retry` may bring them back."""
    arriving: bool = False
    """A text of this texter is in the inbox, behind this event."""
    leaving: bool = False
    """A text to this phone is decided, and has not left yet or is just leaving."""
    fresh: str = ""
    """Two words that no conversation bears, for one that begins."""
    ahead: float = 0.0
    """By how many seconds the machine's clock was set forward since the start: `now` does not follow it."""

    @property
    def clock(self) -> float:
        """What a clock on the wall shows (seconds since the epoch): for whatever is of a time of day."""
        return self.now + self.ahead

    @property
    def staffed(self) -> bool:
        """Whether somebody is on duty."""
        return any(seat.duty for seat in self.roster)

    def seat(self, user: str) -> Seat | None:
        """Return who that person is at the desk, if they are there."""
        return next((seat for seat in self.roster if seat.user == user), None)

    @property
    def supervisors(self) -> tuple[str, ...]:
        """Return the supervisors on duty."""
        return tuple(seat.user for seat in self.roster if seat.duty and seat.role is Role.SUPERVISOR)

    def role(self, user: str) -> Role | None:
        """Return what that person may do, None for somebody who is not on the roster."""
        return next((seat.role for seat in self.roster if seat.user == user), None)
