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
"""The name of what says again what colleagues typed: one stands in a room, the newest."""
OFFICE: Final = "office:"
"""Places: the desk room, the thread's own room, and `office:` followed by whose office it is."""


@unique
class Speaker(Enum):
    """Which of our two identities speaks."""

    POLICY = "policy"
    TEXTER = "texter"


@unique
class Lane(Enum):
    """Order holds within a lane of a thread; conversation goes first, clean-up last."""

    CONVERSATION = "conversation"
    RECEIPTS = "receipts"
    CARDS = "cards"
    OFFICES = "offices"
    CLEANUP = "cleanup"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """An encrypted message in a room. `notice` for what software says; the texter's words are plain text."""

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
    """Replace the body of a message of ours, in place. Every edit is a notice. `formatted`: as of what it changes.

    `fresh`: it is posted again and pinned instead, and the message that bore the name is redacted: clients may go on
    showing a pinned message as it was before its edits. `reactions`: as of what it changes, for when it is posted again.
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
    """Redact what a person said there, at once: it held what must not stand in a room."""

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
    """Put this receipt on a person's message, in the place of the one before."""

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
    """A text for the phone. `since` is when the words were said, or when the text arrived that they answer."""

    ref: str
    body: str = field(repr=False)
    origin: Origin
    epoch: int
    since: float
    not_before: float = 0.0
    """It leaves no sooner (seconds since the epoch): a verdict's answer tells nothing by how soon it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Give a person a room's first keys, then invite them; to the thread's own room, or back to their office."""

    user: str
    place: str = THREAD


@dataclass(frozen=True, slots=True, kw_only=True)
class KickMember:
    """Remove a person from a room, or take their invitation back; sessions rotate."""

    user: str
    place: str = THREAD


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRoomKeys:
    """Send a room's live keys to a person's trusted devices, after asking afresh which those are.

    `resend`: also to devices that have had them; a person asks because they cannot read, or has just come in.
    """

    place: str
    user: str
    resend: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRecap:
    """Say again in a thread's room what colleagues typed there, in answer to `reply_to`, in the place of the one before.

    It bears the name `RECAP` and goes after a while by itself; whatever takes a message out of the room redacts it too.
    `receipts`: event id and :class:`DeliveryReceipt` value of what was meant for the phone, the newest last.
    """

    place: str
    reply_to: str
    receipts: tuple[tuple[str, str], ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePowerLevels:
    """Write a room's power levels as it was made with, but for who supervises now, and `supervisors` besides.

    `alone`: these supervise, and nobody else.
    """

    place: str
    supervisors: tuple[str, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmIdentity:
    """Let this identity of a person be the one that gets keys and gives commands."""

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
    """Call the person on call outside Matrix. It says that a person waits, and nothing more.

    `test`: the id of a test of the alarms, whose call says that it is one; empty for a call in earnest.
    """

    reason: str
    test: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDeadLetter:
    """Try something once more that could not be handled, by its short id, and say in `place` what became of that."""

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
    """Answer, in a place, what the audit noted last."""

    place: str
    reply_to: str
    ref: str
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealNumber:
    """Show the thread's number in the offices of these people, for a minute. It is not in here.

    `languages`: of each of them, in the same order; empty when all read the first one.
    """

    users: tuple[str, ...]
    designation: str
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFromHandset:
    """Let a handset of the rehearsal carrier text the line. `tag` names the handset; `ref` the text, once for all.

    It is the texter of a drill (`bot.drills`). Only the rehearsal carrier can do it; nothing else ever does.
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
"""What is done in a room, at its `place`: it is not possible any more where there is none."""
