"""A conversation played through the same decision as on a real line, without a line: both sides as a transcript.

Rules of this module: it does with actions what the bridge does with them, and decides nothing; time passes only where the
script says so, and thirty seconds before each line; what is on the phone is exactly what would be there.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot import guard
from bot.decide import decide
from bot.model.actions import DESK, THREAD, Action, Expel, Invite, Mark, Post, Receipt, Speaker, Text
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import Event, Joined, Left, LevelsSet, Outcome, Said, TextArrived, TextOutcome, TimerDue
from bot.model.transactional_actions import DropTimer, SetTimer, Tell
from policies.pack import Pack
from policies.schema import seconds

ANA: Final = "@ana:line.example"
SUE: Final = "@sue:line.example"
PEOPLE: Final = {"advocate": ANA, "supervisor": SUE}
PAUSE: Final = 30.0
OWNER: Final = "t1"
SHOWN: Final = (Receipt.NOTE, Receipt.NOT_SENT, Receipt.HELD, Receipt.UNSAID)
"""Receipts that a transcript has to tell; that a text leaves, it shows."""


class ScriptError(Exception):
    """The script cannot be played. `problems` are sentences, each with its path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Step(BaseModel):
    """One line of a script: who speaks and what, or how long to wait. `picture` is a picture with these words, if any."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    who: Literal["texter", "picture", "advocate", "supervisor", "desk", "wait"]
    said: str


def _step(value: Any) -> Any:
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("must be one of texter, picture, advocate, supervisor, desk, wait, with what is said")
    ((who, said),) = value.items()
    if who == "wait" and not isinstance(seconds(said), int):
        raise ValueError("wait needs a time, such as 3 min")
    return {"who": who, "said": str(said) if who == "wait" else said}


class Script(BaseModel):
    """A conversation to play. `start` in the line's own time; `staffed`: an advocate and a supervisor are on duty."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    title: str = "A conversation"
    start: Annotated[datetime, BeforeValidator(lambda v: datetime.fromisoformat(v) if isinstance(v, str) else v)] = (
        datetime(  # noqa: DTZ001 - local, the pack knows where
            2027, 1, 4, 10
        )
    )
    staffed: bool = True
    steps: Annotated[list[Annotated[Step, BeforeValidator(_step)]], Field(min_length=1)]


