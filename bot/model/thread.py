"""The slices that a thread is made of.

Rule of this module: each feature replaces only its own slice; which of them outlive a conversation is said in
`bot.lifecycle.retention`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something was texted (seconds since the epoch): as the carrier `told`, or else when it came.

    `bot.model.text_order` decides by it.

    `loose`: what came less than so many seconds before it may have been texted after it.
    """

    at: float
    told: bool = False
    loose: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The one reply of a supervisor to a text after a STOP, in its undo window."""

    event_id: str
    body: str = field(repr=False)
    author: str
    said_at: float
    edit: str = ""
    """The edit that these words came by, if it was one."""


@unique
class State(Enum):
    """Where a thread is in its life. `waiting` never expires before a person saw it."""

    WAITING = "waiting"
    OPEN = "open"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A thread offered by its voice: to one person, or to everybody at the desk (`to` empty), for a while."""

    to: str
    by: str
    until: float
    event_id: str
    """The message that offered it: redacting it takes the offer back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who is heard by the texter. `epoch` grows with every change: words of an earlier epoch never leave."""

    holder: str | None = None
    epoch: int = 0
    before: str | None = None
    """Whose voice a supervisor took: it goes back to them by one word."""
    offer: Offer | None = None
    members: frozenset[str] = frozenset()
    interpreters: frozenset[str] = frozenset()
    slow_until: float = 0.0
    """Until when the undo window is the long one, because somebody joined (seconds since the epoch)."""
    answer_by: float = 0.0
    """Until when whoever was given the thread unasked has to show that they are there; 0 when nothing is asked of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the texter allowed. `stopped`: said STOP. `language`: asked for by its word; empty: the line's first."""

    stopped: bool = False
    confirmation: str = ""
    """The `ref` of the one text that may leave after this STOP."""
    language: str = ""
    greeted: tuple[tuple[str, float], ...] = ()
    """When the greeting last left, per language."""
    may_resume: bool = False
    """A person may end the STOP: the texter said START and the line asks, or it was a person who took words for a STOP."""
    after_stop: str = ""
    """The id of the last text after the STOP, as long as nobody replied to it."""
    reply: Reply | None = None
    replied: str = ""
    """The `ref` of the last reply: it and nothing else may leave after a STOP."""
    vendor_block: bool = False
    """The carrier refused a text because this phone opted out there."""
    settled: Moment | None = None
    """When the word was texted that says how it stands: a STOP, a START, or what a person took for one. What was texted
    before it changes nothing any more, whenever it comes."""
    started: Moment | None = None
    """When the last START was texted: a STOP that was not surely texted after it may be ended by a person."""
    blocked_until: float = 0.0
    """Until when a supervisor's block stands (seconds since the epoch): nothing leaves, nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Words of the voice in their undo window."""

    event_id: str
    body: str = field(repr=False)
    author: str
    said_at: float
    leave_at: float
    name: str = ""
    """Which of the agency's texts it is, in its own words; empty for anything else, and for an advocate's in its place."""
    edit: str = ""
    """The edit that these words came by, if it was one."""
    differs: bool = False
    """They are what their author's client shows, and not what was typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Words of the voice that left the undo window: what the receipt says now."""

    event_id: str
    receipt: str
    body: str = field(default="", repr=False)
    """The words, until the carrier has answered: what is unknown may be sent again."""
    author: str = ""
    name: str = ""
    taken_back: bool = False
    """It should not leave any more. It may have left: what the carrier's answer is, shows."""


@unique
class Reason(Enum):
    """Why words of the voice are held until a person says once more that they should leave."""

    LATE = "late"
    WARNED = "warned"
    LONG = "long"
    UNKNOWN = "unknown"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Words of the voice that did not leave, or may not have: one command lets them leave (again).

    `since`: when they came to be held. They are kept for no longer than their message.
    """

    event_id: str
    body: str = field(repr=False)
    author: str
    reason: Reason
    name: str = ""
    edit: str = ""
    since: float = 0.0
    differs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What is on its way to the phone. `sent` and `held` keep the last of them, for receipts and for second words."""

    pending: tuple[Pending, ...] = ()
    sent: tuple[Sent, ...] = ()
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """State, and the times that decide about it (seconds since the epoch)."""

    state: State = State.WAITING
    since: float = 0.0
    last_inbound: float = 0.0
    last_outbound: float = 0.0
    newest: Moment | None = None
    """When the newest text of theirs was texted."""
    said: float = 0.0
    """When the voice last said something for the phone, whether or not it left."""
    unseen: int = 0
    """Texts that came since its voice last read or said anything."""
    closes: float = 0.0
    """When it is parked unless that is taken back; 0: it is not being closed."""
    leaving: bool = False
    """They left with a silent word: it is closed as soon as what they wrote before was seen."""
    continuing: bool = False
    """The survivor chose to be known the next time: number and flags are kept longer (DESIGN section 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What was said to the texter once and for all, and what was agreed with them. It outlives a conversation.

    `limits`, `tips`, `rights`: when that was told (seconds since the epoch; 0: never). `asked`: when the
    question whether texting is still safe was last put, as the line's clock on the wall said. `safe_times`: minutes of the
    line's day, [from, to), over midnight when `to` is the smaller; empty: any. `text_first`: None until it was asked.
    `channel`: one of `flags.CHANNELS`. `line`: the text that the texter chose for `!unsafe`.
    """

    limits: float = 0.0
    tips: float = 0.0
    rights: float = 0.0
    asked: str = ""
    safe_times: tuple[tuple[int, int], ...] = ()
    text_first: bool | None = None
    channel: str = ""
    line: str = ""
    unsafe: bool = False
    """Nothing leaves for the phone, until a person says that it is safe again."""
    line_ref: str = ""
    """The `ref` of the one text, chosen by the texter beforehand, that may leave all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """How the exchange stands. Nothing of it outlives a conversation.

    `heard`: the last text of theirs; `spoke`: the last of the voice's that the carrier took; `exchanges`: how often they
    answered the voice; `cued`: what the room was told once. Times in seconds since the epoch; 0: never.
    """

    heard: float = 0.0
    spoke: float = 0.0
    turn: str = ""
    """Since when the last text is theirs, or the voice's, as the line's clock on the wall said: the first of theirs without
    an answer, or the first answer."""
    rung: int = 0
    """How many cues about their silence the room has had."""
    exchanges: int = 0
    cued: frozenset[str] = frozenset()
    ask: bool = False
    """Something has changed: the voice should ask again whether texting is safe."""
    answer: str = ""
    """The last text that the line sent by itself: which of the agency's it was."""
    answering: bool = False
    """Their last text was answered by itself; `answered`: so was one before it; and the voice has said nothing since. That
    they said it counts, not that it left: what does not leave under duress must not show in what the line answers by itself
    (practice 10)."""
    answered: bool = False
    doubt: str = ""
    """The `ref` of the last of those of which nobody knew whether the carrier took it."""
    left: float = 0.0
    """When they last left with a silent word, by that text's own time: no text of before is answered by itself any more."""
