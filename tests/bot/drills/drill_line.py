"""A simulated rehearsal line: desk, threads, handsets and time, to play drills to their debrief.

Rule of this module: it performs actions as bridge and rehearsal carrier do, and decides nothing; people do what a test
says, and time jumps from one due act to the next.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

from bot.decide import decide
from bot.model.actions import (
    DESK,
    OFFICE,
    THREAD,
    Action,
    Invite,
    KickMember,
    RedactMessage,
    SendMessage,
    SendSms,
    TextFromHandset,
)
from bot.model.codeword_state import CodewordMatch, Digests
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import (
    Event,
    MemberJoined,
    MemberLeft,
    MessageRedacted,
    MessageSent,
    Outcome,
    PowerLevelsChanged,
    Relation,
    TextArrived,
    TextOutcome,
    TimerDue,
)
from bot.model.thread_desk_events import EnrolmentFinished, EnrolmentRequested
from bot.model.transactional_actions import CancelTimer, IncrementCounter, RecordAudit, SendEvent, SetTimer
from policies.drills.load import load_drills
from tests.bot.strategies import ANA, BEN, NOW, SUE
from tests.packs import shipped

PACK: Final = shipped("base", "rehearsal")
DRILLS: Final = load_drills()
DIGESTS: Final = Digests(salt="00", safe="01", duress="02", lengths=(8, 9))
DURESS_WORDS: Final = ("paper lantern", "farol papel")
LONGEST: Final = 2 * 3600.0


@dataclass
class DrillLine:
    """`phone`: the texts of each handset, by its tag; `offices`: each office's messages; `shown`: all messages to staff.

    `noted`: what the audit or the report would contain; `in_offices`, `redacted`: our messages by place and ref; `react`:
    called for each text, some seconds after its arrival; `leave`: called for each text when it leaves the handset, `way`
    seconds before its arrival.
    """

    react: Callable[[DrillLine, str, int], None]
    leave: Callable[[DrillLine, str, int], None] | None = None
    way: float = 0.0
    now: float = NOW
    desk: Desk = field(default_factory=Desk)
    threads: dict[str, Thread] = field(default_factory=dict)
    phone: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    offices: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    shown: list[str] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    noted: list[Action] = field(default_factory=list)
    in_offices: list[tuple[str, str]] = field(default_factory=list)
    redacted: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Bring the staff to the desk."""
        self._inbox: defaultdict[str, deque[Event]] = defaultdict(deque)
        self._timers: dict[tuple[str, str], float] = {}
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._said = ""
        for user in (ANA, BEN, SUE):
            self._inbox[DESK].append(MemberJoined(place=DESK, user=user))
        self._inbox[DESK].append(PowerLevelsChanged(users=((SUE, 50),)))
        self._settle()

    def say(self, owner: str, body: str, *, sender: str = ANA) -> None:
        """Say something as a person, in a thread's room or at the desk, and decide all that follows."""
        self._count += 1
        where = DESK if owner == DESK else THREAD
        self._said = f"$m{self._count}"
        event = MessageSent(place=where, sender=sender, event_id=self._said, body=body, at=self.now)
        self._inbox[owner].append(event)
        self._settle()

    def edit(self, thread: str, body: str, *, sender: str = ANA) -> None:
        """Edit the last message, as a person."""
        self._count += 1
        said = f"$m{self._count}"
        event = MessageSent(
            place=THREAD, sender=sender, event_id=said, body=body, at=self.now, relation=Relation.EDIT, target=self._said
        )
        self._inbox[thread].append(event)
        self._settle()

    def delete(self, thread: str) -> None:
        """Redact the last message, as Ana."""
        self._inbox[thread].append(MessageRedacted(place=THREAD, sender=ANA, target=self._said))
        self._settle()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Schedule a call some seconds later."""
        self._count += 1
        self._later.append((self.now + seconds, self._count, do))

    def run(self) -> None:
        """Let time pass until no drill runs. Fails if one does not end."""
        until = self.now + LONGEST
        while self.desk.drills:
            self._go_on()
            assert self.now <= until, "a drill has no end"

    def run_until(self, at: float) -> None:
        """Perform everything that is due until that time."""
        while min(*self._timers.values(), *(when for when, *_ in self._later)) <= at:
            self._go_on()
        self.now = at

    def _go_on(self) -> None:
        """Advance to the next due act, and perform it."""
        timer = min(self._timers, key=lambda key: self._timers[key])
        later = min(self._later, key=lambda each: each[:2], default=None)
        self.now = max(self.now, min(self._timers[timer], later[0] if later else math.inf))
        if later is not None and later[0] <= self.now:
            self._later.remove(later)
            later[2]()
        else:
            del self._timers[timer]
            self._inbox[timer[0]].append(TimerDue(key=timer[1]))
        self._settle()

    def debrief(self, user: str = ANA) -> str:
        """Return the debrief in a person's office."""
        return self.offices[user][-1]

    def _settle(self) -> None:
        while owners := [owner for owner, events in self._inbox.items() if events]:
            for owner in owners:
                self._decide(owner, self._inbox[owner].popleft())

    def _decide(self, owner: str, event: Event) -> None:
        duress = isinstance(event, TextArrived) and event.body in DURESS_WORDS
        facts = Facts(
            now=self.now,
            roster=self.desk.roster,
            designations=frozenset(entry.designation for entry in self.desk.threads if entry.thread != owner),
            new_designation=f"fresh {len(self.texts)}",
            codeword_match=CodewordMatch.DURESS if duress and self.threads[owner].codeword.digests else CodewordMatch.NONE,
            drills=DRILLS if owner == DESK else {},
        )
        actions: tuple[Action, ...]
        if owner == DESK:
            at_desk = decide(PACK, facts, self.desk, event)
            self.desk, actions = at_desk.aggregate, at_desk.actions
        else:
            in_thread = decide(PACK, facts, self.threads[owner], event)
            self.threads[owner], actions = in_thread.aggregate, in_thread.actions
        self.shown += [action.body for action in actions if isinstance(action, SendMessage)]
        for action in actions:
            self._perform(owner, action)

    def _perform(self, owner: str, action: Action) -> None:
        match action:
            case SendEvent(event=EnrolmentRequested() as request):
                # The two words are typed in the office and the bridge stores them: here they are stored at once.
                self._inbox[request.thread].append(EnrolmentFinished(user=request.user, digests=DIGESTS))
            case SendEvent():
                self._inbox[action.owner].append(action.event)
            case SetTimer():
                self._timers[owner, action.key] = action.due
            case CancelTimer():
                self._timers.pop((owner, action.key), None)
            case SendSms():
                self.phone[self.threads[owner].drill].append(action.body)
                for outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
                    self._inbox[owner].append(TextOutcome(ref=action.ref, outcome=outcome))
            case RecordAudit() | IncrementCounter():
                self.noted.append(action)
            case TextFromHandset():
                self._arrive(action)
            case SendMessage(place=place) if place.startswith(OFFICE):
                self.offices[place.removeprefix(OFFICE)].append(action.body)
                self.in_offices.append((place, action.ref))
            case RedactMessage():
                self.redacted.append((action.place, action.ref))
            case Invite(place=place) if place == THREAD:
                self._inbox[owner].append(MemberJoined(place=THREAD, user=action.user))
            case KickMember(place=place) if place == THREAD:
                self._inbox[owner].append(MemberLeft(place=THREAD, user=action.user))
            case _:
                pass

    def _arrive(self, text: TextFromHandset) -> None:
        number = len(self.texts)
        self.texts.append((text.tag, text.body))
        thread = f"t-{text.tag}"
        self.threads.setdefault(thread, Thread(id=thread, designation=f"amber heron {len(self.threads)}"))
        if self.leave is None:
            self._come(thread, number, text)
        else:
            self.after(self.way, partial(self._come, thread, number, text))
            self.leave(self, thread, number)

    def _come(self, thread: str, number: int, text: TextFromHandset) -> None:
        self._inbox[thread].append(TextArrived(id=f"in{number}", body=text.body, at=self.now, drill=text.tag))
        self.after(5, lambda: self.react(self, thread, number))


Advocate: TypeAlias = Callable[[DrillLine, str, int], None]
"""What a person does some seconds after each text; gets the line, the thread, and the number of earlier texts."""


def play(name: str, language: str, advocate: Advocate, *, reads: str = "en") -> DrillLine:
    """Play a drill to its end. `reads`: the advocate's staff language."""
    line = DrillLine(react=advocate)
    line.say(DESK, f"!lang me {reads}")
    line.say(DESK, f"!drill {name} {language}")
    line.run()
    return line
