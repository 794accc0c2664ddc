"""Everything that can happen, as closed unions.

Rule of this module: an event is a fact that has happened, in the past tense or as a state; it asks for nothing. Bodies are
kept out of `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TypeAlias

from bot.model.codeword_state import CodewordMatch
from bot.model.line_incidents import (
    AlarmTestRequested,
    CalendarRead,
    CalendarUnread,
    CanaryFailed,
    CanaryRecovered,
    ClockJumped,
    DeadLetterRecorded,
    ErasureFailed,
    HomeserverIncident,
    InviteFailed,
    KeysMissing,
    LineChecked,
    LineRestored,
    PageFailed,
    RoomLost,
    StaffAdded,
    StaffRemoved,
    StrayTextArrived,
    SyncStalled,
    TextsMissing,
)
from bot.model.thread_desk_events import (
    AlarmRaised,
    Assigned,
    AssigneePresent,
    AssigneeSpoke,
    AssignmentRefused,
    AuthorSignedOut,
    ClaimRequested,
    DrillEnded,
    DrillReported,
    DuressFlagChanged,
    EnrolmentFinished,
    EnrolmentRequested,
    LegalHoldChanged,
    ListenRequested,
    MemberRemoved,
    OffDutyRequested,
    OfferChanged,
    OtherHandsChanged,
    OutreachStarted,
    PhoneMuted,
    PhoneStopped,
    QuietChosen,
    ReadingLanguageChosen,
    RevealConfirmed,
    RevealRequested,
    SituationMet,
    TextDropped,
    ThreadActivity,
    ThreadCreated,
    ThreadMarked,
    ThreadParked,
    ThreadQueued,
    UnreadClosed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextArrived:
    """A text from the handset. `id` is opaque and the same in the carrier's retries; `media` counts what is not fetched.

    `at`: when it was texted, or came, never in the future; `sent_at`: the carrier's time of sending, if it is plausible.
    `rate_limited`: it opened a thread while more new texters came than the pack allows. `unordered_within`: the seconds
    within which the carrier's texts may arrive in another order than they were texted, when it gives no time.
    """

    id: str
    body: str = field(repr=False)
    at: float
    media: int = 0
    sent_at: float | None = None
    rate_limited: bool = False
    unordered_within: float = 0.0
    drill: str = ""
    """The tag of the drill's handset that sent it, as the rehearsal carrier reports; no other carrier can."""
    codeword_match: CodewordMatch = CodewordMatch.NONE
    """Which codeword it held, if the word is masked already: in a dead letter, whose decision failed as a bug."""


@unique
class Outcome(Enum):
    """The result of one request to the carrier."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    OPTED_OUT = "opted_out"
    FAILED = "failed"
    UNKNOWN = "unknown"
    LATE = "late"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOutcome:
    """The result for a text of ours. `ref` names it; `code` is the carrier's, for a person to quote."""

    ref: str
    outcome: Outcome
    code: str = ""


@unique
class Content(Enum):
    """What kind of message a person sent in a room."""

    TEXT = "text"
    FILE = "file"
    EMOTE = "emote"
    OTHER = "other"


