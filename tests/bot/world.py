"""A small world around `decide`: inboxes, timers, rooms, a carrier and a phone, without a machine under them.

Rules of this module: it does with actions what the bridge does with them, in the bridge's order; beside that it keeps its
own account of what was said and heard, and stops at once when a decision or the phone contradicts it. What the account
says comes from DESIGN and never from the code that is tried.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace
from typing import Any

from bot import guard
from bot.actions import (
    DESK,
    THREAD,
    Action,
    Confirm,
    DropTimer,
    Edit,
    End,
    Expel,
    GiveKeys,
    Hold,
    Invite,
    Mark,
    Origin,
    Page,
    Park,
    Pin,
    Post,
    Receipt,
    Redact,
    SetTimer,
    Speaker,
    Tell,
    TellDevices,
    Text,
)
from bot.decide import decide
from bot.events import (
    Content,
    Event,
    Joined,
    Left,
    LevelsSet,
    Outcome,
    Relation,
    Said,
    Tapped,
    TextArrived,
    TextOutcome,
    TimerDue,
    Unsaid,
)
from bot.model import Desk, Facts, Role, State, Thread
from bot.told import Assigned, How, Spoke, ThreadWaits, VoiceWanted
from policies.pack import Pack, TextName
from tests.bot.account import Account, Words
from tests.bot.strategies import (
    FORWARD,
    LONG,
    NAMED,
    NOW,
    OWNERS,
    SECOND,
    STAFF,
    STARTS,
    STOPS,
    SUE,
    TEXTER_WORDS,
    WARNED,
    WORDS,
)

SECRET = tuple(words for words in (*TEXTER_WORDS, *WORDS) if len(words) > 5)


class World:
    """Two threads and a desk by default; `now` moves only when it is told to."""

    def __init__(self, pack: Pack, *, threads: int = 2) -> None:
        self.pack, self.now, self.desk = pack, NOW, Desk()
        self.threads = {o: Thread(id=o, designation=d) for o, d in zip(OWNERS[:threads], NAMED, strict=False)}
        self.account = {owner: Account() for owner in self.threads}
        self.inbox: defaultdict[str, deque[Event]] = defaultdict(deque)
        self.timers: dict[tuple[str, str], float] = {}
        self.receipts: dict[str, Receipt] = {}
        self.shown: dict[tuple[str, str], str] = {}
        self.answers: set[tuple[str, str]] = set()
        self.boards: list[float] = []
        self.spoke: dict[str, str] = {}
        self.rooms: list[tuple[str, Post | Edit]] = []
        self.pages = 0
        self.frozen: set[str] = set()
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

    def say(self, where: str, sender: str, body: str, **changed: Any) -> str:
        """Let somebody say something in a thread's room, or at the desk; return the id of the message."""
        event_id = self.new_id()
        place = DESK if where == DESK else THREAD
        usual: dict[str, Any] = {"place": place, "sender": sender, "event_id": event_id, "body": body, "at": self.now}
        self.tell(where, Said(**(usual | changed)))
        return event_id

    def tap(self, where: str, sender: str, key: str, target: str, *, trusted: bool = True) -> None:
        """Let somebody react to something of ours."""
        place = DESK if where == DESK else THREAD
        event_id = self.new_id()
        self.tell(where, Tapped(place=place, sender=sender, event_id=event_id, key=key, target=target, trusted=trusted))

    def text(self, owner: str, body: str) -> None:
        """Let a text arrive."""
        self.tell(owner, TextArrived(id=self.new_id(), body=body, at=self.now))

    def open(self, owner: str, voice: str) -> None:
        """Let a texter begin and be greeted, and somebody become the voice and join."""
        self.text(owner, "hi, are you there?")
        self.settle()
        self.attempt(owner, Outcome.ACCEPTED)
        self.tap(DESK, voice, "✋", f"card:{owner}")
        self.settle()
        self.join(owner, voice)
        self.settle()

    def voice(self, owner: str) -> str | None:
        """Return who is the voice, once everybody agrees on it."""
        self.settle()
        self.agree()
        return self.threads[owner].voice.holder

    def seen(self, room: str) -> str:
        """Return everything that was ever shown, as it was first said or edited, in one room."""
        return "\n".join(post.body for where, post in self.rooms if where == room)

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
        if self._has_gone(owner, event):
            return
        names = frozenset(line.designation for line in self.desk.threads if line.thread != owner)
        load = {seat.user: len(self.desk.held(seat.user)) for seat in self.desk.roster}
        arriving = any(isinstance(later, TextArrived) for later in self.inbox[owner])
        fresh = f"fresh {self.new_id()}"
        facts = Facts(now=self.now, roster=self.desk.roster, designations=names, load=load, arriving=arriving, fresh=fresh)
        facts = replace(facts, frozen=owner in self.frozen)
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
        self._check_thread(owner, was, event, decided.actions)
        self._perform(owner, decided.actions)
        self.account[owner].again.clear()
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
            words = account.words.get(text.ref.removeprefix("say:"))
            before = [reached for reached in account.phone if reached.ref == text.ref]
            assert len(before) < (words.times if words else 1), "a text reached the phone twice"
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
                if words is not None and words.author == event.sender and words.held == "UNKNOWN":
                    words.held = ""
                elif words is not None and words.author == event.sender and (words.open or words.held):
                    if words.held:
                        account.say_again(target, event.at)
                    self._heard(owner, words, event)
            case Said():
                words = account.words.setdefault(event.event_id, Words(author=event.sender, at=event.at))
                if event.sender == was.voice.holder and not account.stop:
                    self._heard(owner, words, event)
                    self._second_word(owner, was, event)
            case Unsaid(target=target):
                words = account.words.get(target)
                if words is not None and words.author == event.sender:
                    words.open, words.held = False, ""
            case TextOutcome():
                words = account.words.get(event.ref.removeprefix("say:"))
                if words is not None and event.outcome is Outcome.DELIVERED:
                    words.held = ""
                elif words is not None and words.author == holder and event.outcome in (Outcome.LATE, Outcome.UNKNOWN):
                    words.held = event.outcome.name
            case Joined(user=user) if user != holder:
                account.slow_until = self.now + 300
            case Assigned(how=How.CLAIMED):
                assert was.voice.holder is None, "somebody claimed a thread that had a voice"
            case _:
                pass
        if holder != was.voice.holder:
            account.turn += 1
            account.close()

    def _heard(self, owner: str, words: Words, event: Said) -> None:
        body, own = event.body, ""
        if canned := body.startswith("!say handover"):
            own = body.removeprefix("!say handover").strip()
            body = own or self.pack.say(TextName.HANDOVER, self.threads[owner].consent.language)
        to_the_phone = event.relation in (Relation.NONE, Relation.TEXTER_REPLY, Relation.EDIT)
        to_the_phone |= canned and event.relation is Relation.OTHER_REPLY
        plain = event.content is Content.TEXT and not event.mentions and to_the_phone
        words.open = plain and (body in WORDS or (canned and body != own))
        words.held = "" if not plain else "LONG" if body == LONG else "WARNED" if body in WARNED else ""
        words.body, words.heard_at = body, self.now
        words.undo = self._undo(owner, words.author)

    def _undo(self, owner: str, author: str) -> float:
        if self.now < self.account[owner].slow_until:
            return 20
        return 16 if self.spoke.get(author, owner) != owner else 8

    def _second_word(self, owner: str, was: Thread, event: Said) -> None:
        name = event.body.removeprefix("!")
        said = event.relation is not Relation.THREAD and event.content is Content.TEXT
        if not said or name not in SECOND:
            return
        account = self.account[owner]
        before = {pending.event_id for pending in was.sending.pending}
        chosen = [p.event_id for p in self.threads[owner].sending.pending if p.event_id not in before]
        could = {
            event_id
            for event_id, words in account.words.items()
            if words.author == event.sender and words.held in SECOND[name] and event.target in ("", event_id)
        }
        assert len(chosen) == min(1, len(could)), "a second word lets leave exactly one of the messages that it may"
        for event_id in chosen:
            assert event_id in could, "a second word let leave what it must not"
            account.say_again(event_id, self.now)
            account.words[event_id].undo = self._undo(owner, event.sender)

    # What must hold of every decision.

    def _check_thread(self, owner: str, was: Thread, event: Event, actions: tuple[Action, ...]) -> None:
        thread, account = self.threads[owner], self.account[owner]
        if thread.voice.holder != was.voice.holder:
            assert (thread.sending.pending, thread.sending.held) == ((), ()), "words of an earlier voice are kept"
            gone = {p.event_id for p in was.sending.pending}
            marked = {a.event_id for a in actions if isinstance(a, Mark) and a.receipt is Receipt.NOT_SENT}
            assert gone <= marked, "a change of voice does not say what it cancelled"
            assert not gone or any(isinstance(a, Post) and "Not sent" in a.body for a in actions)
        for action in actions:
            if isinstance(action, Mark) and action.receipt is Receipt.HELD and account.words[action.event_id].open:
                words = account.words[action.event_id]
                assert self.now - words.at > 300, "words that are not late are held as late"
                words.open, words.held = False, "LATE"
            if isinstance(action, Tell) and isinstance(action.event, VoiceWanted) and action.event.beyond:
                asks = event.sender if isinstance(event, Said | Tapped) else ""
                by = was.voice.offer.by if was.voice.offer and action.event.how is How.ACCEPTED else asks
                seat = self.desk.seat(by)
                assert (seat and seat.role) is Role.SUPERVISOR, "somebody else lets the cap be passed"
        known = {p.event_id for p in was.sending.pending}
        new = {p.author for p in thread.sending.pending if p.event_id not in known}
        for author in new:
            told = any(isinstance(a, Tell) and isinstance(a.event, Spoke) for a in actions)
            assert told == (self.spoke.get(author) != owner), "the desk does not know who spoke where"
        if isinstance(event, Tapped):
            assert not any(isinstance(a, Text | Confirm) for a in actions), "a tap let a text leave"
            assert {p.event_id for p in thread.sending.pending} <= known
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
        match event:
            case Spoke():
                self.spoke[event.user] = event.thread
            case Left(place=place) if place == DESK:
                self.spoke.pop(event.user, None)
            case ThreadWaits():
                cards = [a.body for a in actions if isinstance(a, Post) and a.ref == f"card:{event.thread}"]
                shown = [body for body in cards if "waiting" in body and event.designation in body]
                assert len(shown) == 1, "a thread waits without a card"
        on_duty = {seat.user for seat in self.desk.roster if seat.duty}
        for line in self.desk.threads:
            here = self.desk.seat(line.voice or "")
            assert here is None or here.duty, "somebody who is off duty has a thread in their hands"
        for action in actions:
            if isinstance(action, Tell) and isinstance(action.event, Assigned):
                self._check_given(before, event, action)
            if isinstance(action, Post):
                assert set(action.mentions) <= on_duty, "somebody who is off duty is called"
            if isinstance(action, Confirm):
                assert isinstance(event, Said), "an identity is confirmed and nobody said so"
                assert event.body.startswith("!trust")
                seat = before.seat(event.sender)
                assert (seat and seat.role) is Role.SUPERVISOR
                assert event.sender != action.user, "somebody confirmed themselves"
                assert (action.user, action.master_key) in before.identities, "not the identity that was shown"

    def _check_given(self, before: Desk, event: Event, given: Tell) -> None:
        line = next((line for line in before.threads if line.thread == given.owner), None)
        assert isinstance(given.event, Assigned)
        waits = isinstance(event, ThreadWaits) or line is None or line.voice is None
        user = given.event.voice
        seat = before.seat(user)
        assert seat is not None, "a thread was given to somebody who is not there"
        assert seat.duty, "a thread was given to somebody who is off duty"
        assert waits or (line and line.offered) or isinstance(event, VoiceWanted), "a thread was given away twice"
        assert waits == (given.event.how is How.CLAIMED)
        beyond = isinstance(event, VoiceWanted) and event.beyond
        others = [other for other in before.held(user) if other.thread != given.owner]
        full = len(others) >= self.pack.settings.cap
        assert not full or beyond or seat.role is Role.SUPERVISOR, "more threads than the cap"

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
                    if now is not None and action.receipt is Receipt.LEAVING:
                        assert action.event_id in self.account[owner].again, "words leave again that nobody said again"
                    self.receipts[action.event_id] = action.receipt
                case Post() | Edit():
                    self._check_secrets(action)
                    self._show(owner if action.place == THREAD else action.place, action)
                case Redact():
                    self.answers.discard((owner if action.place == THREAD else action.place, action.ref))
                case Page():
                    self.pages += 1
                case Park():
                    assert owner not in self.frozen, "a thread on hold is parked"
                    self._park(owner)
                case End():
                    assert owner not in self.frozen, "a thread on hold is ended"
                case Hold():
                    (self.frozen.add if action.on else self.frozen.discard)(owner)
                case Invite():
                    self.account[owner].invited.add(action.user)
                case Expel():
                    self.leave(owner, action.user)
                case Pin() | GiveKeys() | Confirm() | TellDevices():
                    pass

    def _park(self, owner: str) -> None:
        """Take the room from the thread: what was on its way from there is not heard."""
        self.inbox[owner] = deque(event for event in self.inbox[owner] if isinstance(event, TextArrived))
        self.timers = {key: due for key, due in self.timers.items() if key[0] != owner}
        self.shown = {key: body for key, body in self.shown.items() if key[0] != owner}
        self.answers = {answer for answer in self.answers if answer[0] != owner}
        before = self.account[owner]
        self.account[owner] = Account(stop=before.stop, confirmed=before.confirmed)

    def _has_gone(self, owner: str, event: Event) -> bool:
        """Whether something happens in a room that is no longer the thread's: the bridge does not hear it."""
        parked = owner != DESK and self.threads[owner].life.state is State.PARKED
        return parked and not isinstance(event, TextArrived | TimerDue)

    def _show(self, room: str, action: Post | Edit) -> None:
        key = room, action.ref
        self.rooms.append((room, action))
        if isinstance(action, Edit):
            assert key in self.shown, "an edit of what was never posted"
            assert self.shown[key] != action.body, "an edit that changes nothing"
        elif action.ref == "board":
            assert key not in self.shown, "a second board"
        elif action.ref.startswith("answer:"):
            self.answers.add(key)
        if action.ref:
            self.shown[key] = action.body
        if action.ref == "board":
            assert not self.boards or self.now - self.boards[-1] >= 2, "two edits of the board within two seconds"
            self.boards.append(self.now)

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
        offered = {line.thread for line in self.desk.threads if line.offered}
        offers = {t.id for t in self.threads.values() if t.voice.offer is not None and not t.voice.offer.to}
        assert offered == offers, "desk and threads do not agree on what is offered to everybody"
