"""The slices that a thread is made of.

Rule of this module: each feature replaces only its own slice; `bot.lifecycle.retention` says which slices outlive a
conversation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique

from bot.model.hold_signs import Doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something was texted (seconds since the epoch): the carrier's time (`from_carrier`), or else when it came.

    `bot.model.text_order` decides by it.

    `unordered_within`: a text that came less than so many seconds before it may have been texted after it.
    """

    at: float
    from_carrier: bool = False
    unordered_within: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAfterStop:
    """The one reply of a supervisor to a text after a STOP, in its undo window."""

    event_id: str
    body: str = field(repr=False)
    author: str
    said_at: float
    edit_event_id: str = ""
    """The edit that these words came by, if it was one."""


@unique
class ThreadState(Enum):
    """The state of a thread. `waiting` never expires before a person saw it."""

    WAITING = "waiting"
    OPEN = "open"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOffer:
    """A thread offered by its assignee: to one person, or to everybody at the desk (`to` empty), for a while."""

    to: str
    by: str
    until: float
    event_id: str
    """The message that offered it: redacting it takes the offer back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Whose words the texter gets. `epoch` grows with every change: words of an earlier epoch never leave."""

    assignee: str | None = None
    epoch: int = 0
    taken_from: str | None = None
    """The assignee from whom a supervisor took the thread: one command gives it back to them."""
    offer: TransferOffer | None = None
    members: frozenset[str] = frozenset()
    interpreters: frozenset[str] = frozenset()
    long_undo_until: float = 0.0
    """Until when the undo window is the long one, because a person joined (seconds since the epoch)."""
    answer_by: float = 0.0
    """Until when a person who got the thread unasked has to show a sign; 0: no sign is needed."""

    @property
    def mentions(self) -> tuple[str, ...]:
        """Whom a message to the assignee mentions: nobody while the thread waits."""
        return () if self.assignee is None else (self.assignee,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the texter allowed. `stopped`: said STOP. `language`: of the agency's texts; empty: not known yet."""

    stopped: bool = False
    confirmation_ref: str = ""
    """The `ref` of the one text that may leave after this STOP."""
    language: str = ""
    language_chosen: bool = False
    """The texter (by its word) or staff chose that language. Otherwise it is the line's first, or a guess."""
    greeted: tuple[tuple[str, float], ...] = ()
    """When the greeting last left, per language."""
    may_resume: bool = False
    """A person may end the STOP: the texter said START and the line asks, or a person took words for a STOP."""
    text_after_stop: str = ""
    """The id of the last text after the STOP, as long as nobody replied to it."""
    reply: ReplyAfterStop | None = None
    reply_ref: str = ""
    """The `ref` of the last reply: it and nothing else may leave after a STOP."""
    reply_edit: str = ""
    """The edit that the words of that reply came by, if it was one."""
    carrier_block: bool = False
    """The carrier refused a text because this phone opted out there."""
    last_keyword: Moment | None = None
    """When the latest STOP or START, or words that a person took for one, was texted. An older one that comes later changes
    nothing.
    """
    last_start: Moment | None = None
    """When the last START was texted: a STOP that was not surely texted after it may be ended by a person."""
    blocked_until: float = 0.0
    """The end of a supervisor's block (seconds since the epoch): until then nothing leaves, nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingText:
    """Words of the assignee in their undo window."""

    event_id: str
    body: str = field(repr=False)
    author: str
    said_at: float
    send_at: float
    name: str = ""
    """Which of the agency's texts it is, in its own words; empty for anything else, and for an advocate's in its place."""
    edit_event_id: str = ""
    """The edit that these words came by, if it was one."""
    differs: bool = False
    """It is what their author's client shows, and not what was typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentText:
    """Words of the assignee that left the undo window: the current receipt."""

    event_id: str
    receipt: str
    body: str = field(default="", repr=False)
    """The words, until the carrier has answered: what is unknown may be sent again."""
    author: str = ""
    name: str = ""
    retracted: bool = False
    """It should not leave any more. It may have left: the carrier's answer shows that."""
    taken_at: float = 0.0
    """When the carrier was first known to have taken it; 0: unknown, or the carrier gave it up since."""
    edit_event_id: str = ""
    """The edit that these words came by, if it was one."""
    repeats: bool = False
    """They went to the carrier before, without a known result."""


@unique
class HeldReason(Enum):
    """Why words of the assignee are held until a second command."""

    LATE = "late"
    WARNED = "warned"
    LONG = "long"
    UNKNOWN = "unknown"
    LOCKED = "locked"
    UNPROMPTED = "unprompted"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldText:
    """Words of the assignee that did not leave, or may not have: one command lets them leave (again).

    `held_since`: when they were held. They are kept no longer than their message. `told`: the doubts that their author has
    read; a new doubt is told before they leave. `asked_at`: when that was last done; 0: never since they were held.
    """

    event_id: str
    body: str = field(repr=False)
    author: str
    reason: HeldReason
    name: str = ""
    edit_event_id: str = ""
    held_since: float = 0.0
    differs: bool = False
    told: frozenset[Doubt] = frozenset()
    asked_at: float = 0.0

    @property
    def explained_at(self) -> float:
        """When their author was last told why they are held: a command from before that is not about them."""
        return max(self.held_since, self.asked_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Words on their way to the phone. `sent` and `held` keep the last of them, for receipts and for second commands."""

    pending: tuple[PendingText, ...] = ()
    sent: tuple[SentText, ...] = ()
    held: tuple[HeldText, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how long what is said, a silent conversation, and number and flags are kept: the pack's settings, in seconds."""

    message_ttl: int = 0
    idle: int = 0
    grace: int = 0
    continuing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """State, and the times that decide about it (seconds since the epoch)."""

    state: ThreadState = ThreadState.WAITING
    since: float = 0.0
    last_inbound: float = 0.0
    last_outbound: float = 0.0
    newest_text: Moment | None = None
    """When the texter's newest text was texted."""
    last_said: float = 0.0
    """When the assignee last said something for the phone, whether or not it left."""
    unseen: int = 0
    """Texts that came since its assignee last read or said anything."""
    closes_at: float = 0.0
    """When it is parked unless the close is taken back; 0: it is not being closed."""
    close_when_seen: bool = False
    """The texter left with a silent word, or another has the phone: it is closed as soon as what came before was seen."""
    continuing: bool = False
    """The survivor chose to be known the next time: number and flags are kept longer.

    Rule: design.md, "The life of a thread".
    """
    retention: Retention | None = None
    """The retention with which the conversation began (`bot.model.retention`); None before it was noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFlags:
    """What was said to the texter once and for all, and what was agreed with them. It outlives a conversation.

    `limits`, `tips`, `rights`: when that was told (seconds since the epoch; 0: never). `safe_check_asked`: when the
    question whether texting is still safe was last put, in the line's local time. `safe_times`: minutes of the line's day,
    [from, to), over midnight when `to` is the smaller; `safe_days`: the same for one day of the week, as (day, from, to)
    with Monday 0, the day being that on which the span begins; both empty: any. `text_first`: None until it was asked.
    `channel`: one of `consent_flags.CHANNELS`. `unsafe_line`: the text that the texter chose for `!unsafe`.
    """

    limits: float = 0.0
    tips: float = 0.0
    rights: float = 0.0
    safe_check_asked: str = ""
    safe_times: tuple[tuple[int, int], ...] = ()
    safe_days: tuple[tuple[int, int, int], ...] = ()
    text_first: bool | None = None
    channel: str = ""
    unsafe_line: str = ""
    unsafe: bool = False
    """Nothing leaves for the phone, until a person says that it is safe again."""
    unsafe_line_ref: str = ""
    """The `ref` of the one text, chosen by the texter beforehand, that may leave all the same."""
    other_hands_at: float = 0.0
    """When a sign was last seen that another person has the phone (seconds since the epoch); 0: none since `!safe`.

    It belongs to the phone: it goes over into the next conversation, and ends with the number at the latest."""
    other_hands_seen: str = ""
    """The same, in the line's local time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The state of the exchange. Nothing of it outlives a conversation.

    `heard_at`: the texter's last text; `spoke_at`: the assignee's last words that the carrier took; `exchanges`: how often
    the texter answered the assignee; `cues_shown`: what the room was told once. Times in seconds since the epoch; 0: never.
    """

    heard_at: float = 0.0
    spoke_at: float = 0.0
    turn_since: str = ""
    """Since when the last text is the texter's, or the assignee's, in the line's local time. The texter's first without an
    answer, or the first answer.
    """
    cue_count: int = 0
    """How many cues about their silence the room has had."""
    exchanges: int = 0
    cues_shown: frozenset[str] = frozenset()
    recheck_safety: bool = False
    """Something has changed: the assignee should ask again whether texting is safe."""
    last_auto_reply: str = ""
    """The last automatic reply: which of the agency's texts it was."""
    auto_replied: bool = False
    """Their last text was answered by itself.

    `auto_replied_before`: so was one before it; and the assignee has said nothing since. That
    they said it counts, not that it left: what does not leave under duress must not show in what the line answers by itself
    (practice 10)."""
    auto_replied_before: bool = False
    answered_alone: tuple[tuple[str, str], ...] = ()
    """Automatic replies from before the thread had an assignee: the text's name and its words. They are on the card."""
    unknown_ref: str = ""
    """The `ref` of the last of those of which nobody knew whether the carrier took it."""
    danger: bool = False
    """Something that they wrote may be a sign of danger (`policies.signs`)."""
    signs: tuple[tuple[str, float], ...] = ()
    """When the room was last told of each sign (seconds since the epoch)."""
    told_language: str = ""
    """The language of the agency's texts as the room was last told; empty: it was not, and it is the line's first."""
    from_flood: bool = False
    """The conversation began in a flood: nothing is answered by itself before a person has it."""
    left_at: float = 0.0
    """When the texter last left with a silent word, by that text's own time: older texts get no automatic reply any more.
    """
