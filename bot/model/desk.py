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

from bot.model.codeword_match import CodewordMatch, EnrolmentAnswer
from bot.model.codeword_state import CodewordState, Enrolment, SendLock
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
    """What a member of the desk is: power level 50 makes a supervisor."""

    ADVOCATE = "advocate"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealRequest:
    """A person asks to see the number; until then a second person can say yes."""

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
    """What this conversation was counted as, so that a second tap counts nothing. The counters know no thread."""
    on_legal_hold: bool = False
    """It is on hold, as last seen here; the database has the truth (`Facts.frozen`)."""
    reveal_request: RevealRequest | None = None
    canary: str = ""
    """Of a thread that no person has (`bot.canary`): the one account that may be in it. Empty: it is a texter's."""
    drill: str = ""
    """Of a thread whose texter is a script (`bot.drills`): the tag of its handset. It changes nothing for anybody."""

    @property
    def other_hands_at(self) -> float:
        """When a sign was last seen that another person has the phone, or writes under duress; 0: no such sign stands."""
        duress = self.codeword.duress_at if self.codeword.lock is SendLock.DURESS else 0.0
        return max(self.flags.other_hands_at, duress)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskMember:
    """A member of the desk. `last_thread`: the thread in which their last words for a phone were said.

    `away`: was given a thread unasked and did not show themselves. `on_duty_since`: on duty since then. `heavy_threads`:
    heavy threads
    since then. `debrief_offered_at`: when they were last offered a talk unasked. Counts and times, never what it was about.
    `languages`: codes of those that they said they speak, beside the line's first.
    """

    user: str
    role: Role
    on_duty: bool = True
    last_thread: str = ""
    away: bool = False
    on_duty_since: float = 0.0
    heavy_threads: int = 0
    debrief_offered_at: float = 0.0
    languages: tuple[str, ...] = ()
    reads: str = ""
    """The language in which the software speaks to them (`!lang me`); empty: the line's, for its staff."""
    drills: int = 0
    """How many drills they have played, until they delete that."""
    met: tuple[Situation, ...] = ()
    """Of which first times they were told; `quiet`: they want to hear of no more (`bot.staffing.first_times`)."""
    quiet: bool = False
    shift_until: float = 0.0
    """End of the last shift of the calendar for which they were on duty or were asked; on the wall's clock."""
    called: tuple[str, ...] = field(default=(), repr=False)
    """What they are called by their display name: words in lower case (`bot.language.colleague_talk`), for the guard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """A thread as the desk sees it. `assignee` is None while it waits; `since`: when it came to wait, or to its assignee.

    `opened_at`: when it came to the desk. `last_activity`, `last_was_inbound`: the last text, to the minute, and whose it
    was. `other_hands_at`: when a sign was last seen that another person has the phone; 0: none stands.
    `auto_assigned`: to its
    assignee unasked; `tried_users`: who had it in their hands and has it no longer. `duress`, `heavy`: marks, no content.
    """

    thread: str
    designation: str
    since: float
    assignee: str | None = None
    offered: bool = False
    has_card: bool = True
    """False for a texter who came in a flood and is being claimed: others of a flood are in `Flood.crowd`."""
    past_cards: int = 0
    """How many messages at the desk were its card before the present one."""
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
    language: str = ""
    """The language of the agency's texts for them; empty: the line's first."""
    measured_from: float = 0.0
    """Since when it is measured how long they wait for a person's first answer; 0: it is not, or no longer."""
    reveal_until: float = 0.0
    """Until then a second person can say yes to the person who asks to see its number; 0: nobody asks."""

    @property
    def urgent(self) -> bool:
        """Whether it comes before all that wait longer: a sign of danger, or the duress word. "Who is this?" is none."""
        return self.danger or self.duress


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAlarm:
    """An alarm of a thread that stands at the desk: since when, and how often it came since."""

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
    """Master keys that wait for a supervisor's `!trust`, by user."""
    reported: tuple[tuple[str, float], ...] = ()
    """When the desk was told of each of these (seconds since the epoch)."""
    outage: bool = False
    board: str = ""
    """The live board as it was last written."""
    board_at: float = 0.0
    board_alarms: tuple[str, ...] = ()
    board_threads: tuple[str, ...] = ()
    """What of the board matters, as it was when the board was last posted as a new message, and when that was."""
    board_posted_at: float = 0.0
    alarms: tuple[ShownAlarm, ...] = ()
    """The alarms of the last minutes: the same one again edits its message."""
    called_at: float = 0.0
    """When people on duty were last called to a thread that had just come to wait."""
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
    """The last messages that held a codeword and were redacted: what edits them is redacted as well."""
    on_legal_hold: tuple[str, ...] = ()
    """Threads that are on hold, also those whose conversation is over."""
    waits: tuple[tuple[int, int], ...] = ()
    """How long the last people waited for an answer: the day since the epoch, and minutes (`bot.staffing.waiting_time`)."""
    drills: tuple[DrillRun, ...] = ()
    """Drills that run; only a rehearsal line has any."""
    gaps_told_at: float = 0.0
    """When the gaps of the calendar of shifts were last looked for; on the wall's clock."""
    shifts_due: float = 0.0
    """When the timer of the calendar is due; 0: none was set."""
    strangers_told: tuple[str, ...] = ()
    """People of the calendar file who are not at the desk, as supervisors were last told of them."""

    def member(self, user: str) -> DeskMember | None:
        """Who that person is at the desk, if they are there."""
        return next((member for member in self.roster if member.user == user), None)

    @property
    def waiting(self) -> tuple[QueueEntry, ...]:
        """Threads of the queue without an assignee: danger and duress first, then words for help, then the longest wait.

        Who waits without a card is not among them, but in `flood.crowd`.
        """
        waiting = (entry for entry in self.threads if entry.assignee is None)
        return tuple(sorted(waiting, key=lambda entry: (not entry.urgent, not entry.asks, entry.since)))

    def assigned_to(self, user: str) -> tuple[QueueEntry, ...]:
        """Threads whose assignee that person is."""
        return tuple(entry for entry in self.threads if entry.assignee == user)


