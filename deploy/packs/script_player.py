"""Plays a conversation through the same `decide` as on a real line, without a line, and writes both sides as a transcript.

Rules of this module: it performs actions as the bridge does, and decides nothing; time advances where the script says so,
and by thirty seconds before each line; the phone shows exactly what it would show on a line.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot import guard
from bot.decide import decide
from bot.model.actions import (
    DESK,
    THREAD,
    Action,
    DeliveryReceipt,
    Invite,
    KickMember,
    SendMessage,
    SendSms,
    ShowReceipt,
    Speaker,
)
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import (
    Event,
    MemberJoined,
    MemberLeft,
    MessageSent,
    Outcome,
    PowerLevelsChanged,
    TextArrived,
    TextOutcome,
    TimerDue,
)
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from policies import ProblemsError
from policies.pack import Pack
from policies.schema import seconds
from policies.yaml_file import UNREADABLE, key_path, parse_yaml, unreadable_reason

ADVOCATE: Final = "@ana:line.example"
SUPERVISOR: Final = "@sue:line.example"
PEOPLE: Final = {"advocate": ADVOCATE, "supervisor": SUPERVISOR}
PAUSE_SECONDS: Final = 30.0
THREAD_ID: Final = "t1"
DESIGNATIONS: Final = ("amber heron", "quiet maple", "plain river", "still brook")
"""The designations of a script's conversations, in order; a longer script starts over with the first."""
SHOWN_RECEIPTS: Final = (DeliveryReceipt.NOTE, DeliveryReceipt.NOT_SENT, DeliveryReceipt.HELD, DeliveryReceipt.RETRACTED)
"""Receipts that a transcript mentions; it shows the texts that leave anyway."""


class ScriptStep(BaseModel):
    """One line of a script: who says what, or how long to wait. `picture`: a picture, with these words as its text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    who: Literal["texter", "picture", "advocate", "supervisor", "desk", "wait"]
    words: str


def _parse_step(value: Any) -> Any:
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("must be one of texter, picture, advocate, supervisor, desk, wait, with what is said")
    ((who, said),) = value.items()
    if who == "wait" and not isinstance(seconds(said), int):
        raise ValueError("wait needs a time, such as 3 min")
    return {"who": who, "words": str(said) if who == "wait" else said}


class Script(BaseModel):
    """A conversation to play. `start`: in the line's local time. `staffed`: an advocate and a supervisor are on duty."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    title: str = "A conversation"
    start: Annotated[datetime, BeforeValidator(lambda v: datetime.fromisoformat(v) if isinstance(v, str) else v)] = (
        datetime(  # noqa: DTZ001 - local time, in the pack's zone
            2027, 1, 4, 10
        )
    )
    staffed: bool = True
    steps: Annotated[list[Annotated[ScriptStep, BeforeValidator(_parse_step)]], Field(min_length=1)]


def read_script(path: Path) -> Script:
    """Read a script: a list of lines, or a mapping with `title`, `start`, `staffed` and `steps`. Raises ProblemsError."""
    try:
        raw = parse_yaml(path)
    except OSError as error:
        raise ProblemsError([f"{path}: cannot be read ({error.strerror})"]) from None
    except UNREADABLE as error:
        raise ProblemsError([f"{path}: {unreadable_reason(error, path)}"]) from None
    try:
        return Script.model_validate({"steps": raw} if isinstance(raw, list) else raw)
    except ValidationError as error:
        problems = [
            f"{path}: {key_path(e['loc'])}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False, include_url=False)
        ]
        raise ProblemsError(problems) from None


def play_script(pack: Pack, script: Script) -> Iterator[str]:
    """Play a script and yield its transcript, line by line: who, when, what; `→ phone` is the text on the handset."""
    simulation = _Simulation(pack, script)
    for number, step in enumerate(script.steps):
        if step.who == "wait":
            simulation.advance_time(seconds(step.words))
        else:
            simulation.advance_time(PAUSE_SECONDS if number else 0)
            simulation.perform_step(step)
    simulation.advance_time(PAUSE_SECONDS)
    yield from simulation.lines


