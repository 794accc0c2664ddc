"""What each event means for a thread's texter and phone, by the design and never by the tested code."""

from __future__ import annotations

from bot.model.actions import DeliveryReceipt
from bot.model.desk import Desk, Role, Thread
from bot.model.events import (
    Content,
    Event,
    MemberJoined,
    MessageRedacted,
    MessageSent,
    Outcome,
    Relation,
    TextArrived,
    TextOutcome,
)
from bot.model.thread import HeldReason
from bot.model.thread_desk_events import Assigned, AssignmentKind
from policies.pack import Pack, TextName
from tests.bot.expectations import Expectations, Words
from tests.bot.strategies import (
    BY_PHONES,
    CANNED,
    DIFFERENT,
    EDITED,
    LONG,
    NAMED,
    NOW,
    OWNERS,
    SECOND,
    STARTS,
    STEPS_BACK,
    STOPS,
    WARNED,
    WORDS,
)


class Bookkeeping:
    """Threads, a desk, and a record of each thread's words and texts. `now` changes only when a test sets it."""

    def __init__(self, pack: Pack, *, threads: int) -> None:
        self.pack, self.now, self.desk = pack, NOW, Desk()
        self.threads = {o: Thread(id=o, designation=d) for o, d in zip(OWNERS[:threads], NAMED, strict=False)}
        self.account = {owner: Expectations() for owner in self.threads}
        self.receipts: dict[str, DeliveryReceipt] = {}
        self.spoke: dict[str, str] = {}

    def _note(self, owner: str, was: Thread, event: Event) -> None:
        account, assignee = self.account[owner], self.threads[owner].assignment.assignee
        if isinstance(event, TextArrived) and event.body not in BY_PHONES:
            account.texted_at = max(event.at, account.texted_at)
        if isinstance(event, MessageSent) and event.body.startswith("!transfer"):
            account.offered_at = self.now
        account.times |= isinstance(event, MessageSent) and event.body == "!agreed times 9-15"
        match event:
            case TextArrived(body=body) if body in STOPS:
                account.close()
                if not account.stop:
                    account.stop, account.confirmed = event.id, False
            case TextArrived(body=body) if body in STARTS:
                account.stop = ""
            case MessageSent(relation=Relation.EDIT, target=target):
                words = account.words.get(target)
                if words is not None and words.author == event.sender and words.held == "UNKNOWN":
                    words.held = ""
                elif words is not None and words.author == event.sender and account.unsafe:
                    words.open, words.held = False, ""
                elif words is not None and words.author == event.sender and (words.open or words.held):
                    if words.held:
                        account.say_again(target, event.at, self.now)
                    self._heard(owner, words, event)
            case MessageSent():
                words = account.words.setdefault(event.event_id, Words(author=event.sender, at=event.at))
                self._safety_move(owner, was, event)
                if event.sender == was.assignment.assignee and not account.stop and not account.unsafe:
                    self._heard(owner, words, event)
                    self._second_word(owner, was, event)
            case MessageRedacted(target=target):
                words = account.words.get(target)
                if words is not None and (words.author == event.sender or self._supervises(event.sender)):
                    words.open, words.held = False, ""
            case TextOutcome():
                words = account.words.get(event.ref.removeprefix("say:"))
                if words is not None and words.body in STEPS_BACK and event.outcome is Outcome.ACCEPTED:
                    account.close()  # what was said since is not for who has the phone
                if words is not None and event.outcome is Outcome.DELIVERED:
                    words.held = ""
                elif words is not None and words.author == assignee and event.outcome in (Outcome.LATE, Outcome.UNKNOWN):
                    words.held, words.held_at = event.outcome.name, self.now
            case MemberJoined(user=user) if user != assignee and self.desk.member(user) is not None:
                account.slow_until = self.now + 300
            case Assigned(how=AssignmentKind.CLAIMED):
                assert was.assignment.assignee is None, "somebody claimed a thread that had an advocate"
            case _:
                pass
        if assignee != was.assignment.assignee:
            account.turn += 1
            account.close()

    def _heard(self, owner: str, words: Words, event: MessageSent) -> None:
        edited = event.relation is Relation.EDIT
        body, canned = event.body, event.body in CANNED
        command, colon, own = body.partition(": ")
        marked = bool(colon) and (command.startswith("!say ") or (edited and command in EDITED))
        if canned:
            body = self.pack.say(CANNED[body], self.threads[owner].consent.language)
        elif marked:
            body = own
        to_the_phone = event.relation in (Relation.NONE, Relation.TEXTER_REPLY, Relation.EDIT)
        to_the_phone |= (canned or marked) and event.relation is Relation.OTHER_REPLY
        plain = event.content is Content.TEXT and not event.mentions and to_the_phone
        # A command that steps back because of another person never becomes other words by an edit, nor they it.
        plain &= not (edited and (words.body in STEPS_BACK) != (event.body in DIFFERENT))
        differs = event.differs and not canned
        words.open = plain and not differs and (body in WORDS or canned)
        words.held = "" if not plain else "LONG" if body == LONG else "WARNED" if body in WARNED or differs else ""
        words.held_at = self.now
        words.body, words.heard_at = body, self.now
        words.silence = 0.0 if body in STEPS_BACK else self.now - self.account[owner].texted_at
        words.undo = self._undo(owner, words.author)

    def _undo(self, owner: str, author: str) -> float:
        if self.now < self.account[owner].slow_until:
            return 20
        return 16 if self.spoke.get(author, owner) != owner else 8

    def _second_word(self, owner: str, was: Thread, event: MessageSent) -> None:
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
            if words.author == event.sender
            and words.held in SECOND[name]
            and event.target in ("", event_id)
            and words.held_at <= event.at
        }
        assert set(chosen) <= could, "a second word let leave what it must not"
        assert len(chosen) <= 1 or name == "again", "a second word let leave more than it may"
        assert chosen or not could or self._may_ask(owner), "a second word lets leave what it is about"
        for event_id in chosen:
            account.say_again(event_id, event.at, self.now)
            account.words[event_id].undo = self._undo(owner, event.sender)
        for held_text in self.threads[owner].sending.held:
            words = account.words[held_text.event_id]
            words.held_at = max(words.held_at, held_text.asked_at)
        if name == "long":
            # The doubt about length was confirmed; the one about the hour was not.
            for held_text in self.threads[owner].sending.held:
                if held_text.event_id in could and held_text.reason in (HeldReason.WARNED, HeldReason.UNPROMPTED):
                    account.words[held_text.event_id].held = "WARNED"

    def _may_ask(self, owner: str) -> bool:
        """Return whether words may be held here: the texter has been silent, or a colleague may be meant."""
        account = self.account[owner]
        silent = self.now - account.texted_at > 900 or account.times
        # An offer ends when its timer is decided about, which may be hours late.
        offered_at = max(account.offered_at, self.threads[owner].signs.offer_ended_at)
        return silent or account.hands or self.now - offered_at <= 600 + 300 + 30

    def _safety_move(self, owner: str, was: Thread, event: MessageSent) -> None:
        account, assignee = self.account[owner], event.sender == was.assignment.assignee
        if event.relation is Relation.THREAD or event.content is not Content.TEXT:
            return
        match event.body:
            case "!agreed unsafe later" if assignee:
                account.line = True
            case body if body in DIFFERENT and assignee:
                account.close()
                account.hands = True
            case "!safe" if (assignee or self._supervises(event.sender)) and event.at >= was.flags.other_hands_at:
                account.unsafe, account.chosen, account.hands = False, "", False
            case "!unsafe":
                if not account.unsafe:
                    account.close()
                    account.unsafe, account.chosen, account.hands = True, "", True
                before = account.words.get(account.chosen)
                out = before is not None and (before.open or account.chosen in account.left)
                if account.line and assignee and not account.stop and not (out and self._may_be_out(was, account.chosen)):
                    account.chosen = event.event_id
                    words = account.words[event.event_id]
                    words.open, words.body = True, self.pack.say(TextName.LATER, was.consent.language)
                    words.heard_at, words.undo = self.now, self._undo(owner, event.sender)

    def _may_be_out(self, was: Thread, event_id: str) -> bool:
        """Whether words may be on the phone, or come to it: nobody has taken them back, and they did not fail."""
        unsent = (DeliveryReceipt.NOT_SENT, DeliveryReceipt.RETRACTED, DeliveryReceipt.HELD)
        return self.receipts.get(event_id) not in unsent and not any(
            words.event_id == event_id and words.retracted for words in was.sending.sent
        )

    def _supervises(self, user: str) -> bool:
        seat = self.desk.member(user)
        return seat is not None and seat.role is Role.SUPERVISOR
