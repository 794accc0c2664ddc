"""Incidents of the line, which the bridge reports to the desk.

Rule of this module: an incident holds no content, and names a thread only where a person must look into it. Each incident
is one that its reader can do something about.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from policies.shifts.content_lines import CalendarProblem

ALARM_TEST: Final = "alarm-test:"
"""With the id of a test of the alarms behind it: the `ref` of its message at the desk."""


@unique
class RoomLoss(Enum):
    """How a room of ours ceased to be of use."""

    CLOSED = "closed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureFailed:
    """Something that should be erased by now is still there. `hours`: since then.

    `what`: the name of a notice `remains.*`, and after a blank that of why it is still there.
    """

    what: str
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRecorded:
    """Something could not be handled. `short_id` is what a person can quote.

    `designation`: of the thread whose texter's words they were, which nobody has read; else empty. `new_texter`: words of
    a person who has no designation yet. `keyless`: something said in the room of that thread, whose key this machine has
    not.
    """

    short_id: str
    designation: str = ""
    new_texter: bool = False
    keyless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteFailed:
    """The homeserver would not invite that person to the desk or to their office (`place`)."""

    user: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStalled:
    """For so many minutes the homeserver has not told us what is said in the rooms."""

    minutes: int


@unique
class HomeserverIncidentKind(Enum):
    """What happened at the homeserver."""

    GAP = "gap"
    DEVICE_GONE = "device_gone"
    ROOMS_LOST = "rooms_lost"
    MODULE = "module"
    SUSPENDED = "suspended"
    NOT_REMOVED = "not_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeserverIncident:
    """Something of that kind happened at the homeserver. `designation`: of the thread whose room it is about, or empty."""

    kind: HomeserverIncidentKind
    designation: str = ""


@unique
class CanaryStep(Enum):
    """How far the canary's round trip came (`deploy.canary`), or that nothing is heard of it (`SILENT`)."""

    ACCOUNT = "account"
    TEXT = "text"
    ROOM = "room"
    KEYS = "keys"
    ANSWER = "answer"
    SLOW = "slow"
    ERASURE = "erasure"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFailed:
    """The canary's round trip did not come further than that step. It is told once, until it is well again."""

    step: CanaryStep


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRecovered:
    """The canary's round trip is well again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFailed:
    """The person on call could not be called outside Matrix so far; `given_up`: and is not tried any more."""

    given_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJumped:
    """The machine's clock and the time that passed disagree by that many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesAhead:
    """The clock is right, and times noted before may lie ahead of it by so many seconds: they are brought back.

    Negative: they lie behind it, and what would end too early by that ends later.
    """

    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLost:
    """The desk's room was closed (tombstoned, as an upgrade does), or we were removed from it."""

    place: str
    how: RoomLoss


@unique
class StrayKind(Enum):
    """What is signed by the carrier and is no text to this line: a person on another channel, or a group."""

    CHANNEL = "channel"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayTextArrived:
    """Something of that kind came and was not taken. Who it was, and what they wrote, is stored nowhere."""

    kind: StrayKind


@unique
class GapKind(Enum):
    """Why texts may be missing here without anybody having seen them, or reports about ours (`REPORTS`)."""

    UNREADABLE = "unreadable"
    REFUSED = "refused"
    LARGE = "large"
    REPORTS = "reports"
    UNLISTED = "unlisted"
    AWAY = "away"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextsMissing:
    """Texts, or reports about ours, may be missing, for that reason; `minutes` since it is so, where that is known."""

    kind: GapKind
    minutes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRestored:
    """The line began again from a backup that is so many hours old; so many texts were on their way to phones then."""

    hours: int
    unfinished: int


@unique
class MarkedFacts(Enum):
    """Facts that are known to be as they were written: STOP and blocks, locks, confirmed identities, sealed aggregates."""

    SUPPRESSION = "suppression"
    LOCKS = "locks"
    CONFIRMED = "confirmed"
    AGGREGATES = "aggregates"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsBehind:
    """Facts in the database are older than they were, or were changed beside us.

    `accepted`: it is only their mark that is older, and they count. `designation`: of the one thread whose locks were taken
    back; else empty.
    """

    kind: MarkedFacts
    accepted: bool = False
    designation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysMissing:
    """The machine has no key of so many conversations, as after an older `keys.db` was put back. Told where it is more."""

    conversations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffAdded:
    """The technician made an account for that person (`quietline staff add`), as a supervisor or as an advocate."""

    user: str
    supervisor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffRemoved:
    """The technician ended that person's account (`quietline staff remove`)."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmTestRequested:
    """The technician tries the alarms (`quietline alarm test`), by a random id that says which try it is."""

    test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChecked:
    """A look at the whole line (`quietline doctor --alarm`) found rows that are not well and were; empty: all is again.

    `rows`: their names in that report, or of a unit that failed (`quietline alarm failed`); they say nothing of anybody.
    """

    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRead:
    """The calendar of shifts is another one, or can be used again (`recovered`). Names are in the facts alone.

    `nameless`: when entries begin that name nobody who can be at the desk, the first of them; `more`: how many further ones
    there are; `unread`: how many could not be read. Both are 0 where supervisors were told before.
    """

    nameless: tuple[float, ...] = ()
    more: int = 0
    unread: int = 0
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarUnread:
    """The calendar of shifts cannot be used; told once. `hours`: the age of the copy that counts; None: there is none."""

    problem: CalendarProblem
    hours: int | None = None
