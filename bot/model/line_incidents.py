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
"""The prefix, before the id of a test of the alarms, of the `ref` of its message at the desk."""


DEAD_LETTER: Final = "dead-letter:"
"""The prefix, before its short id, of the `ref` of a dead letter's notice at the desk."""


@unique
class RoomLoss(Enum):
    """How a room of ours became unusable."""

    CLOSED = "closed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureFailed:
    """Something that should be erased still exists. `hours`: since it should.

    `what`: the name of a notice `remains.*`, and after a blank that of the reason.
    """

    what: str
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRecorded:
    """A row became a dead letter. `short_id` is what a person can quote.

    `designation`: of the thread whose texter's words it held, or whose first card, which nobody has read; else empty.
    `new_texter`: it held words of a person who has no designation yet. `uncalled`: it would have called people to that
    thread, or let what waits there go on; without a designation, to an unknown one. `keyless`: it was said in the room of
    that thread, whose key this machine does not have. `untold`: it was the desk's notice of another one.
    """

    short_id: str
    designation: str = ""
    new_texter: bool = False
    keyless: bool = False
    uncalled: bool = False
    untold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteFailed:
    """The homeserver refused to invite that person to the desk or to their office (`place`)."""

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
    OLD_ROOMS = "old_rooms"
    ROOM_CHANGED = "room_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeserverIncident:
    """An incident of the homeserver. `designation`: of the thread whose room it is about, or empty."""

    kind: HomeserverIncidentKind
    designation: str = ""


@unique
class CanaryStep(Enum):
    """The last step that the canary's round trip reached (`deploy.canary`), or that no report comes (`SILENT`)."""

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
    """The canary's round trip ended at that step. The desk is told once, until a round trip succeeds."""

    step: CanaryStep


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRecovered:
    """The canary's round trip succeeds again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFailed:
    """The person on call could not be called outside Matrix so far; `given_up`: it is not tried any more."""

    given_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJumped:
    """The machine's clock and the time that passed disagree by that many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLost:
    """The desk's room was closed (tombstoned, as an upgrade does), or we were removed from it."""

    place: str
    how: RoomLoss


@unique
class StrayKind(Enum):
    """What the carrier signed and is no text to this line: on another channel, in a group, or to another number."""

    CHANNEL = "channel"
    GROUP = "group"
    OTHER_NUMBER = "other_number"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayTextArrived:
    """Such a message came. Only one to another number was accepted; of others sender and words are stored nowhere."""

    kind: StrayKind


@unique
class GapKind(Enum):
    """Why texts may be missing without anybody having seen them, or reports about ours (`REPORTS`).

    `PROMOTED`: the database is a replica that was promoted, or an earlier state.
    """

    UNREADABLE = "unreadable"
    REFUSED = "refused"
    LARGE = "large"
    REPORTS = "reports"
    UNLISTED = "unlisted"
    AWAY = "away"
    PROMOTED = "promoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextsMissing:
    """Texts, or reports about ours, may be missing, for that reason; `minutes` since then, if known."""

    kind: GapKind
    minutes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRestored:
    """The line was restored from a backup that is so many hours old; so many texts were on their way to phones then."""

    hours: int
    unfinished: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysMissing:
    """So many conversations, more than at the last report, have no key here, as after an older `keys.db` was put back."""

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
    """The technician tests the alarms (`quietline alarm test`); the random id names the test."""

    test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChecked:
    """A check of the whole line (`quietline doctor --alarm`) found rows that are newly not well; empty: all are well again.

    `rows`: their names in that report, or of a unit that failed (`quietline alarm failed`); they name no person.
    """

    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRead:
    """The calendar of shifts has changed, or can be used again (`recovered`). Names are in the facts alone.

    `nameless`: when entries begin that name nobody who can be at the desk, the first of them; `more`: how many further ones
    there are; `unread`: how many could not be read. Both are 0 if supervisors were told before.
    """

    nameless: tuple[float, ...] = ()
    more: int = 0
    unread: int = 0
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarUnread:
    """The calendar of shifts cannot be used; told once. `hours`: the age of the copy that is used; None: there is none."""

    problem: CalendarProblem
    hours: int | None = None
