"""Everything a decision may ask for, as a closed union.

Rule of this module: an action is durable data, not a call; performing one twice must be the same as once, or, for a text,
must not happen. Our own events are named by `ref`, which is unique within a thread or the desk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final, TypeAlias

from bot.audit_kinds import AuditKind as AuditKind  # noqa: PLC0414 - an action's own word, had from here
from bot.events import Event

DESK: Final = "desk"
THREAD: Final = "thread"
OFFICE: Final = "office:"
"""Places: the desk room, the thread's own room, and `office:` followed by whose office it is."""


@unique
class Speaker(Enum):
    """Which of our two identities speaks."""

    POLICY = "policy"
    VOICE = "voice"


@unique
class Lane(Enum):
    """Order holds within a lane of a thread; conversation goes first, clean-up last."""

    CONVERSATION = "conversation"
    RECEIPTS = "receipts"
    CARDS = "cards"
    CLEANUP = "cleanup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """An encrypted message in a room. `notice` for what software says; the texter's words are plain text."""

    place: str
    body: str = field(repr=False)
    speaker: Speaker = Speaker.POLICY
    ref: str = ""
    notice: bool = True
    reply_to: str = ""
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Replace the body of a message of ours, in place."""

    place: str
    ref: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redact:
    """Redact a message of ours."""

    place: str
    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactSaid:
    """Redact what somebody said there, at once: it held what must not stand in a room."""

    place: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOut:
    """Sign somebody out everywhere: all devices, all at once."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFirst:
    """Make a thread for the telephone number in the message that is being decided upon, with this person as its voice.

    The number is in no action: whoever performs it reads the message itself, in the same commit.
    """

    voice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Pin a message of ours."""

    place: str
    ref: str


@unique
class Receipt(Enum):
    """The one mark on a message of an advocate. The value is the reaction that people see."""

    NOTE = "📝"
    LEAVING = "⏳ leaving"
    SENT = "✓ sent"
    DELIVERED = "✓✓ delivered"
    NOT_SENT = "✗ not sent"
    UNKNOWN = "❓ unknown"
    HELD = "✋ held"
    UNSAID = "✗ unsent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Put this receipt on somebody's message, in the place of the one before."""

    place: str
    event_id: str
    receipt: Receipt


@unique
class Origin(Enum):
    """Why a text leaves. An answer leaves at once or not at all (DESIGN section 0)."""

    VOICE = "voice"
    ANSWER = "answer"
    STOP_ANSWER = "stop_answer"
    STOP_REPLY = "stop_reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
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
    """Give somebody the room's first keys, then invite them."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expel:
    """Remove somebody from the thread's room; sessions rotate."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveKeys:
    """Send a room's live keys to somebody's trusted devices, after asking afresh which those are."""

    place: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Let this identity of somebody be the one that gets keys and gives commands."""

    user: str
    master_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellDevices:
    """Answer, in a place, which devices somebody has and which of them are trusted."""

    place: str
    user: str
    reply_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Call whoever is on call outside Matrix. It says that somebody waits, and nothing more."""

    reason: str


@unique
class Muted(Enum):
    """Why nothing leaves for a phone, beyond the end of its thread."""

    STOP = "stop"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    """Remember this about the thread's phone until then (seconds since the epoch), or forget it where `until` is 0."""

    muted: Muted
    until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
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
class DropTimer:
    """Forget that timer."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything in the thread's room up to this event was seen: its lifetime begins (DESIGN section 5).

    `said`: the event is something that the voice said, so that words which came in the last moments before it may not have
    been read yet.
    """

    event_id: str
    said: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """A message of ours at the desk has served its purpose and may go."""

    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Redact an event now, whoever sent it, with its edits and its receipt."""

    place: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """Hand the thread's room over to be erased; `patience`: seconds that clients which are off have to hear of it."""

    patience: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Destroy what was kept of the texter: number, flags, key, and that they ever wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustClock:
    """A person says that the machine's clock is right: what waits for its time may be destroyed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Put an event into another aggregate's inbox, in the same commit. `owner` is a thread's id or `desk`."""

    owner: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Note that this was said or done, in its order, by the hour. A text is noted when the carrier took it."""

    kind: AuditKind


@dataclass(frozen=True, slots=True, kw_only=True)
class TellAudit:
    """Answer, in a place, what the audit noted last."""

    place: str
    reply_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Freeze every deleter of this thread, or let them go on."""

    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveal:
    """Show the thread's number in the offices of these people, for a minute. It is not in here."""

    users: tuple[str, ...]
    designation: str


Action: TypeAlias = (
    Post
    | Edit
    | Redact
    | RedactSaid
    | Pin
    | Mark
    | Text
    | Invite
    | Expel
    | GiveKeys
    | Confirm
    | TellDevices
    | Page
    | Suppress
    | Count
    | SignOut
    | TextFirst
    | SetTimer
    | DropTimer
    | Tell
    | Seen
    | Settle
    | Erase
    | Park
    | End
    | TrustClock
    | Audit
    | TellAudit
    | Hold
    | Reveal
)