@unique
class Relation(Enum):
    """How a message relates to others. A reply to the texter's words is an answer like any other."""

    NONE = "none"
    TEXTER_REPLY = "texter_reply"
    OTHER_REPLY = "other_reply"
    THREAD = "thread"
    EDIT = "edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent:
    """A person said something, in an encrypted event from a trusted device.

    `place`: where (see `actions`); `target`: what an edit replaces or a reply answers; `mentioned_users`: the Matrix ids
    that the message mentions, without our own; `at`: the homeserver's time in seconds. `ref`: our own name for the target
    of a reply, if that is a message of ours. A reply to a notice of ours has as its target what that notice is about.
    """

    place: str
    sender: str
    event_id: str
    body: str = field(repr=False)
    at: float
    content: Content = Content.TEXT
    relation: Relation = Relation.NONE
    target: str = ""
    mentions: bool = False
    mentioned_users: tuple[str, ...] = ()
    ref: str = ""
    quotes: bool = False
    """Its author quoted other words in it, which are not in `body`."""
    differs: bool = False
    """`body` is what the author's client shows, and not what they typed: a letter or a digit is lost, added or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionAdded:
    """A person reacted. `target` is our `ref` if the event is ours, else empty; `trusted`: has a confirmed device."""

    place: str
    sender: str
    event_id: str
    key: str
    target: str
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRedacted:
    """A person redacted that event. `ref`: our own name for it, if it is ours."""

    place: str
    sender: str
    target: str
    ref: str = ""


@unique
class IgnoreReason(Enum):
    """Why an event was not accepted."""

    UNTRUSTED = "untrusted"
    UNREADABLE = "unreadable"
    UNENCRYPTED = "unencrypted"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageIgnored:
    """A person sent something that was not accepted: from an untrusted device, without its key, or unencrypted.

    `command`: the beginning of what looks like a command in a thread's room, or a tap, for the commands that only stop.
    """

    place: str
    sender: str
    event_id: str
    reason: IgnoreReason
    command: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberJoined:
    """A person is now a member."""

    place: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLeft:
    """A person is no longer a member: left, removed or declined."""

    place: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReturned:
    """After a rollback of the homeserver, a person who had left a room, or was removed, is in it again."""

    place: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberNamed:
    """A member of the desk room has this display name; "" is no name."""

    user: str
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLevelsChanged:
    """The desk room's power levels are these. `tampered`: other permissions are not the original ones."""

    users: tuple[tuple[str, int], ...]
    tampered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRead:
    """A person's client reports that they saw this event and what was before it."""

    place: str
    user: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChanged:
    """A person's cross-signing identity is not a confirmed one; `first`: none of theirs was ever confirmed.

    An empty `master_key`: their clients have made no identity yet.
    """

    user: str
    master_key: str = ""
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfirmed:
    """A person's newest cross-signing identity was confirmed on the server (`quietline trust`)."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerDue:
    """A timer that a decision had set is due."""

    key: str


Event: TypeAlias = (
    TextArrived
    | TextOutcome
    | MessageSent
    | ReactionAdded
    | MessageRedacted
    | MessageIgnored
    | MemberJoined
    | MemberLeft
    | MemberReturned
    | MemberNamed
    | PowerLevelsChanged
    | IdentityChanged
    | IdentityConfirmed
    | TimerDue
    | ThreadQueued
    | AlarmRaised
    | DeadLetterRecorded
    | CanaryFailed
    | CanaryRecovered
    | PageFailed
    | CalendarRead
    | CalendarUnread
    | AlarmTestRequested
    | ClockJumped
    | InviteFailed
    | StaffAdded
    | StaffRemoved
    | SyncStalled
    | HomeserverIncident
    | StrayTextArrived
    | TextsMissing
    | Assigned
    | ClaimRequested
    | AssignmentRefused
    | OffDutyRequested
    | ReadingLanguageChosen
    | OfferChanged
    | AssigneeSpoke
    | ListenRequested
    | PhoneMuted
    | PhoneStopped
    | MemberRemoved
    | AuthorSignedOut
    | TextDropped
    | DuressFlagChanged
    | OtherHandsChanged
    | ThreadActivity
    | ThreadMarked
    | AssigneePresent
    | ThreadCreated
    | OutreachStarted
    | RoomLost
    | EnrolmentRequested
    | EnrolmentFinished
    | MessageRead
    | ErasureFailed
    | ThreadParked
    | UnreadClosed
    | LegalHoldChanged
    | RevealRequested
    | RevealConfirmed
    | LineChecked
    | LineRestored
    | KeysMissing
    | DrillReported
    | DrillEnded
    | SituationMet
    | QuietChosen
)
