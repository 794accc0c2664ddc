"""Events that thread and desk send each other.

Rule of this module: such an event is put into the other's inbox in the commit of the decision, so neither waits for the
other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique

from bot.model.codeword_state import Digests
from policies.drills.script import DrillFact


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadQueued:
    """From a thread to the desk: the thread has no assignee.

    `requeued`: it had one before; `rate_limited`: its card has to wait; `danger`, `language`: as in `ThreadMarked`;
    `other_hands_at`: as in `OtherHandsChanged`; `closing`: its conversation is being closed, and needs nobody;
    `reopened`: that was taken back.
    """

    thread: str
    designation: str
    since: float
    requeued: bool = False
    rate_limited: bool = False
    other_hands_at: float = 0.0
    danger: bool = False
    language: str = ""
    closing: bool = False
    reopened: bool = False


@unique
class AlarmKind(Enum):
    """The kinds of alarms: a new message for each, or an edit of it when the same alarm comes again within minutes."""

    STOPPED = "stopped"
    TEXT_AFTER_STOP = "text_after_stop"
    CAME_LATE = "came_late"
    RESUMED = "resumed"
    UNKNOWN_SEND = "unknown_send"
    OPTED_OUT = "opted_out"
    ESCALATED = "escalated"
    DURESS = "duress"
    UNVERIFIED = "unverified"
    URGENT = "urgent"
    UNSAFE = "unsafe"
    SAFE = "safe"
    STOPPED_LIVE = "stopped_live"
    STOPPED_BY_STAFF = "stopped_by_staff"
    START_ASKS = "start_asks"
    LEFT_QUIETLY = "left_quietly"
    LEFT_UNSEEN = "left_unseen"
    LEFT_ALARMED = "left_alarmed"
    GOODBYE = "goodbye"
    CALL = "call"
    HELP = "help"
    INFO = "info"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    OTHER_HANDS = "other_hands"
    BREAK_GLASS = "break_glass"
    UNREAD = "unread"
    STILL_UNREAD = "still_unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised:
    """From a thread to the desk. `by`: who asks for a supervisor, or does not read; others are called. Empty: nobody."""

    designation: str
    alarm: AlarmKind
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDropped:
    """To the desk: a text from a blocked phone came and was dropped."""


@unique
class AssignmentKind(Enum):
    """How a person came to be the assignee: all but `RETURNED` by words of their own."""

    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    TAKEN_OVER = "taken_over"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """From the desk to a thread: this person is the assignee now.

    `answer_by`: they got it unasked, and lose it unless they show a sign until then (0: they asked for it).
    """

    assignee: str
    how: AssignmentKind = AssignmentKind.CLAIMED
    answer_by: float = 0.0
    designation: str = ""
    """The texter's conversation that is meant: for another one this event has no effect. Empty: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequested:
    """From a thread to the desk: this person asks to be its assignee; the desk alone decides.

    `over_cap`: even over the cap.
    """

    thread: str
    user: str
    how: AssignmentKind
    over_cap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OffDutyRequested:
    """From a thread to the desk: this person goes off duty."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLanguageChosen:
    """From a thread to the desk: this person chose the language in which the software speaks to them."""

    user: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRefused:
    """From the desk to a thread: that person is not its assignee, for this reason."""

    user: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferChanged:
    """From a thread to the desk: its assignee offers it to everybody, or does so no longer."""

    thread: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AssigneeSpoke:
    """From a thread to the desk: this person said something for the phone there."""

    thread: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenRequested:
    """From the desk to a thread: this supervisor joins as a note-taker."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneStopped:
    """A person said `!unsafe` for this thread at the desk, in an office, or in the room that it had until it was parked.

    `designation`: to the desk, of the thread that was named in another one's room.
    """

    designation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneMuted:
    """A person said `!stopped` or `!block` in the room that this thread had until it was parked. `body`: as typed."""

    user: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRemoved:
    """From the desk to a thread: this person is not on the roster any more."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorSignedOut:
    """From the desk to a thread: this person was signed out everywhere; another may have written with their device."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DuressFlagChanged:
    """From a thread to the desk: it is under duress, or no longer."""

    thread: str
    duress: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherHandsChanged:
    """From a thread to the desk: when a sign was seen that another person has the phone; 0: there is none any more."""

    thread: str
    other_hands_at: float


@dataclass(frozen=True, slots=True)
class ThreadMarked:
    """From a thread to the desk: its marks.

    `danger`: there was a sign of danger; `language`: of the agency's texts, empty when it is the line's first.
    """

    thread: str
    danger: bool
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadActivity:
    """From a thread to the desk: a text came (`inbound`) or went. Sent when the direction changes, else once a minute."""

    thread: str
    at: float
    inbound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AssigneePresent:
    """Between the desk and a thread: the assignee who got it unasked has shown a sign at the sender's end."""

    thread: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRequested:
    """From a thread to the desk: this person has agreed on a codeword by phone call; ask them for it in their office.

    `language`: of the agency's texts for that phone; empty: the line's first.
    """

    thread: str
    designation: str
    user: str
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadCreated:
    """From the bridge to a thread that it has just made: this person may text a phone that never texted us."""

    assignee: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutreachStarted:
    """From a thread to the desk: this person texts first there, and is its assignee from the beginning."""

    thread: str
    designation: str
    assignee: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentFinished:
    """From the desk to a thread: this person gave the two words. Only their digests are left."""

    user: str
    digests: Digests = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHoldChanged:
    """From a thread to the desk: it is on hold, or not any more. An empty designation: its conversation is over."""

    thread: str
    designation: str
    on_hold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealRequested:
    """From a thread to the desk: this person asks to see the number; `over`: the request is over."""

    thread: str
    designation: str
    by: str
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealConfirmed:
    """From the desk to a thread: this person confirms the request of the person who asks there."""

    user: str
    designation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadClosed:
    """From the desk to a thread: a supervisor closes it unread (`!close-rest`), unless something prevents it.

    `designation`: of the conversation that is meant.
    """

    designation: str


@unique
class Situation(Enum):
    """A situation that a person meets for the first time, for which there is a sentence."""

    CLAIM = "claim"
    NOTE = "note"
    HELD = "held"
    CUE = "cue"


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationMet:
    """From a thread to the desk: this person is in that situation, and the thread has not reported it before."""

    user: str
    situation: Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietChosen:
    """From a thread to the desk: this person wants no sentences about first times any more, or wants them again."""

    user: str
    quiet: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReported:
    """From a thread of a drill to the desk: what has come true, what was said and sent, and the result of a text.

    `came`: when a text of the texter came (0: none did). `said`: refs of words that have begun to wait their undo window;
    `said_at`: when that was said, by the homeserver. `sent`: texts for the phone by their ref. `outcome`: the ref of a
    text, and whether it reached the phone; the empty ref is none.
    """

    tag: str
    thread: str
    user: str = ""
    facts: tuple[DrillFact, ...] = ()
    came: float = 0.0
    said: tuple[str, ...] = ()
    said_at: float = 0.0
    sent: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    outcome: tuple[str, bool] = ("", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillEnded:
    """From the desk to a thread: the drill that it was for is over."""

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadParked:
    """From a thread to the desk: the conversation is parked, and cannot be claimed any more."""

    thread: str
