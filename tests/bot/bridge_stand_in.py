"""A model of the bridge's actions: inboxes, timers, rooms, a carrier and a phone, in the bridge's order."""

from __future__ import annotations

from collections import defaultdict, deque

from bot import guard
from bot.model.actions import (
    DESK,
    THREAD,
    Action,
    ConfirmIdentity,
    DeliveryReceipt,
    EditMessage,
    Invite,
    KickMember,
    Origin,
    PageOnCall,
    PinMessage,
    RedactEvent,
    RedactMessage,
    RestorePowerLevels,
    SendMessage,
    SendRecap,
    SendSms,
    ShareRoomKeys,
    ShowDevices,
    ShowReceipt,
    SignOut,
    TextFromHandset,
)
from bot.model.events import Event, MemberJoined, MemberLeft, Outcome, TextArrived, TextOutcome, TimerDue
from bot.model.thread import ThreadState
from bot.model.transactional_actions import (
    CancelTimer,
    CreateThread,
    EraseTexter,
    ParkThread,
    SendEvent,
    SetLegalHold,
    SetTimer,
)
from policies.pack import Pack
from tests.bot.expectations import Expectations
from tests.bot.invariants import Invariants
from tests.bot.strategies import FORWARD


class BridgeStandIn(Invariants):
    """Performs actions. `rooms`: all messages, in order; `shown`: present ones by ref; `pages`: calls outside Matrix."""

    def __init__(self, pack: Pack, *, threads: int) -> None:
        super().__init__(pack, threads=threads)
        self.inbox: defaultdict[str, deque[Event]] = defaultdict(deque)
        self.timers: dict[tuple[str, str], float] = {}
        self.shown: dict[tuple[str, str], str] = {}
        self.answers: set[tuple[str, str]] = set()
        self.boards: list[float] = []
        self.rooms: list[tuple[str, SendMessage | EditMessage]] = []
        self.pages = 0
        self.frozen: set[str] = set()

    def tell(self, owner: str, event: Event) -> None:
        """Put an event into an inbox."""
        self.inbox[owner].append(event)

    def attempt(self, owner: str, outcome: Outcome | None) -> None:
        """Send the first text of a thread's outbox. None: the carrier asks to try later."""
        account = self.account[owner]
        if not account.lane:
            return
        turn, text = account.lane[0]
        others = [thread.designation for name, thread in self.threads.items() if name != owner]
        why = guard.may_send(self.pack, self.threads[owner], text, self.now, others)
        if why is None and self.now < text.not_before:
            return
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
            account.confirmed |= text.origin is Origin.STOP_CONFIRMATION
            account.accepted.append(text)

    def leave(self, owner: str, user: str) -> None:
        """Make a person leave a thread's room, decline, or be removed."""
        account = self.account[owner]
        if user in account.members | account.invited:
            account.members.discard(user)
            account.invited.discard(user)
            self.tell(owner, MemberLeft(place=THREAD, user=user))

    def join(self, owner: str, user: str) -> None:
        """Make a person accept an invitation."""
        account = self.account[owner]
        if user in account.invited:
            account.invited.discard(user)
            account.members.add(user)
            self.tell(owner, MemberJoined(place=THREAD, user=user))

    def _park(self, owner: str) -> None:
        """Take the room from the thread: events on their way from there are ignored."""
        self.inbox[owner] = deque(event for event in self.inbox[owner] if isinstance(event, TextArrived))
        self.timers = {key: due for key, due in self.timers.items() if key[0] != owner}
        self.shown = {key: body for key, body in self.shown.items() if key[0] != owner}
        self.answers = {answer for answer in self.answers if answer[0] != owner}
        before = self.account[owner]
        # Marks are gone with their room, also for texts that the carrier never had; each message has its own id.
        self.receipts = {event_id: mark for event_id, mark in self.receipts.items() if event_id not in before.words}
        self.account[owner] = Expectations(
            stop=before.stop,
            confirmed=before.confirmed,
            unsafe=before.unsafe,
            hands=before.hands,
            line=before.line,
            chosen=before.chosen,
        )

    def _has_gone(self, owner: str, event: Event) -> bool:
        """Whether an event is in a room that no longer belongs to the thread: the bridge ignores it."""
        parked = owner != DESK and self.threads[owner].lifecycle.state is ThreadState.PARKED
        return parked and not isinstance(event, TextArrived | TimerDue)

    def _perform(self, owner: str, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case SendEvent():
                    self.tell(action.owner, action.event)
                case SetTimer():
                    self.timers[owner, action.key] = action.due
                case CancelTimer():
                    self.timers.pop((owner, action.key), None)
                case SendSms():
                    self.account[owner].lane.append((self.account[owner].turn, action))
                case ShowReceipt():
                    now = self.receipts.get(action.event_id)
                    assert action.receipt in FORWARD[now], f"a receipt went from {now} to {action.receipt}"
                    if now is not None and action.receipt is DeliveryReceipt.LEAVING:
                        assert action.event_id in self.account[owner].again, "words leave again that nobody said again"
                    self.receipts[action.event_id] = action.receipt
                case SendMessage() | EditMessage():
                    self._check_secrets(action)
                    self._show(owner if action.place == THREAD else action.place, action)
                case RedactMessage():
                    self.answers.discard((owner if action.place == THREAD else action.place, action.ref))
                case PageOnCall():
                    self.pages += 1
                case ParkThread():
                    assert owner not in self.frozen, "a thread on hold is parked"
                    self._park(owner)
                case EraseTexter():
                    assert owner not in self.frozen, "a thread on hold is ended"
                case SetLegalHold():
                    (self.frozen.add if action.on else self.frozen.discard)(owner)
                case Invite() | KickMember() if action.place != THREAD:
                    pass
                case Invite():
                    self.account[owner].invited.add(action.user)
                case KickMember():
                    self.leave(owner, action.user)
                case (
                    PinMessage()
                    | ShareRoomKeys()
                    | SendRecap()
                    | RestorePowerLevels()
                    | ConfirmIdentity()
                    | ShowDevices()
                    | RedactEvent()
                    | SignOut()
                    | CreateThread()
                    | TextFromHandset()
                ):
                    pass

    def _show(self, room: str, action: SendMessage | EditMessage) -> None:
        key = room, action.ref
        self.rooms.append((room, action))
        if isinstance(action, EditMessage):
            assert key in self.shown, "an edit of what was never posted"
            assert action.fresh or self.shown[key] != action.body, "an edit that changes nothing"
        elif action.ref == "board":
            assert key not in self.shown, "a second board"
        elif action.ref.startswith("answer:"):
            self.answers.add(key)
        if action.ref:
            self.shown[key] = action.body
        if action.ref == "board":
            assert not self.boards or self.now - self.boards[-1] >= 2, "two edits of the board within two seconds"
            self.boards.append(self.now)
