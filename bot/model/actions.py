"""Everything a decision may ask for, as a closed union.

Rule of this module: an action is durable data, not a call. Performing an action twice has the effect of performing it once;
a text must not be performed twice. `ref` names our own events, and is unique within a thread or the desk. `language`: of
the reader, for what the bridge puts into words; empty for the first one of the tables (`bot.display.readers` fills it in).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final, TypeAlias

from bot.model.transactional_actions import (
    CancelTimer,
    CreateThread,
    EraseTexter,
    ExpireMessage,
    IncrementCounter,
    MarkSeen,
    ParkThread,
    RecordAudit,
    SendEvent,
    SetLegalHold,
    SetTimer,
    Suppress,
    TrustClock,
)

DESK: Final = "desk"
THREAD: Final = "thread"
RECAP: Final = "recap"
"""The ref of the recap: a room has one, the newest."""
OFFICE: Final = "office:"
"""Places: the desk room, the thread's own room, and `office:` followed by whose office it is."""


@unique
class Speaker(Enum):
    """Which of our two identities speaks."""

    POLICY = "policy"
    TEXTER = "texter"


@unique
class Lane(Enum):
    """The order of rows holds within a lane of a thread; what a person waits for goes first, clean-up last."""

    ANSWERS = "answers"
    CONVERSATION = "conversation"
    RECEIPTS = "receipts"
    CARDS = "cards"
    OFFICES = "offices"
    CLEANUP = "cleanup"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """An encrypted message in a room. `notice`: the software says it; the texter's words are plain text."""

    place: str
    body: str = field(repr=False)
    speaker: Speaker = Speaker.POLICY
    ref: str = ""
    notice: bool = True
    reply_to: str = ""
    mentions: tuple[str, ...] = ()
    reactions: tuple[str, ...] = ()
    """Reactions that we put on it ourselves, so that a person who wants to tap finds them there."""
    formatted: bool = False
    """Clients that can show it with headings and commands set apart; the words are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMessage:
    """Replace the body of a message of ours, in place. Every edit is a notice. `formatted`: as of the message.

    `fresh`: post and pin it as a new message instead, and redact the earlier message of that ref, because clients may go on
    showing a pinned message as it was before its edits. `reactions`: as of the message, for when it is posted again.
    """

    place: str
    ref: str
    body: str = field(repr=False)
    formatted: bool = False
    fresh: bool = False
    reactions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactMessage:
    """Redact a message of ours."""

    place: str
    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactEvent:
    """Redact a person's message at once: it held what must not stay in a room."""

    place: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOut:
    """Sign a person out everywhere: all devices, all at once."""

    user: str
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinMessage:
    """Pin a message of ours."""

    place: str
    ref: str


@unique
class DeliveryReceipt(Enum):
    """The one mark on a message of an advocate. The value is the reaction that people see."""

    NOTE = "📝"
    LEAVING = "⏳ leaving"
    SENT = "✓ sent"
    DELIVERED = "✓✓ delivered"
    NOT_SENT = "✗ not sent"
    UNKNOWN = "❓ unknown"
    HELD = "✋ held"
    RETRACTED = "✗ unsent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowReceipt:
    """Put this receipt on a person's message, in place of the earlier one."""

    place: str
    event_id: str
    receipt: DeliveryReceipt
    language: str = ""


@unique
class Origin(Enum):
    """Why a text leaves. An answer leaves at once or not at all (design.md, "Rules of the phone")."""

    ADVOCATE = "advocate"
    AUTO_REPLY = "auto_reply"
    STOP_CONFIRMATION = "stop_confirmation"
    REPLY_AFTER_STOP = "reply_after_stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSms:
    """A text for the phone. `since`: when the words were said, or when the text that they answer arrived."""

    ref: str
    body: str = field(repr=False)
    origin: Origin
    epoch: int
    since: float
    not_before: float = 0.0
    """It leaves no sooner (seconds since the epoch): the delay of a verdict's answer must reveal nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Give a person a room's first keys, then invite them; to the thread's own room, or back to their office."""

    user: str
    place: str = THREAD


@dataclass(frozen=True, slots=True, kw_only=True)
class KickMember:
    """Remove a person from a room, or withdraw their invitation; sessions rotate."""

    user: str
    place: str = THREAD


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRoomKeys:
    """Send a room's current keys to a person's trusted devices, after querying the list of devices again.

    `resend`: also to devices that have had them, because a person cannot read, or has just joined.
    """

    place: str
    user: str
    resend: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRecap:
    """Repeat in a thread's room what colleagues typed there, in answer to `reply_to`, in place of the earlier recap.

    Its ref is `RECAP`. It is redacted after a while, and whenever a message is removed from the room. `receipts`: event id
    and :class:`DeliveryReceipt` value of the words that were meant for the phone, the newest last.
    """

    place: str
    reply_to: str
    receipts: tuple[tuple[str, str], ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePowerLevels:
    """Write a room's original power levels, except for the present supervisors, and with `supervisors` besides.

    `alone`: these supervise, and nobody else.
    """

    place: str
    supervisors: tuple[str, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmIdentity:
    """Confirm this identity of a person: it gets keys and gives commands."""

    user: str
    master_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowDevices:
    """Answer, in a place, which devices a person has and which of them are trusted."""

    place: str
    user: str
    reply_to: str
    ref: str
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOnCall:
    """Call the person on call outside Matrix. The call says that a person waits, and nothing more.

    `test`: the id of a test of the alarms, whose call says that it is a test; empty for a real call.
    """

    reason: str
    test: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDeadLetter:
    """Try a dead letter once more, by its short id, and say the result in `place`."""

    place: str
    reply_to: str
    short_id: str
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseMessage:
    """Redact an event now, of any sender, with its edits and its receipt."""

    place: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowAudit:
    """Answer with the latest audit entries, in a place."""

    place: str
    reply_to: str
    ref: str
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealNumber:
    """Show the thread's number in the offices of these people, for a minute. This action does not hold the number.

    `languages`: of each of them, in the same order; empty when all read the first one.
    """

    users: tuple[str, ...]
    designation: str
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFromHandset:
    """Let a handset of the rehearsal carrier text the line. `tag` names the handset; `ref` the text, uniquely.

    The handset is that of a drill's texter (`bot.drills`). Only the rehearsal carrier can do it.
    """

    ref: str
    tag: str
    body: str = field(repr=False)
    picture: bool = False


Action: TypeAlias = (
    SendMessage
    | EditMessage
    | RedactMessage
    | RedactEvent
    | PinMessage
    | ShowReceipt
    | SendSms
    | Invite
    | KickMember
    | ShareRoomKeys
    | SendRecap
    | RestorePowerLevels
    | ConfirmIdentity
    | ShowDevices
    | RetryDeadLetter
    | PageOnCall
    | Suppress
    | IncrementCounter
    | SignOut
    | CreateThread
    | SetTimer
    | CancelTimer
    | SendEvent
    | MarkSeen
    | ExpireMessage
    | EraseMessage
    | ParkThread
    | EraseTexter
    | TrustClock
    | RecordAudit
    | ShowAudit
    | SetLegalHold
    | RevealNumber
    | TextFromHandset
)

ROOM_ACTIONS: Final = (
    SendMessage,
    EditMessage,
    RedactMessage,
    PinMessage,
    ShowReceipt,
    ShareRoomKeys,
    SendRecap,
    EraseMessage,
)
"""Actions in a room, at its `place`: they are not possible any more once there is none."""