class _Simulation:
    """One desk, one thread, a phone, and a simulated clock."""

    def __init__(self, pack: Pack, script: Script) -> None:
        self.lines: list[str] = []
        self._pack = pack
        self._zone = ZoneInfo(pack.hours.timezone)
        self._now = script.start.replace(tzinfo=self._zone).timestamp()
        self._desk, self._thread = Desk(), Thread(id=THREAD_ID, designation=DESIGNATIONS[0])
        self._inbox: defaultdict[str, deque[Event]] = defaultdict(deque)
        self._timers: dict[tuple[str, str], float] = {}
        self._arrived, self._count, self._conversations = "", 0, 1
        if script.staffed:
            for user in PEOPLE.values():
                self._enqueue(DESK, MemberJoined(place=DESK, user=user))
            self._enqueue(DESK, PowerLevelsChanged(users=((SUPERVISOR, 50),)))
        self._run_until_idle()
        self.lines.clear()  # the desk prepares its room before anybody writes

    def perform_step(self, step: ScriptStep) -> None:
        """Perform a person's words. An advocate who writes before the thread is claimed claims it first."""
        match step.who:
            case "texter" | "picture":
                self._append_line(step.who, step.words)
                self._arrived = step.words
                media = int(step.who == "picture")
                self._enqueue(THREAD_ID, TextArrived(id=self._id(), body=step.words, at=self._now, media=media))
            case "desk":
                self._append_line("desk: ana", step.words)
                self._send_message(DESK, ADVOCATE, step.words)
            case _:
                user = PEOPLE[step.who]
                if step.who == "advocate" and self._thread.assignment.assignee is None:
                    self._append_line("desk: ana", "!claim")
                    self._send_message(DESK, ADVOCATE, "!claim")
                    self._run_until_idle()
                self._append_line(user[1:4], step.words)
                self._send_message(THREAD_ID, user, step.words)
        self._run_until_idle()

    def advance_time(self, length: float) -> None:
        """Advance the clock by `length` seconds, from one timer to the next, in their order."""
        until = self._now + length
        while due := sorted((at, key) for key, at in self._timers.items() if at <= until):
            at, (owner, key) = due[0]
            del self._timers[owner, key]
            self._now = max(self._now, at)
            self._enqueue(owner, TimerDue(key=key))
            self._run_until_idle()
        self._now = until

    def _send_message(self, owner: str, user: str, body: str) -> None:
        place = DESK if owner == DESK else THREAD
        self._enqueue(owner, MessageSent(place=place, sender=user, event_id=self._id(), body=body, at=self._now))

    def _run_until_idle(self) -> None:
        while owners := [owner for owner, events in self._inbox.items() if events]:
            for owner in owners:
                self._decide(owner, self._inbox[owner].popleft())

    def _decide(self, owner: str, event: Event) -> None:
        names = frozenset(line.designation for line in self._desk.threads if line.thread != owner)
        load = {seat.user: len(self._desk.assigned_to(seat.user)) for seat in self._desk.roster}
        known = self._desk.roster
        name = self._thread.designation or DESIGNATIONS[self._conversations % len(DESIGNATIONS)]
        facts = Facts(
            now=self._now, roster=known, designations=names, load=load, outage=self._desk.outage, new_designation=name
        )
        actions: tuple[Action, ...]
        if owner == DESK:
            at_desk = decide(self._pack, facts, self._desk, event)
            self._desk, actions = at_desk.aggregate, at_desk.actions
        else:
            step = decide(self._pack, facts, self._thread, event)
            self._conversations += int(bool(step.aggregate.designation) and not self._thread.designation)
            self._thread, actions = step.aggregate, step.actions
        for action in actions:
            self._perform(owner, action)

    def _perform(self, owner: str, action: Action) -> None:
        match action:
            case SendEvent():
                self._enqueue(action.owner, action.event)
            case SetTimer():
                self._timers[owner, action.key] = action.due
            case CancelTimer():
                self._timers.pop((owner, action.key), None)
            case SendSms():
                if (why := guard.may_send(self._pack, self._thread, action, self._now, ())) is not None:
                    self._append_line("not sent", why)
                    self._enqueue(owner, TextOutcome(ref=action.ref, outcome=Outcome.REFUSED))
                    return
                self._append_line("→ phone", action.body)
                for outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
                    self._enqueue(owner, TextOutcome(ref=action.ref, outcome=outcome))
            case SendMessage() if action.ref not in ("card", "board"):
                self._post(action)
            case ShowReceipt() if action.receipt in SHOWN_RECEIPTS:
                self._append_line("", action.receipt.value)
            case Invite() if action.place == THREAD:
                self._enqueue(THREAD_ID, MemberJoined(place=THREAD, user=action.user))
            case KickMember() if action.place == THREAD:
                self._enqueue(THREAD_ID, MemberLeft(place=THREAD, user=action.user))
            case _:
                pass

    def _post(self, post: SendMessage) -> None:
        if post.speaker is Speaker.TEXTER and post.body == self._arrived:
            return  # the room shows the texter's words unchanged; the transcript has them already
        place = "room" if post.place == THREAD else "desk" if post.place == DESK else "office"
        self._append_line(place, post.body)

    def _append_line(self, who: str, body: str) -> None:
        when = datetime.fromtimestamp(self._now, self._zone).strftime("%a %H:%M:%S")
        first, *rest = body.split("\n")
        self.lines.append(f"{when}  {who:<10} {first}".rstrip())
        self.lines += [f"{'':24} {line}".rstrip() for line in rest]

    def _enqueue(self, owner: str, event: Event) -> None:
        self._inbox[owner].append(event)

    def _id(self) -> str:
        self._count += 1
        return f"${self._count}"
