"""The two aggregates: a thread (one texter's conversation) and the desk (everything the threads of a line share).

Rules of this module: all state on which later decisions depend is in one of these two values, frozen. A thread is made of
slices, and each feature replaces only its own. No phone number is in here (it is in the bridge's vault). Of the
homeserver's event ids only those of people's messages are in here: `ref` names our own events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final, TypeAlias

from bot.model.codeword_state import CodewordMatch, CodewordState, Enrolment, EnrolmentAnswer, SendLock
from bot.model.dialled_number import ColdOutreach, DialledNumber
from bot.model.drill import DrillRun
from bot.model.flood import Flood
from bot.model.hold_signs import HoldSigns
from bot.model.thread import Assignment, Consent, ConsentFlags, Lifecycle, Sending, Silence
from bot.model.thread_desk_events import AlarmKind, Situation
from policies.drills.script import DrillScript
from policies.pack import Shifts

SHIFTS_TIMER: Final = "shifts"
"""Timer of the desk by which it looks at the calendar of shifts; a start sets it as well."""


@unique
class Role(Enum):
    """The role of a member of the desk: power level 50 makes a supervisor."""

    ADVOCATE = "advocate"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealRequest:
    """A person asks to see the number; until then a second person can confirm."""

    by: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One conversation. `answerable` is false for short codes and names: shown, not answered."""

    id: str
    designation: str
    answerable: bool = True
    assignment: Assignment = field(default_factory=Assignment)
    consent: Consent = field(default_factory=Consent)
    sending: Sending = field(default_factory=Sending)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    codeword: CodewordState = field(default_factory=CodewordState)
    flags: ConsentFlags = field(default_factory=ConsentFlags)
    silence: Silence = field(default_factory=Silence)
    signs: HoldSigns = field(default_factory=HoldSigns)
    tallied: frozenset[str] = frozenset()
    """The kind as which this conversation was counted, so that a second tap counts nothing. The counters know no thread."""
    on_legal_hold: bool = False
    """It is on hold, as last seen here; the database has the truth (`Facts.on_legal_hold`)."""
    reveal_request: RevealRequest | None = None
    canary: str = ""
    """Of a canary thread (`bot.canary`): the one account that may be in it. Empty: the thread is a texter's."""
    drill: str = ""
    """Of a thread whose texter is a script (`bot.drills`): the tag of its handset. Nothing else is different for it."""

    @property
    def other_hands_at(self) -> float:
        """When a sign was last seen that another person has the phone, or writes under duress; 0: no such sign stands."""
        duress = self.codeword.duress_at if self.codeword.lock is SendLock.DURESS else 0.0
        return max(self.flags.other_hands_at, duress)


