"""A simulation around `decide`: inboxes, timers, rooms, a carrier and a phone, in memory.

Rules of this module: it performs actions as the bridge does, in the bridge's order. It also keeps its own record of what
was said and received, and fails at once when a decision or the phone contradicts it. The record follows the design and
never the tested code.
"""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from dataclasses import fields
from typing import Any, Self

from bot.decide import decide
from bot.model.actions import DESK, THREAD
from bot.model.desk import Facts
from bot.model.events import (
    Event,
    MemberJoined,
    MessageSent,
    Outcome,
    PowerLevelsChanged,
    ReactionAdded,
    Relation,
    TextArrived,
    TimerDue,
)
from bot.model.feature import Step
from bot.staffing import waiting_time
from policies.pack import Pack
from tests.bot.bridge_stand_in import BridgeStandIn
from tests.bot.expectations import Expectations, Words
from tests.bot.strategies import STAFF, SUE


class Simulation(BridgeStandIn):
    """Two threads and a desk by default, with the acts of people and texters, and time."""

    def __init__(self, pack: Pack, *, threads: int = 2) -> None:
        super().__init__(pack, threads=threads)
        self._count = 0
        for user in STAFF:
            self.tell(DESK, MemberJoined(place=DESK, user=user))
        self.tell(DESK, PowerLevelsChanged(users=((SUE, 50),)))
        self.settle()

    def copy(self) -> Self:
        """Return a copy that continues independently. It shares immutable values."""
        other = copy.copy(self)
        vars(other).update({name: _copied(value) for name, value in vars(self).items()})
        return other

    def new_id(self) -> str:
        """Return a new id."""
        self._count += 1
        return f"${self._count}"

    def say(self, where: str, sender: str, body: str, **changed: Any) -> str:
        """Say something as a person in a thread's room, or at the desk; return the id of the message."""
        event_id = self.new_id()
        place = DESK if where == DESK else THREAD
        usual: dict[str, Any] = {"place": place, "sender": sender, "event_id": event_id, "body": body, "at": self.now}
        self.tell(where, MessageSent(**(usual | changed)))
        return event_id

    def reaches(self, owner: str, assignee: str, body: str) -> None:
        """Say words as the assignee, let their undo window pass, and let the carrier accept them."""
        self.say(owner, assignee, body)
        self.settle()
        self.pass_time(8)
        self.settle()
        self.attempt(owner, Outcome.ACCEPTED)
        self.settle()

    def tap(self, where: str, sender: str, key: str, target: str, *, trusted: bool = True) -> None:
        """React to a message of ours, as a person."""
        place = DESK if where == DESK else THREAD
        event_id = self.new_id()
        self.tell(
            where, ReactionAdded(place=place, sender=sender, event_id=event_id, key=key, target=target, trusted=trusted)
        )

    def text(self, owner: str, body: str) -> None:
        """Let a text arrive."""
        self.tell(owner, TextArrived(id=self.new_id(), body=body, at=self.now))

    def open(self, owner: str, assignee: str) -> None:
        """Open a thread: the texter is greeted, and a person becomes the assignee and joins."""
        self.text(owner, "hi, are you there?")
        self.settle()
        self.attempt(owner, Outcome.ACCEPTED)
        self.tap(DESK, assignee, "✋", f"card:{owner}")
        self.settle()
        self.join(owner, assignee)
        self.settle()

    def assignee(self, owner: str) -> str | None:
        """Return the assignee, after all inboxes are decided."""
        self.settle()
        self.agree()
        return self.threads[owner].assignment.assignee

    def seen(self, room: str) -> str:
        """Return everything that one room ever showed, including edits."""
        return "\n".join(post.body for where, post in self.rooms if where == room)

    def pass_time(self, seconds: float) -> None:
        """Let time pass; due timers become events."""
        self.now += seconds
        for (owner, key), _ in sorted((item for item in self.timers.items() if item[1] <= self.now), key=lambda i: i[1]):
            del self.timers[owner, key]
            self.tell(owner, TimerDue(key=key))

    def settle(self) -> None:
        """Decide until all inboxes are empty."""
        while owners := [owner for owner, events in self.inbox.items() if events]:
            for owner in owners:
                self.work(owner)

    def work(self, owner: str) -> None:
        """Decide one event of an owner, as the engine does, and perform the actions."""
        if not self.inbox[owner]:
            return
        event = self.inbox[owner].popleft()
        if self._has_gone(owner, event):
            return
        names = frozenset(line.designation for line in self.desk.threads if line.thread != owner)
        load = {seat.user: len(self.desk.assigned_to(seat.user)) for seat in self.desk.roster}
        facts = Facts(
            now=self.now,
            roster=self.desk.roster,
            designations=names,
            load=load,
            outage=self.desk.outage,
            usual_wait=waiting_time.usual_minutes(self.desk, self.now),
            on_legal_hold=owner in self.frozen,
            inbound_pending=any(isinstance(later, TextArrived) for later in self.inbox[owner]),
            new_designation=f"fresh {self.new_id()}",
        )
        if owner == DESK:
            before = self.desk
            step = self._decide(facts, before, event)
            self.desk = step.aggregate
            self._check_desk(before, event, step.actions)
            self._perform(owner, step.actions)
            return
        was = self.threads[owner]
        decided = self._decide(facts, was, event)
        self.threads[owner] = decided.aggregate
        if not isinstance(event, MessageSent) or facts.role(event.sender) is not None:
            self._note(owner, was, event)
        self._check_thread(owner, was, event, decided.actions)
        self._perform(owner, decided.actions)
        self.account[owner].again.clear()
        if isinstance(event, MessageSent) and event.relation is not Relation.EDIT and facts.role(event.sender) is not None:
            assert event.event_id in self.receipts, "a message that was heard has no receipt"

    def _decide(self, facts: Facts, aggregate: Any, event: Event) -> Step[Any]:
        return decide(self.pack, facts, aggregate, event)

    def agree(self) -> None:
        """Check that desk and threads name the same assignees. Valid only when all inboxes are empty."""
        assignees: dict[str, Any] = {line.thread: line.assignee for line in self.desk.threads}
        assignees |= {entry.thread: None for entry in self.desk.flood.crowd.values()}
        are = {thread.id: thread.assignment.assignee for thread in self.threads.values() if thread.lifecycle.last_inbound}
        assert assignees == are, "desk and threads do not agree on who is the advocate"
        offered = {line.thread for line in self.desk.threads if line.offered}
        offers = {t.id for t in self.threads.values() if t.assignment.offer is not None and not t.assignment.offer.to}
        assert offered == offers, "desk and threads do not agree on what is offered to everybody"


def _copied(value: Any) -> Any:
    match value:
        case defaultdict():
            return defaultdict(value.default_factory, {key: _copied(each) for key, each in value.items()})
        case dict():
            return {key: _copied(each) for key, each in value.items()}
        case list() | deque():
            return type(value)(_copied(each) for each in value)
        case set():
            return set(value)
        case Expectations() | Words():
            return type(value)(**{each.name: _copied(getattr(value, each.name)) for each in fields(value)})
    return value
