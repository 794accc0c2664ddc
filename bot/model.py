"""The two aggregates: a thread (one texter's conversation) and the desk (everything the threads of a line share).

Rules of this module: everything that changes what happens next is in one of these two values, frozen; a thread is made of
slices and each feature replaces only its own; no phone number is in here (the bridge's vault has it), and no Matrix event
id that the homeserver makes, but those of what people said: our own events are called by `ref`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TypeAlias


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who is heard by the texter. `epoch` grows with every change: words of an earlier epoch never leave."""

    holder: str | None = None
    epoch: int = 0
    members: frozenset[str] = frozenset()
    slow_until: float = 0.0
    """Until when the undo window is the long one, because somebody joined (seconds since the epoch)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the texter allowed. `stopped`: said STOP. `language`: asked for by its word."""

    stopped: bool = False
    confirmation: str = ""
    """The `ref` of the one text that may leave after this STOP."""
    language: str = "en"
    greeted: tuple[tuple[str, float], ...] = ()
    """When the greeting last left, per language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Words of the voice in their undo window."""

    event_id: str
    body: str = field(repr=False)
    author: str
    said_at: float
    leave_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Words of the voice that left the undo window: what the receipt says now."""

    event_id: str
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What is on its way to the phone. `sent` keeps the last of them, so that a report can find its receipt."""

    pending: tuple[Pending, ...] = ()
    sent: tuple[Sent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """State, and the times that decide about it (seconds since the epoch)."""

    state: State = State.WAITING
    since: float = 0.0
    last_inbound: float = 0.0
    last_outbound: float = 0.0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A member of the desk."""

    user: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A thread as the desk sees it. `voice` is None while it waits."""

    thread: str
    designation: str
    since: float
    voice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Roster and queue of a line; serial, so that two claims in one second have one winner."""

    roster: tuple[Seat, ...] = ()
    levels: tuple[tuple[str, int], ...] = ()
    threads: tuple[Line, ...] = ()

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

    `now` in seconds since the epoch; `roster` as the desk stands; `designations` of all threads of the line but this one.
    """

    now: float
    roster: tuple[Seat, ...] = ()
    designations: frozenset[str] = frozenset()

    @property
    def staffed(self) -> bool:
        """Whether somebody is on duty: on a line without duty hours, whoever is at the desk is."""
        return bool(self.roster)

    def role(self, user: str) -> Role | None:
        """Return what that person may do, None for somebody who is not on the roster."""
        return next((seat.role for seat in self.roster if seat.user == user), None)