SIGN_OUT_SECONDS: Final = 60.0
"""Seconds after `!signout` in which nobody has signed in again and verified a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskMember:
    """A member of the desk. `last_thread`: the thread in which they last wrote words for a phone.

    `away`: got a thread unasked and showed no sign. `on_duty_since`: when they went on duty. `heavy_threads`: heavy threads
    since then. `debrief_offered_at`: when they were last offered a talk unasked. Counts and times, never the subject.
    `languages`: codes of those that they said they speak, beside the line's first.
    """

    user: str
    role: Role
    on_duty: bool = True
    off_until_trusted: bool = False
    """Off duty because nobody has confirmed their identity: once that is done they are on duty again."""
    last_thread: str = ""
    away: bool = False
    on_duty_since: float = 0.0
    heavy_threads: int = 0
    debrief_offered_at: float = 0.0
    languages: tuple[str, ...] = ()
    reads: str = ""
    """The language in which the software speaks to them (`!lang me`); empty: the line's staff language."""
    drills: int = 0
    """How many drills they have played since they last deleted the count."""
    met: tuple[Situation, ...] = ()
    """First times of which they were told; `quiet`: they want no more sentences (`bot.staffing.first_times`)."""
    quiet: bool = False
    shift_until: float = 0.0
    """End of the last shift of the calendar for which they were on duty or were asked; in local time."""
    called: tuple[str, ...] = field(default=(), repr=False)
    """Names in their display name: words in lower case (`bot.language.colleague_talk`), for the guard."""
    signed_out_at: float = 0.0
    """When a supervisor last signed them out everywhere (seconds since the epoch); 0: never."""

    def may_be_another(self, said_at: float) -> bool:
        """Whether words of that time may be of a person who had one of their devices: the sign-out takes a moment."""
        return said_at < self.signed_out_at + SIGN_OUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A thread as the desk sees it. `assignee`: None while it waits; `since`: when it began to wait, or got its assignee.

    `opened_at`: when the desk first had it. `last_activity`, `last_was_inbound`: the last text, to the minute, and whose it
    was. `other_hands_at`: when a sign was last seen that another person has the phone; 0: there is none. `auto_assigned`:
    to its assignee unasked; `tried_users`: its earlier assignees. `duress`, `heavy`: marks, no content.
    """

    thread: str
    designation: str
    since: float
    assignee: str | None = None
    offered: bool = False
    has_card: bool = True
    """False for a texter who came in a flood and is being claimed: others of a flood are in `Flood.crowd`."""
    past_cards: int = 0
    """How many messages at the desk were its card before the current one."""
    opened_at: float = 0.0
    last_activity: float = 0.0
    last_was_inbound: bool = True
    auto_assigned: bool = False
    tried_users: tuple[str, ...] = ()
    duress: bool = False
    heavy: bool = False
    other_hands_at: float = 0.0
    danger: bool = False
    """Something that they wrote may be a sign of danger."""
    asks: bool = False
    """They said a word for help while they waited."""
    stopped: bool = False
    """The last that the desk heard of them is a STOP."""
    language: str = ""
    """The language of the agency's texts for them; empty: the line's first."""
    measured_from: float = 0.0
    """Since when the wait for a person's first answer is measured; 0: it is not, or no longer."""
    reveal_until: float = 0.0
    """Until then a second person can confirm the request to see its number; 0: there is no request."""
    closing: bool = False
    """It lost its assignee while its conversation was being closed: nobody is called to it, unless that is taken back."""

    @property
    def waits(self) -> bool:
        """Whether it waits for an assignee."""
        return self.assignee is None and not self.closing

    @property
    def urgent(self) -> bool:
        """Whether it comes before all that wait longer: a sign of danger (except "Who is this?"), or the duress word."""
        return self.danger or self.duress

    @property
    def in_danger(self) -> bool:
        """Whether there is a sign of danger, of duress or of other hands."""
        return self.urgent or bool(self.other_hands_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAlarm:
    """An alarm of a thread that is shown at the desk: since when, and how often it came since."""

    designation: str
    alarm: AlarmKind
    at: float
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Roster and queue of a line; serial, so that two claims in one second have one winner."""

    roster: tuple[DeskMember, ...] = ()
    power_levels: tuple[tuple[str, int], ...] = ()
    threads: tuple[QueueEntry, ...] = ()
    unconfirmed_identities: tuple[tuple[str, str], ...] = ()
    """Master keys that wait for a supervisor's `!trust`, by user; empty for a person who has no identity yet."""
    reported: tuple[tuple[str, float], ...] = ()
    """When each of these was reported at the desk (seconds since the epoch)."""
    outage: bool = False
    board: str = ""
    """The live board as it was last written."""
    board_at: float = 0.0
    board_alarms: tuple[str, ...] = ()
    board_threads: tuple[str, ...] = ()
    """The threads with their assignees when the board was last posted as a new message, and when that was."""
    board_posted_at: float = 0.0
    alarms: tuple[ShownAlarm, ...] = ()
    """The alarms of the last minutes: the same alarm again edits its message."""
    called_at: float = 0.0
    """When people on duty were last called to a thread that had just come to wait."""
    reminded_at: float = 0.0
    """When the last reminder of a waiting thread was posted."""
    claimers: tuple[tuple[str, float], ...] = ()
    """Who asked for the next thread while nobody waited, and until when."""
    rate_limit_reported_at: float = 0.0
    """When people on duty were last called to a flood."""
    flood: Flood = field(default_factory=Flood)
    dropped_texts: int = 0
    """Texts from blocked phones, within a day of `dropped_since`."""
    dropped_since: float = 0.0
    outreach: tuple[ColdOutreach, ...] = ()
    enrolments: tuple[Enrolment, ...] = ()
    codeword_event_ids: tuple[str, ...] = ()
    """The last messages that held a codeword and were redacted: their edits are redacted as well."""
    on_legal_hold: tuple[str, ...] = ()
    """Threads that are on hold, also those whose conversation is over."""
    waits: tuple[tuple[int, int], ...] = ()
    """How long the last people waited for an answer: the day since the epoch, and minutes (`bot.staffing.waiting_time`)."""
    drills: tuple[DrillRun, ...] = ()
    """Drills that run; only a rehearsal line has any."""
    gaps_told_at: float = 0.0
    """When the gaps of the calendar of shifts were last looked for; in local time."""
    shifts_due: float = 0.0
    """When the timer of the calendar is due; 0: none was set."""
    strangers_told: tuple[str, ...] = ()
    """People of the calendar file who are not at the desk, as supervisors were last told of them."""

    def member(self, user: str) -> DeskMember | None:
        """Return the member with that Matrix id, or None."""
        return next((member for member in self.roster if member.user == user), None)

    @property
    def waiting(self) -> tuple[QueueEntry, ...]:
        """Threads of the queue without an assignee: danger and duress first, then words for help, then the longest wait.

        Threads that wait without a card are not among them, but in `flood.crowd`.
        """
        waiting = (entry for entry in self.threads if entry.waits)
        return tuple(sorted(waiting, key=lambda entry: (not entry.urgent, not entry.asks, entry.since)))

    def assigned_to(self, user: str) -> tuple[QueueEntry, ...]:
        """Threads whose assignee that person is."""
        return tuple(entry for entry in self.threads if entry.assignee == user)


Aggregate: TypeAlias = Thread | Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the engine looked up for one decision.

    `now`: in seconds since the epoch; `roster`: as at the desk; `designations`: of all other threads of the line; `load`:
    how many threads each person holds; `outage`: the desk says that texts do not work well; `dialled_number`: a message in
    an office, read as a telephone number. The rest is for threads only, and `new_designation` for a parked one.
    """

    now: float
    roster: tuple[DeskMember, ...] = ()
    designations: frozenset[str] = frozenset()
    load: Mapping[str, int] = field(default_factory=dict)
    codeword_match: CodewordMatch = CodewordMatch.NONE
    """Which codeword the event held, before it was masked."""
    partly_compared: bool = False
    """The text was too long to compare all of it with the codeword."""
    enrolment_answer: EnrolmentAnswer | None = None
    """The answer to an enrolment in an office; the words themselves are not in the event any more."""
    outage: bool = False
    usual_wait: int = 0
    """Minutes within which people are usually answered at this desk, as measured; 0: unknown."""
    on_call: bool = False
    """A person outside Matrix can be called."""
    dialled_number: DialledNumber | None = None
    on_legal_hold: bool = False
    """The thread is on legal hold: nothing of it is destroyed (design.md, "The life of a thread")."""
    display_pending: bool = False
    """Something of the thread is still on its way into its room."""
    has_dead_letters: bool = False
    """Words of this texter could not be shown, and are kept: `!retry` may bring them back."""
    texts_after: int = 0
    """How many texts are shown behind the message that a person said or read, or on their way into the room."""
    inbound_pending: bool = False
    """A text of this texter is in the inbox, behind this event."""
    outbound_pending: bool = False
    """A text to this phone is decided, and has not left yet or is leaving."""
    new_designation: str = ""
    """An unused designation, for a conversation that begins."""
    clock_ahead: float = 0.0
    """By how many seconds the machine's clock was set forward since the start: `now` does not follow it."""
    number_gone: bool = False
    """The number that the texter texted is none of the line's any more: words would come from another one."""
    clock_distrusted: bool = False
    """The machine's clock is not trusted: no block ends. Looked up for a blocked phone only."""
    drills: Mapping[str, DrillScript] = field(default_factory=dict)
    """The scripts that may be played here, by name; none on a line that is in service."""
    calendar: Shifts | None = field(default=None, repr=False)
    """The last good copy of the calendar file or address; None where there is none, or never was one."""

    @property
    def wall_clock(self) -> float:
        """The local time of the line, in seconds since the epoch, for everything that depends on the time of day."""
        return self.now + self.clock_ahead

    @property
    def staffed(self) -> bool:
        """Whether a person is on duty."""
        return any(member.on_duty for member in self.roster)

    def member(self, user: str) -> DeskMember | None:
        """Return the member with that Matrix id, or None."""
        return next((member for member in self.roster if member.user == user), None)

    @property
    def supervisors(self) -> tuple[str, ...]:
        """Return the supervisors on duty."""
        return tuple(member.user for member in self.roster if member.on_duty and member.role is Role.SUPERVISOR)

    def role(self, user: str) -> Role | None:
        """Return that person's role; None for a person who is not on the roster."""
        return next((member.role for member in self.roster if member.user == user), None)
