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

from bot.escort_slice import Asking, Escort
from bot.escort_words import Taken, Word
from bot.number import Cold, Number


@unique
class Role(Enum):
    """What a member of the desk is: power level 50 makes a supervisor."""

    ADVOCATE = "advocate"
    SUPERVISOR = "supervisor"


@unique
class State(Enum):
    """Where a thread is in its life. `waiting` never expires before a person saw it."""

    WAITING = "waiting"
    OPEN = "open"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A thread offered by its voice: to one person, or to everybody at the desk (`to` empty), for a while."""

    to: str
    by: str
    until: float
    event_id: str
    """The message that offered it: redacting it takes the offer back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who is heard by the texter. `epoch` grows with every change: words of an earlier epoch never leave."""

    holder: str | None = None
    epoch: int = 0
    before: str | None = None
    """Whose voice a supervisor took: it goes back to them by one word."""
    offer: Offer | None = None
    members: frozenset[str] = frozenset()
    interpreters: frozenset[str] = frozenset()
    slow_until: float = 0.0
    """Until when the undo window is the long one, because somebody joined (seconds since the epoch)."""
    answer_by: float = 0.0
    """Until when whoever was given the thread unasked has to show that they are there; 0 when nothing is asked of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The one reply of a supervisor to a text after a STOP, in its undo window."""

    event_id: str
    body: str = field(repr=False)
    author: str
    said_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the texter allowed. `stopped`: said STOP. `language`: asked for by its word."""

    stopped: bool = False
    confirmation: str = ""
    """The `ref` of the one text that may leave after this STOP."""
    language: str = "en"
    greeted: tuple[tuple[str, float], ...] = ()
    """When the greeting last left, per language."""
    may_resume: bool = False
    """A person may end the STOP: the texter said START and the line asks, or it was a person who took words for a STOP."""
    after_stop: str = ""
    """The id of the last text after the STOP, as long as nobody replied to it."""
    reply: Reply | None = None
    replied: str = ""
    """The `ref` of the last reply: it and nothing else may leave after a STOP."""
    vendor_block: bool = False
    """The carrier refused a text because this phone opted out there."""
    blocked_until: float = 0.0
    """Until when a supervisor's block stands (seconds since the epoch): nothing leaves, nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Words of the voice in their undo window."""

    event_id: str
    body: str = field(repr=False)
    author: str
    said_at: float
    leave_at: float
    name: str = ""
    """Which of the agency's texts it is, in its own words or in the advocate's; empty for anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Words of the voice that left the undo window: what the receipt says now."""

    event_id: str
    receipt: str
    body: str = field(default="", repr=False)
    """The words, until the carrier has answered: what is unknown may be sent again."""
    author: str = ""
    name: str = ""


@unique
class Reason(Enum):
    """Why words of the voice are held until a person says once more that they should leave."""

    LATE = "late"
    WARNED = "warned"
    LONG = "long"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Words of the voice that did not leave, or may not have: one command lets them leave (again)."""

    event_id: str
    body: str = field(repr=False)
    author: str
    reason: Reason
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What is on its way to the phone. `sent` and `held` keep the last of them, for receipts and for second words."""

    pending: tuple[Pending, ...] = ()
    sent: tuple[Sent, ...] = ()
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """State, and the times that decide about it (seconds since the epoch)."""

    state: State = State.WAITING
    since: float = 0.0
    last_inbound: float = 0.0
    last_outbound: float = 0.0
    closes: float = 0.0
    """When it is parked unless that is taken back; 0: it is not being closed."""
    continuing: bool = False
    """The survivor chose to be known the next time: number and flags are kept longer (DESIGN section 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody asks to see the number; until then a second person can say yes."""

    by: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What was said to the texter once and for all, and what was agreed with them. It outlives a conversation.

    `limits`, `tips`, `rights`: when the carrier took that text (seconds since the epoch; 0: never). `asked`: when the
    question whether texting is still safe was last put, as the line's clock on the wall said. `safe_times`: minutes of the
    line's day, [from, to), over midnight when `to` is the smaller; empty: any. `text_first`: None until it was asked.
    `channel`: one of `flags.CHANNELS`. `line`: the text that the texter chose for `!unsafe`.
    """

    limits: float = 0.0
    tips: float = 0.0
    rights: float = 0.0
    asked: str = ""
    safe_times: tuple[tuple[int, int], ...] = ()
    text_first: bool | None = None
    channel: str = ""
    line: str = ""
    unsafe: bool = False
    """Nothing leaves for the phone, until a person says that it is safe again."""
    line_ref: str = ""
    """The `ref` of the one text, chosen by the texter beforehand, that may leave all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """How the exchange stands. Nothing of it outlives a conversation.

    `heard`: the last text of theirs; `spoke`: the last of the voice's that the carrier took; `exchanges`: how often they
    answered the voice; `cued`: what the room was told once. Times in seconds since the epoch; 0: never.
    """

    heard: float = 0.0
    spoke: float = 0.0
    rung: int = 0
    """How many cues about their silence the room has had."""
    exchanges: int = 0
    cued: frozenset[str] = frozenset()
    ask: bool = False
    """Something has changed: the voice should ask again whether texting is safe."""
    answer: str = ""
    """The last text that the line sent by itself: which of the agency's it was."""
    answering: bool = False
    """Their last text was answered by itself; `answered`: so was the one before; and the voice has said nothing since. That
    they said it counts, not that it left: what does not leave under duress must not show in what the line answers by itself
    (practice 10)."""
    answered: bool = False


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
    taken: Taken | None = None
    """What was said in an office that was asked for a codeword; the words themselves are not in the event any more."""
    outage: bool = False
    number: Number | None = None
    frozen: bool = False
    """Somebody put the thread on hold: nothing of it is destroyed (DESIGN section 5)."""
    showing: bool = False
    """Something of the thread is still on its way into its room."""
    arriving: bool = False
    """A text of this texter is in the inbox, behind this event."""
    fresh: str = ""
    """Two words that no conversation bears, for one that begins."""

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