Aggregate: TypeAlias = Thread | Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the engine looked up for one decision.

    `now` in seconds since the epoch; `roster` as the desk stands; `designations` of all threads of the line but this one;
    `load`: how many threads each person holds; `outage`: the desk says that texts do not work well; `dialled_number`:
    what a
    message in an office is as a telephone number. The rest is for threads only, and `new_designation` for a parked one.
    """

    now: float
    roster: tuple[DeskMember, ...] = ()
    designations: frozenset[str] = frozenset()
    load: Mapping[str, int] = field(default_factory=dict)
    codeword_match: CodewordMatch = CodewordMatch.NONE
    """Which agreed word the event held, before it was masked."""
    partly_compared: bool = False
    """It was so long that not all of it could be compared with the agreed word."""
    enrolment_answer: EnrolmentAnswer | None = None
    """What was said in an office that was asked for a codeword; the words themselves are not in the event any more."""
    outage: bool = False
    usual_wait: int = 0
    """Minutes within which people are usually answered at this desk, as measured; 0: nothing can be said."""
    on_call: bool = False
    """A person outside Matrix can be called."""
    dialled_number: DialledNumber | None = None
    on_legal_hold: bool = False
    """A person put the thread on hold: nothing of it is destroyed (design.md, "The life of a thread")."""
    display_pending: bool = False
    """Something of the thread is still on its way into its room."""
    has_dead_letters: bool = False
    """Words of this texter could not be shown, and are kept: `!retry` may bring them back."""
    inbound_pending: bool = False
    """A text of this texter is in the inbox, behind this event."""
    outbound_pending: bool = False
    """A text to this phone is decided, and has not left yet or is just leaving."""
    new_designation: str = ""
    """Two words that no conversation bears, for one that begins."""
    clock_ahead: float = 0.0
    """By how many seconds the machine's clock was set forward since the start: `now` does not follow it."""
    drills: Mapping[str, DrillScript] = field(default_factory=dict)
    """The scripts that may be played here, by name; none on a line that is in service."""
    calendar: Shifts | None = field(default=None, repr=False)
    """The last good copy of the calendar file or address; None where there is none, or never was one."""

    @property
    def wall_clock(self) -> float:
        """What a clock on the wall shows (seconds since the epoch): for whatever is of a time of day."""
        return self.now + self.clock_ahead

    @property
    def staffed(self) -> bool:
        """Whether a person is on duty."""
        return any(member.on_duty for member in self.roster)

    def member(self, user: str) -> DeskMember | None:
        """Return who that person is at the desk, if they are there."""
        return next((member for member in self.roster if member.user == user), None)

    @property
    def supervisors(self) -> tuple[str, ...]:
        """Return the supervisors on duty."""
        return tuple(member.user for member in self.roster if member.on_duty and member.role is Role.SUPERVISOR)

    def role(self, user: str) -> Role | None:
        """Return what that person may do, None for a person who is not on the roster."""
        return next((member.role for member in self.roster if member.user == user), None)
