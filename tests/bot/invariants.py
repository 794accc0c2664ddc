"""The invariants of every decision (ARCHITECTURE.md, "Invariants")."""

from __future__ import annotations

from bot.model.actions import (
    DESK,
    THREAD,
    Action,
    ConfirmIdentity,
    DeliveryReceipt,
    EditMessage,
    Origin,
    SendMessage,
    SendSms,
    ShowReceipt,
    Speaker,
)
from bot.model.desk import Desk, Role, Thread
from bot.model.events import Event, MemberLeft, MessageSent, ReactionAdded, TextArrived, TimerDue
from bot.model.thread import HeldReason
from bot.model.thread_desk_events import Assigned, AssigneeSpoke, AssignmentKind, ClaimRequested, ThreadParked, ThreadQueued
from bot.model.transactional_actions import SendEvent
from tests.bot.bookkeeping import Bookkeeping
from tests.bot.expectations import Expectations
from tests.bot.strategies import TEXTER_WORDS, WORDS

SECRET = tuple(words for words in (*TEXTER_WORDS, *WORDS) if len(words) > 5)


class Invariants(Bookkeeping):
    """Fails at once when a decision, or a text that leaves, contradicts the record."""

    def _check_thread(self, owner: str, was: Thread, event: Event, actions: tuple[Action, ...]) -> None:
        thread, account = self.threads[owner], self.account[owner]
        if thread.assignment.assignee != was.assignment.assignee:
            assert (thread.sending.pending, thread.sending.held) == ((), ()), "words of an earlier advocate are kept"
            lost_ids = {p.event_id for p in was.sending.pending}
            marked = {a.event_id for a in actions if isinstance(a, ShowReceipt) and a.receipt is DeliveryReceipt.NOT_SENT}
            assert lost_ids <= marked, "a change of advocate does not say what it cancelled"
            assert not lost_ids or any(isinstance(a, SendMessage) and "Not sent" in a.body for a in actions)
        for held_text in thread.sending.held:
            if (words := account.words[held_text.event_id]).open:
                late = held_text.reason is HeldReason.LATE
                assert not late or self.now - words.at > 300, "words that are not late are held as late"
                assert late or self._may_ask(owner), "words that the phone expects are held"
                words.open, words.held, words.held_at = False, "LATE" if late else "WARNED", self.now
        for action in actions:
            if isinstance(action, SendEvent) and isinstance(action.event, ClaimRequested) and action.event.over_cap:
                asks = event.sender if isinstance(event, MessageSent | ReactionAdded) else ""
                by = (
                    was.assignment.offer.by
                    if was.assignment.offer and action.event.how is AssignmentKind.ACCEPTED
                    else asks
                )
                seat = self.desk.member(by)
                assert (seat and seat.role) is Role.SUPERVISOR, "somebody else lets the cap be passed"
        known = {p.event_id for p in was.sending.pending}
        new = {p.author for p in thread.sending.pending if p.event_id not in known}
        for author in new:
            is_reported = any(isinstance(a, SendEvent) and isinstance(a.event, AssigneeSpoke) for a in actions)
            assert is_reported == (self.spoke.get(author) != owner), "the desk does not know who spoke where"
        if isinstance(event, ReactionAdded):
            assert not any(isinstance(a, SendSms | ConfirmIdentity) for a in actions), "a tap let a text leave"
            assert {p.event_id for p in thread.sending.pending} <= known
        for text in (action for action in actions if isinstance(action, SendSms)):
            if text.origin is Origin.REPLY_AFTER_STOP:
                assert isinstance(event, TimerDue), "a reply after a STOP that nobody waited for"
                continue
            if text.origin is not Origin.ADVOCATE:
                assert isinstance(event, TextArrived), "an automatic text that answers nothing"
                assert text.ref.endswith(f":{event.id}"), "an automatic text that does not refer to what it answers"
                assert text.since == event.at
                continue
            event_id = text.ref.removeprefix("say:")
            words = account.words[event_id]
            assert words.open, "words left that must not"
            assert self.desk.member(words.author), "words of somebody left who is not at the desk any more"
            assert (words.author, words.body) == (thread.assignment.assignee, text.body), (
                "not verbatim the advocate's words"
            )
            assert self.now >= words.heard_at + words.undo, "words left before their undo window was over"
            assert self.now - words.at <= 300, "words left late"
            assert words.silence <= 1800, "words left after a long silence that nobody was asked about"
            said = list(account.words)
            assert all(said.index(earlier) < said.index(event_id) for earlier in account.left), "words overtook others"
            words.open = False
            account.left.append(event_id)
        if isinstance(event, TextArrived):
            shown = [a.body for a in actions if isinstance(a, SendMessage) and a.speaker is Speaker.TEXTER]
            assert "".join(shown) == event.body, "a text is not shown as it is"

    def _check_desk(self, before: Desk, event: Event, actions: tuple[Action, ...]) -> None:
        match event:
            case AssigneeSpoke() if before.member(event.user) is not None:
                # A person who has left is no member of the desk, and has spoken nowhere when they come back.
                self.spoke[event.user] = event.thread
            case MemberLeft(place=place) if place == DESK:
                self.spoke.pop(event.user, None)
            case ThreadParked(thread=parked):
                # Nothing at the desk contains the id of an ended conversation.
                self.spoke = {user: thread for user, thread in self.spoke.items() if thread != parked}
            case ThreadQueued(closing=True):
                calls = [a for a in actions if isinstance(a, SendMessage) and a.mentions and event.thread in a.ref]
                assert calls == [], "people are called to a conversation that is being closed"
            case ThreadQueued(reopened=True) if not any(a.closing for a in before.threads if a.thread == event.thread):
                pass  # it waits anyway, or has just been claimed
            case ThreadQueued():
                cards = [a.body for a in actions if isinstance(a, SendMessage) and a.ref.startswith(f"card:{event.thread}")]
                shown = [body for body in cards if "waiting" in body and event.designation in body]
                assert len(shown) == 1, "a thread waits without a card"
        on_duty = {seat.user for seat in self.desk.roster if seat.on_duty}
        for line in self.desk.threads:
            here = self.desk.member(line.assignee or "")
            assert here is None or here.on_duty, "somebody who is off duty has a thread in their hands"
        for action in actions:
            if isinstance(action, SendEvent) and isinstance(action.event, Assigned):
                self._check_given(before, event, action)
            if isinstance(action, SendMessage):
                assert set(action.mentions) <= on_duty, "somebody who is off duty is called"
            if isinstance(action, ConfirmIdentity):
                assert isinstance(event, MessageSent), "an identity is confirmed and nobody said so"
                assert event.body.startswith("!trust")
                seat = before.member(event.sender)
                assert (seat and seat.role) is Role.SUPERVISOR
                assert event.sender != action.user, "somebody confirmed themselves"
                assert (action.user, action.master_key) in before.unconfirmed_identities, "not the identity that was shown"

    def _check_given(self, before: Desk, event: Event, action: SendEvent) -> None:
        line = next((line for line in before.threads if line.thread == action.owner), None)
        assert isinstance(action.event, Assigned)
        waits = isinstance(event, ThreadQueued) or line is None or line.assignee is None
        user = action.event.assignee
        seat = self.desk.member(user)
        assert seat is not None, "a thread was given to somebody who is not there"
        assert seat.on_duty, "a thread was given to somebody who is off duty"
        assert waits or (line and line.offered) or isinstance(event, ClaimRequested), "a thread was given away twice"
        assert waits == (action.event.how is AssignmentKind.CLAIMED)
        beyond = isinstance(event, ClaimRequested) and event.over_cap
        others = [other for other in self.desk.assigned_to(user) if other.thread != action.owner]
        full = len(others) >= self.pack.settings.cap
        assert not full or beyond or seat.role is Role.SUPERVISOR, "more threads than the cap"

    def _check_leaving(self, account: Expectations, turn: int, text: SendSms) -> None:
        assert self.now - text.since <= 300, "a text leaves late"
        if text.origin is Origin.ADVOCATE:
            assert turn == account.turn, "words of an earlier advocate leave"
        if account.unsafe:
            assert text.ref == f"say:{account.chosen}", "something leaves for an unsafe phone"
        if account.stop:
            assert text.ref == f"stop:{account.stop}", "something leaves for a stopped phone"
            assert not account.confirmed, "a STOP is confirmed twice"

    def _check_secrets(self, action: SendMessage | EditMessage) -> None:
        if action.place != THREAD:
            assert not [words for words in SECRET if words in action.body], "somebody's words are at the desk"
