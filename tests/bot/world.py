"""A small world around `decide`: inboxes, timers, rooms, a carrier and a phone, without a machine under them.

Rules of this module: it does with actions what the bridge does with them, in the bridge's order; beside that it keeps its
own account of what was said and heard, and stops at once when a decision or the phone contradicts it. What the account
says comes from DESIGN and never from the code that is tried.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from bot import guard
from bot.actions import (
    DESK,
    THREAD,
    Action,
    DropTimer,
    Edit,
    Expel,
    GiveKeys,
    Invite,
    Mark,
    Origin,
    Pin,
    Post,
    Receipt,
    SetTimer,
    Speaker,
    Tell,
    Text,
)
from bot.decide import decide
from bot.events import (
    Assigned,
    Content,
    Event,
    Joined,
    Left,
    LevelsSet,
    Outcome,
    Relation,
    Said,
    TextArrived,
    TextOutcome,
    ThreadWaits,
    TimerDue,
    Unsaid,
)
from bot.model import Desk, Facts, Thread
from policies.pack import Pack
from tests.bot.strategies import FORWARD, NAMED, NOW, OWNERS, STAFF, STARTS, STOPS, SUE, TEXTER_WORDS, WORDS

SECRET = tuple(words for words in (*TEXTER_WORDS, *WORDS) if len(words) > 5)


@dataclass(slots=True)
class Words:
    """What somebody said in a thread's room, as the account has it. `open`: it may still leave."""

    author: str
    at: float
    body: str = ""
    heard_at: float = 0.0
    undo: float = 0.0
    open: bool = False
    left: bool = False


@dataclass(slots=True)
class Account:
    """What a thread's texter and phone may expect."""

    turn: int = 0
    stop: str = ""
    confirmed: bool = False
    slow_until: float = 0.0
    words: dict[str, Words] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    invited: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    lane: deque[tuple[int, Text]] = field(default_factory=deque)
    accepted: list[Text] = field(default_factory=list)
    phone: list[Text] = field(default_factory=list)

    def close(self) -> None:
        """Nothing that has not left may leave any more."""
        for words in self.words.values():
            words.open = False