def read(path: Path) -> Script:
    """Read a script: a list of lines, or a mapping with `title`, `start`, `staffed` and `steps`. Raises ScriptError."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScriptError([f"{path}: cannot be read ({error.strerror})"]) from None
    except (yaml.YAMLError, ValueError):
        raise ScriptError([f"{path}: is not YAML"]) from None
    try:
        return Script.model_validate({"steps": raw} if isinstance(raw, list) else raw)
    except ValidationError as error:
        problems = [
            f"{path}: {'.'.join(map(str, e['loc'])) or 'the whole file'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False, include_url=False)
        ]
        raise ScriptError(problems) from None


def play(pack: Pack, script: Script) -> Iterator[str]:
    """Play a script and give its transcript, line by line: who, when, what; `→ phone` is what the handset shows."""
    stage = _Stage(pack, script)
    for number, step in enumerate(script.steps):
        if step.who == "wait":
            stage.pass_time(seconds(step.said))
        else:
            stage.pass_time(PAUSE if number else 0)
            stage.say(step)
    stage.pass_time(PAUSE)
    yield from stage.lines


class _Stage:
    """One desk, one thread, a phone, and time that is told to pass."""

    def __init__(self, pack: Pack, script: Script) -> None:
        self.lines: list[str] = []
        self._pack = pack
        self._zone = ZoneInfo(pack.hours.timezone)
        self._now = script.start.replace(tzinfo=self._zone).timestamp()
        self._desk, self._thread = Desk(), Thread(id=OWNER, designation="amber heron")
        self._inbox: defaultdict[str, deque[Event]] = defaultdict(deque)
        self._timers: dict[tuple[str, str], float] = {}
        self._arrived, self._count = "", 0
        if script.staffed:
            for user in PEOPLE.values():
                self._tell(DESK, Joined(place=DESK, user=user))
            self._tell(DESK, LevelsSet(users=((SUE, 50),)))
        self._settle()
        self.lines.clear()  # the desk furnishes itself before anybody writes

    def say(self, step: Step) -> None:
        """Let somebody say something. An advocate who speaks before anybody claimed the thread claims it first."""
        match step.who:
            case "texter" | "picture":
                self._show(step.who, step.said)
                self._arrived = step.said
                media = int(step.who == "picture")
                self._tell(OWNER, TextArrived(id=self._id(), body=step.said, at=self._now, media=media))
            case "desk":
                self._show("desk: ana", step.said)
                self._speak(DESK, ANA, step.said)
            case _:
                user = PEOPLE[step.who]
                if step.who == "advocate" and self._thread.voice.holder is None:
                    self._show("desk: ana", "!claim")
                    self._speak(DESK, ANA, "!claim")
                    self._settle()
                self._show(user[1:4], step.said)
                self._speak(OWNER, user, step.said)
        self._settle()

    def pass_time(self, length: float) -> None:
        """Let time pass, from one timer to the next, in their order."""
        until = self._now + length
        while due := sorted((at, key) for key, at in self._timers.items() if at <= until):
            at, (owner, key) = due[0]
            del self._timers[owner, key]
            self._now = max(self._now, at)
            self._tell(owner, TimerDue(key=key))
            self._settle()
        self._now = until

    def _speak(self, owner: str, user: str, body: str) -> None:
        place = DESK if owner == DESK else THREAD
        self._tell(owner, Said(place=place, sender=user, event_id=self._id(), body=body, at=self._now))

    def _settle(self) -> None:
        while owners := [owner for owner, events in self._inbox.items() if events]:
            for owner in owners:
                self._decide(owner, self._inbox[owner].popleft())

    def _decide(self, owner: str, event: Event) -> None:
        names = frozenset(line.designation for line in self._desk.threads if line.thread != owner)
        load = {seat.user: len(self._desk.held(seat.user)) for seat in self._desk.roster}
        known = self._desk.roster
        facts = Facts(now=self._now, roster=known, designations=names, load=load, outage=self._desk.outage)
        actions: tuple[Action, ...]
        if owner == DESK:
            at_desk = decide(self._pack, facts, self._desk, event)
            self._desk, actions = at_desk.aggregate, at_desk.actions
        else:
            step = decide(self._pack, facts, self._thread, event)
            self._thread, actions = step.aggregate, step.actions
        for action in actions:
            self._perform(owner, action)

    def _perform(self, owner: str, action: Action) -> None:
        match action:
            case Tell():
                self._tell(action.owner, action.event)
            case SetTimer():
                self._timers[owner, action.key] = action.due
            case DropTimer():
                self._timers.pop((owner, action.key), None)
            case Text():
                if (why := guard.may_send(self._pack, self._thread, action, self._now, ())) is not None:
                    self._show("not sent", why)
                    self._tell(owner, TextOutcome(ref=action.ref, outcome=Outcome.REFUSED))
                    return
                self._show("→ phone", action.body)
                for outcome in (Outcome.ACCEPTED, Outcome.DELIVERED):
                    self._tell(owner, TextOutcome(ref=action.ref, outcome=outcome))
            case Post() if action.ref not in ("card", "board"):
                self._post(action)
            case Mark() if action.receipt in SHOWN:
                self._show("", action.receipt.value)
            case Invite() if action.place == THREAD:
                self._tell(OWNER, Joined(place=THREAD, user=action.user))
            case Expel() if action.place == THREAD:
                self._tell(OWNER, Left(place=THREAD, user=action.user))
            case _:
                pass

    def _post(self, post: Post) -> None:
        if post.speaker is Speaker.VOICE and post.body == self._arrived:
            return  # the room shows the texter's words as they are; the transcript has them already
        place = "room" if post.place == THREAD else "desk" if post.place == DESK else "office"
        self._show(place, post.body)

    def _show(self, who: str, body: str) -> None:
        when = datetime.fromtimestamp(self._now, self._zone).strftime("%a %H:%M:%S")
        first, *rest = body.split("\n")
        self.lines.append(f"{when}  {who:<10} {first}".rstrip())
        self.lines += [f"{'':24} {line}".rstrip() for line in rest]

    def _tell(self, owner: str, event: Event) -> None:
        self._inbox[owner].append(event)

    def _id(self) -> str:
        self._count += 1
        return f"${self._count}"
