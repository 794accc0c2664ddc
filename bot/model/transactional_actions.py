"""Actions that the commit of the decision performs: none of them waits, fails alone, or leaves the database.

Rule of this module: such an action is performed exactly when the decision is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from bot.model.audit_kinds import AuditKind
from bot.model.events import Event


@unique
class SuppressionReason(Enum):
    """Why nothing leaves for a phone, beyond the end of its thread."""

    STOP = "stop"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateThread:
    """Make a thread for the telephone number in the message that is being decided, with this person as its assignee.

    No action holds the number: the performer reads the message itself, in the same commit.
    """

    assignee: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    """Remember this about the thread's phone until then (seconds since the epoch), or forget it if `until` is 0."""

    reason: SuppressionReason
    until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementCounter:
    """Add one to a counter that knows no thread: a month (`2027-01`, UTC), a language, a kind."""

    month: str
    language: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Wake this aggregate at `due` (seconds since the epoch); the same key replaces."""

    key: str
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer:
    """Forget that timer."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkSeen:
    """Everything in the thread's room up to this event was seen: its lifetime begins (design.md, "The life of a thread").

    `by_message`: the event is a message of the assignee, so words that came in the last moments before it may be unread.
    `lifetime`: in seconds.
    """

    event_id: str
    lifetime: int
    by_message: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireMessage:
    """A message of ours at the desk has served its purpose and may go."""

    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkThread:
    """Hand the thread's room over to be erased; `grace`: seconds in which clients that are offline may learn of it.

    `drop_unsent`: a person said that texts which have not left yet need not leave any more. `canary`: see `bot.canary`.
    """

    grace: float
    drop_unsent: bool = False
    canary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseTexter:
    """Destroy all that was kept of the texter: number, flags, key, and that they ever wrote. `canary`: see `bot.canary`."""

    canary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustClock:
    """A person says that the machine's clock is right: data may expire and be destroyed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendEvent:
    """Put an event into another aggregate's inbox, in the same commit. `owner` is a thread's id or `desk`."""

    owner: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAudit:
    """Note in the audit that this was said or done, in order, by the hour. A text is noted when the carrier took it."""

    kind: AuditKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLegalHold:
    """Set or lift the legal hold: while it lasts nothing of this thread is deleted."""

    on: bool