class World:
    """Two threads and a desk by default; `now` moves only when it is told to."""

    def __init__(self, pack: Pack, *, threads: int = 2) -> None:
        self.pack, self.now, self.desk = pack, NOW, Desk()
        self.threads = {o: Thread(id=o, designation=d) for o, d in zip(OWNERS[:threads], NAMED, strict=False)}
        self.account = {owner: Account() for owner in self.threads}
        self.inbox: defaultdict[str, deque[Event]] = defaultdict(deque)
        self.timers: dict[tuple[str, str], float] = {}
        self.receipts: dict[str, Receipt] = {}
        self.posts: list[Post | Edit] = []
        self._count = 0
        for user in STAFF:
            self.tell(DESK, Joined(place=DESK, user=user))
        self.tell(DESK, LevelsSet(users=((SUE, 50),)))
        self.settle()

    def new_id(self) -> str:
        """Return an id that was not there before."""
        self._count += 1
        return f"${self._count}"

    def tell(self, owner: str, event: Event) -> None:
        """Put an event into an inbox."""
        self.inbox[owner].append(event)

    def pass_time(self, seconds: float) -> None:
        """Let time pass; timers that are due become events."""
        self.now += seconds
        for (owner, key), _ in sorted((item for item in self.timers.items() if item[1] <= self.now), key=lambda i: i[1]):
            del self.timers[owner, key]
            self.tell(owner, TimerDue(key=key))

    def settle(self) -> None:
        """Decide until no inbox holds anything."""
        while owners := [owner for owner, events in self.inbox.items() if events]:
            for owner in owners:
                self.work(owner)

    def work(self, owner: str) -> None:
        """Decide one event of an owner, as the engine does, and take the actions."""
        if not self.inbox[owner]:
            return
        event = self.inbox[owner].popleft()
        names = frozenset(line.designation for line in self.desk.threads if line.thread != owner)
        facts = Facts(now=self.now, roster=self.desk.roster, designations=names)
        if owner == DESK:
            before = self.desk
            step = decide(self.pack, facts, before, event)
            self.desk = step.aggregate
            self._check_desk(before, event, step.actions)
            self._perform(owner, step.actions)
            return
        was = self.threads[owner]
        decided = decide(self.pack, facts, was, event)
        self.threads[owner] = decided.aggregate
        if not isinstance(event, Said) or facts.role(event.sender) is not None:
            self._note(owner, was, event)
        self._check_thread(owner, event, decided.actions)
        self._perform(owner, decided.actions)
        if isinstance(event, Said) and event.relation is not Relation.EDIT and facts.role(event.sender) is not None:
            assert event.event_id in self.receipts, "a message that was heard has no receipt"

    def attempt(self, owner: str, outcome: Outcome | None) -> None:
        """Let the outbox try the first text of a thread. None: the carrier asks to try later."""
        account = self.account[owner]
        if not account.lane:
            return
        turn, text = account.lane[0]
        why = guard.may_send(self.pack, self.threads[owner], text, self.now)
        if why is not None:
            account.lane.popleft()
            self.tell(owner, TextOutcome(ref=text.ref, outcome=Outcome.LATE if why is guard.LATE else Outcome.REFUSED))
            return
        self._check_leaving(account, turn, text)
        if outcome is None:
            return
        account.lane.popleft()
        self.tell(owner, TextOutcome(ref=text.ref, outcome=outcome))
        if outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
            assert text.ref not in {reached.ref for reached in account.phone}, "a text reached the phone twice"
            account.phone.append(text)
            account.confirmed |= text.origin is Origin.STOP_ANSWER
            account.accepted.append(text)

    # What each event means, by DESIGN.

    def _note(self, owner: str, was: Thread, event: Event) -> None:
        account, holder = self.account[owner], self.threads[owner].voice.holder
        match event:
            case TextArrived(body=body) if body in STOPS:
                account.close()
                if not account.stop:
                    account.stop, account.confirmed = event.id, False
            case TextArrived(body=body) if body in STARTS:
                account.stop = ""
            case Said(relation=Relation.EDIT, target=target):
                words = account.words.get(target)
                if words is not None and words.author == event.sender and words.open:
                    self._heard(account, words, event)
            case Said():
                words = account.words.setdefault(event.event_id, Words(author=event.sender, at=event.at))
                if event.sender == was.voice.holder and not account.stop:
                    self._heard(account, words, event)
            case Unsaid(target=target):
                words = account.words.get(target)
                if words is not None and words.author == event.sender:
                    words.open = False
            case Joined(user=user) if user != holder:
                account.slow_until = self.now + 300
            case Assigned():
                assert was.voice.holder is None, "somebody became the voice while another was"
            case _:
                pass
        if holder != was.voice.holder:
            account.turn += 1
            account.close()

    def _heard(self, account: Account, words: Words, event: Said) -> None:
        to_the_phone = event.relation in (Relation.NONE, Relation.TEXTER_REPLY, Relation.EDIT)
        plain = event.content is Content.TEXT and not event.mentions
        words.open = event.body in WORDS and to_the_phone and plain
        words.body, words.heard_at = event.body, self.now
        words.undo = 20 if self.now < account.slow_until else 8

    # What must hold of every decision.

    def _check_thread(self, owner: str, event: Event, actions: tuple[Action, ...]) -> None:
        thread, account = self.threads[owner], self.account[owner]
        for text in (action for action in actions if isinstance(action, Text)):
            if text.origin is not Origin.VOICE:
                assert isinstance(event, TextArrived), "an automatic text that answers nothing"
                assert text.ref.endswith(f":{event.id}"), "an automatic text that does not refer to what it answers"
                assert text.since == event.at
                continue
            event_id = text.ref.removeprefix("say:")
            words = account.words[event_id]
            assert words.open, "words left that must not"
            assert self.desk.seat(words.author), "words of somebody left who is not at the desk any more"
            assert (words.author, words.body) == (thread.voice.holder, text.body), "not verbatim the voice's words"
            assert self.now >= words.heard_at + words.undo, "words left before their undo window was over"
            assert self.now - words.at <= 300, "words left late"
            said = list(account.words)
            assert all(said.index(earlier) < said.index(event_id) for earlier in account.left), "words overtook others"
            words.open = False
            account.left.append(event_id)
        if isinstance(event, TextArrived):
            shown = [a.body for a in actions if isinstance(a, Post) and a.speaker is Speaker.VOICE]
            assert "".join(shown) == event.body, "a text is not shown as it is"

    def _check_desk(self, before: Desk, event: Event, actions: tuple[Action, ...]) -> None:
        for person in {line.voice for line in self.desk.threads if line.voice}:
            assert len(self.desk.held(person)) <= self.pack.settings.cap, "more threads than the cap"
            held = [thread for thread in self.threads.values() if thread.voice.holder == person]
            assert len(held) <= self.pack.settings.cap
        for action in actions:
            if isinstance(action, Tell) and isinstance(action.event, Assigned):
                (line,) = (line for line in before.threads if line.thread == action.owner)
                assert line.voice is None, "a thread was given away twice"
        if isinstance(event, ThreadWaits):
            cards = [a.body for a in actions if isinstance(a, Post) and a.place == DESK]
            assert any("waiting" in body and event.designation in body for body in cards), "a thread waits without a card"

    def _check_leaving(self, account: Account, turn: int, text: Text) -> None:
        assert self.now - text.since <= 300, "a text leaves late"
        if text.origin is Origin.VOICE:
            assert turn == account.turn, "words of an earlier voice leave"
        if account.stop:
            assert text.ref == f"stop:{account.stop}", "something leaves for a stopped phone"
            assert not account.confirmed, "a STOP is confirmed twice"

    # What the bridge does with actions.

    def _perform(self, owner: str, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Tell():
                    self.tell(action.owner, action.event)
                case SetTimer():
                    self.timers[owner, action.key] = action.due
                case DropTimer():
                    self.timers.pop((owner, action.key), None)
                case Text():
                    self.account[owner].lane.append((self.account[owner].turn, action))
                case Mark():
                    now = self.receipts.get(action.event_id)
                    assert action.receipt in FORWARD[now], f"a receipt went from {now} to {action.receipt}"
                    self.receipts[action.event_id] = action.receipt
                case Post() | Edit():
                    self.posts.append(action)
                    self._check_secrets(action)
                case Invite():
                    self.account[owner].invited.add(action.user)
                case Expel():
                    self.leave(owner, action.user)
                case Pin() | GiveKeys():
                    pass

    def leave(self, owner: str, user: str) -> None:
        """Somebody leaves a thread's room, declines, or is removed."""
        account = self.account[owner]
        if user in account.members | account.invited:
            account.members.discard(user)
            account.invited.discard(user)
            self.tell(owner, Left(place=THREAD, user=user))

    def join(self, owner: str, user: str) -> None:
        """Somebody accepts an invitation."""
        account = self.account[owner]
        if user in account.invited:
            account.invited.discard(user)
            account.members.add(user)
            self.tell(owner, Joined(place=THREAD, user=user))

    def _check_secrets(self, action: Post | Edit) -> None:
        if action.place != THREAD:
            assert not [words for words in SECRET if words in action.body], "somebody's words are at the desk"

    def agree(self) -> None:
        """Check that desk and threads name the same voices. Only true when no inbox holds anything."""
        told: dict[str, Any] = {line.thread: line.voice for line in self.desk.threads}
        are = {thread.id: thread.voice.holder for thread in self.threads.values() if thread.life.last_inbound}
        assert told == are, "desk and threads do not agree on who is the voice"
