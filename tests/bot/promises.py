"""What must hold of every decision, whatever led to it (DESIGN sections 0, 2, 3 and 10)."""

from __future__ import annotations

from bot.model.actions import DESK, THREAD, Action, Confirm, Edit, Mark, Origin, Post, Receipt, Speaker, Text
from bot.model.desk import Desk, Role, Thread
from bot.model.events import Event, Left, Said, Tapped, TextArrived, TimerDue
from bot.model.thread_desk_events import Assigned, How, Spoke, ThreadWaits, VoiceWanted
from bot.model.transactional_actions import Tell
from tests.bot.account import Account
from tests.bot.bookkeeping import Bookkeeping
from tests.bot.strategies import (
    TEXTER_WORDS,
    WORDS,
)

SECRET = tuple(words for words in (*TEXTER_WORDS, *WORDS) if len(words) > 5)


class Promises(Bookkeeping):
    """Stops at once when a decision, or a text that leaves, contradicts the account."""

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
            if text.origin is Origin.STOP_REPLY:
                assert isinstance(event, TimerDue), "a reply after a STOP that nobody waited for"
                continue
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
            case Spoke() if before.seat(event.user) is not None:
                # Who has left meanwhile is nobody at the desk, and spoke nowhere when they come back.
                self.spoke[event.user] = event.thread
            case Left(place=place) if place == DESK:
                self.spoke.pop(event.user, None)
            case ThreadWaits():
                cards = [a.body for a in actions if isinstance(a, Post) and a.ref.startswith(f"card:{event.thread}")]
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
        seat = self.desk.seat(user)
        assert seat is not None, "a thread was given to somebody who is not there"
        assert seat.duty, "a thread was given to somebody who is off duty"
        assert waits or (line and line.offered) or isinstance(event, VoiceWanted), "a thread was given away twice"
        assert waits == (given.event.how is How.CLAIMED)
        beyond = isinstance(event, VoiceWanted) and event.beyond
        others = [other for other in self.desk.held(user) if other.thread != given.owner]
        full = len(others) >= self.pack.settings.cap
        assert not full or beyond or seat.role is Role.SUPERVISOR, "more threads than the cap"

    def _check_leaving(self, account: Account, turn: int, text: Text) -> None:
        assert self.now - text.since <= 300, "a text leaves late"
        if text.origin is Origin.VOICE:
            assert turn == account.turn, "words of an earlier voice leave"
        if account.unsafe:
            assert text.ref == f"say:{account.chosen}", "something leaves for an unsafe phone"
        if account.stop:
            assert text.ref == f"stop:{account.stop}", "something leaves for a stopped phone"
            assert not account.confirmed, "a STOP is confirmed twice"

    def _check_secrets(self, action: Post | Edit) -> None:
        if action.place != THREAD:
            assert not [words for words in SECRET if words in action.body], "somebody's words are at the desk"
