"""A walk through everything that texter, staff, carrier and clock can do to a line, in any order."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from bot.model.actions import DESK, OFFICE, THREAD, DeliveryReceipt
from bot.model.events import (
    Content,
    Event,
    IdentityChanged,
    IgnoreReason,
    MemberJoined,
    MemberLeft,
    MessageIgnored,
    MessageRedacted,
    MessageSent,
    Outcome,
    PowerLevelsChanged,
    ReactionAdded,
    Relation,
    TextArrived,
    TextOutcome,
)
from bot.model.line_incidents import ClockJumped, DeadLetterRecorded
from tests.bot.hypothesis_settings import WALK
from tests.bot.simulation import Simulation
from tests.bot.strategies import (
    ANA,
    BEN,
    DOUBTS,
    EVE,
    EVENTS,
    LEAKS,
    LONG,
    NAMED,
    NOTES,
    OWNERS,
    SECOND,
    STAFF,
    STARTS,
    STOPS,
    SUE,
    TEXTER_WORDS,
    WORDS,
    people,
    with_settings,
)

owners = st.sampled_from(OWNERS[:2])
lags = st.sampled_from((0.0, 0.0, 0.0, 10.0, 290.0, 301.0))
texter_words = st.sampled_from(TEXTER_WORDS) | st.sampled_from((*TEXTER_WORDS, *STOPS, *STARTS))
bodies = st.sampled_from(
    (*WORDS, *WORDS, *NOTES, *LEAKS, *DOUBTS, "!say handover", "!say handover: ok", "!limits", "!limits: ok", "!limits ok")
)
thread_commands = st.sampled_from(
    (
        *(f"!transfer {who}" for who in (ANA, BEN, SUE, EVE, "all", "all quiet", "nobody")),
        *("!accept", "!accept", "!decline", "!escalate", f"!with {BEN}", f"!with {ANA} interpreter"),
        *("!take", "!take", "!speak", "!speak", "!listen", "!release", "!release"),
        *("!say handover", "!say handover: // no", f"!say handover: {DOUBTS[1]}", "!say handover no", "!say something"),
        *("!recap", "!debrief", "!status", "!help", "!more"),
        *("!unsafe", "!unsafe", "!safe", "!safe", "!safe", "!agreed unsafe later", "!agreed times 9-15", "!lang es"),
        *("!different", "!different it is him", "!urgent", "!urgent 911", "!tips iphone", "!safecheck", "!playbook minor"),
    )
)
desk_commands = st.sampled_from(
    (
        *("!claim", f"!claim {NAMED[0]}", f"!claim {NAMED[1]}", "!board", "!help"),
        *("!outage", "!outage over"),
        *("!on", "!on", "!off", f"!trust {BEN}", f"!devices {BEN}", "!devices", f"!listen {NAMED[0]}"),
    )
)
manners: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    (
        *({},) * 5,
        {"relation": Relation.TEXTER_REPLY},
        {"relation": Relation.OTHER_REPLY},
        {"relation": Relation.THREAD},
        {"content": Content.FILE},
        {"mentions": True},
        {"differs": True},
    )
)
ASSIGNEE = "whoever is the advocate"
speakers = st.sampled_from((ASSIGNEE, ASSIGNEE, ASSIGNEE, ASSIGNEE, *STAFF, EVE))
editors = st.sampled_from((None, None, None, *STAFF, EVE))
at_the_desk = st.one_of(
    *(EVENTS[kind] for kind in (ClockJumped, IdentityChanged, DeadLetterRecorded, PowerLevelsChanged, MessageIgnored))
)
carriers = st.sampled_from((Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.REJECTED, Outcome.OPTED_OUT, None))


class Line(RuleBasedStateMachine):
    """Two threads and a desk whose cap is one thread, so that it is met. The world checks; these are the moves."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation(with_settings(cap=1))
        self.said: list[tuple[str, str, str]] = []

    @initialize(assignees=st.sampled_from(((ANA, BEN), (ANA, SUE), (BEN, None), (None, None))), greeted=st.booleans())
    def a_morning(self, assignees: tuple[str | None, ...], greeted: bool) -> None:
        """Most walks begin with texters who have an assignee already: the way there is walked by the others."""
        for owner, assignee in zip(OWNERS[:2], assignees, strict=True):
            self.a_text(owner, TEXTER_WORDS[0], 0.0)
            self.world.settle()
            if assignee is not None:
                self.a_hand(owner, assignee)
                self.world.settle()
                self.world.join(owner, assignee)
                self.world.settle()
                if greeted:
                    self.world.attempt(owner, Outcome.ACCEPTED)

    @rule(owner=owners, body=texter_words, lag=lags, media=st.sampled_from((0, 0, 0, 1)))
    def a_text(self, owner: str, body: str, lag: float, media: int = 0) -> None:
        world = self.world
        world.tell(owner, TextArrived(id=world.new_id(), body=body, at=world.now - lag, media=media))
        world.work(owner)

    @rule(owner=owners, sender=speakers, body=bodies, manner=manners, lag=lags, heard=st.sampled_from((True, True, False)))
    def words(self, owner: str, sender: str, body: str, manner: dict[str, Any], lag: float, heard: bool) -> None:
        world = self.world
        sender = (world.threads[owner].assignment.assignee or ANA) if sender == ASSIGNEE else sender
        event_id = world.new_id()
        self.said.append((owner, event_id, sender))
        at = world.now - lag
        manner = {} if body == LONG and "differs" in manner else manner  # two second words for one message
        world.tell(owner, MessageSent(place=THREAD, sender=sender, event_id=event_id, body=body, at=at, **manner))
        if heard:
            world.work(owner)

    @rule(owner=owners, body=st.sampled_from(WORDS), wait=st.sampled_from((7.0, 8.0, 8.0, 20.0)), outcome=carriers)
    def an_answer(self, owner: str, body: str, wait: float, outcome: Outcome | None) -> None:
        """Do in one move what happens most on a real line."""
        self.words(owner, ASSIGNEE, body, {}, lag=0.0, heard=True)
        self.world.pass_time(wait)
        self.world.work(owner)
        self.world.attempt(owner, outcome)

    @rule(owner=owners, other=editors, body=bodies, redacts=st.booleans(), wait=st.sampled_from((1.0, 5.0, 9.0)))
    def second_thoughts(self, owner: str, other: str | None, body: str, redacts: bool, wait: float) -> None:
        """Say words and change or take them back, or let another person try to, within the window or just after it."""
        self.words(owner, ASSIGNEE, WORDS[0], {}, lag=0.0, heard=True)
        self.world.pass_time(wait)
        if redacts:
            self.a_redaction(0, other)
        else:
            self.an_edit(0, body, other)
        self.world.settle()
        self.world.pass_time(9.0 - wait)
        self.world.settle()

    @rule(owner=owners, sender=st.sampled_from((ASSIGNEE, *STAFF)), body=thread_commands, heard=st.booleans())
    def a_command(self, owner: str, sender: str, body: str, heard: bool) -> None:
        self.words(owner, sender, body, {}, lag=0.0, heard=heard)

    @rule(
        owner=owners,
        doubt=st.sampled_from(DOUBTS),
        name=st.sampled_from(tuple(SECOND)),
        by=speakers,
        reply=st.booleans(),
        lag=st.sampled_from((0.0, 0.0, 0.0, 10.0)),
    )
    def a_second_word(self, owner: str, doubt: str, name: str, by: str, reply: bool, lag: float) -> None:
        """Say what is held, and a second word after it, or just before: perhaps the wrong one, perhaps another person."""
        self.words(owner, ASSIGNEE, doubt, {}, lag=0.0, heard=True)
        self.world.settle()
        manner = {"relation": Relation.OTHER_REPLY, "target": self.said[-1][1]} if reply else {}
        self.words(owner, by, f"!{name}", manner, lag=lag, heard=True)

    @precondition(lambda self: self.said)
    @rule(which=st.integers(min_value=0, max_value=3), name=st.sampled_from(tuple(SECOND)), reply=st.booleans())
    def a_word_about_earlier_ones(self, which: int, name: str, reply: bool) -> None:
        owner, target, author = self.said[-1 - which % len(self.said)]
        manner = {"relation": Relation.OTHER_REPLY, "target": target} if reply else {}
        self.words(owner, author, f"!{name}", manner, lag=0.0, heard=True)

    @rule(
        owner=owners,
        to=st.sampled_from((*STAFF, "all")),
        by=st.sampled_from((ASSIGNEE, ASSIGNEE, SUE)),
        answer=st.sampled_from(("✅", "✅", "❌", "✋", "!accept", "!decline", "leaves", "waits")),
        settled=st.booleans(),
    )
    def a_handover(self, owner: str, to: str, by: str, answer: str, settled: bool) -> None:
        """Offer a thread and take it or not, at once or while others decide."""
        world = self.world
        self.words(owner, by, f"!transfer {to}", {}, lag=0.0, heard=True)
        if settled:
            world.settle()
        who = BEN if to == "all" else to
        match answer:
            case "✅" | "❌":
                self.a_tap(owner, who, answer, trusted=True)
            case "✋":
                self.a_hand(owner, who)
            case "leaves":
                world.leave(owner, who)
            case "waits":
                world.pass_time(601.0)
            case _:
                self.words(owner, who, answer, {}, lag=0.0, heard=settled)
        if settled:
            world.settle()

    @rule(
        owner=owners,
        by=speakers,
        line=st.booleans(),
        wait=st.sampled_from((0.0, 8.0, 20.0)),
        safe=st.sampled_from((None, 0.0, 0.0, 30.0)),
    )
    def a_taken_phone(self, owner: str, by: str, line: bool, wait: float, safe: float | None) -> None:
        """Words are on their way, a person sees that the phone is in other hands; perhaps it is safe again later.

        `safe`: how old `!safe` is when it is heard.
        """
        world = self.world
        if line:
            self.words(owner, ASSIGNEE, "!agreed unsafe later", {}, lag=0.0, heard=True)
        self.words(owner, ASSIGNEE, WORDS[0], {}, lag=0.0, heard=True)
        world.pass_time(wait)
        world.settle()
        self.words(owner, by, "!unsafe", {}, lag=0.0, heard=True)
        world.attempt(owner, Outcome.ACCEPTED)
        self.a_text(owner, TEXTER_WORDS[0], 0.0)
        world.pass_time(20.0)
        world.settle()
        world.attempt(owner, Outcome.ACCEPTED)
        if safe is not None:
            self.words(owner, ASSIGNEE, "!safe", {}, lag=safe, heard=True)

    @rule(owner=owners, sender=people, key=st.sampled_from(("✅", "❌", "✋")), trusted=st.booleans())
    def a_tap(self, owner: str, sender: str, key: str, trusted: bool) -> None:
        event_id = self.world.new_id()
        tapped = ReactionAdded(place=THREAD, sender=sender, event_id=event_id, key=key, target="offer", trusted=trusted)
        self.world.tell(owner, tapped)

    @rule(owner=owners, bodies=st.lists(st.sampled_from((STOPS[0], STARTS[0])), min_size=2, max_size=3))
    def keywords_in_a_row(self, owner: str, bodies: list[str]) -> None:
        for body in bodies:
            self.a_text(owner, body, 0.0)

    @rule(owner=owners, user=st.sampled_from(STAFF))
    def a_visitor(self, owner: str, user: str) -> None:
        self.world.account[owner].invited.add(user)
        self.world.join(owner, user)

    @precondition(lambda self: self.said)
    @rule(which=st.integers(min_value=0, max_value=2), body=bodies, other=editors)
    def an_edit(self, which: int, body: str, other: str | None) -> None:
        owner, event_id, author = self.said[-1 - which % len(self.said)]
        self.world.tell(
            owner,
            MessageSent(
                place=THREAD,
                sender=other or author,
                event_id=self.world.new_id(),
                body=body,
                at=self.world.now,
                relation=Relation.EDIT,
                target=event_id,
            ),
        )

    @precondition(lambda self: self.said)
    @rule(which=st.integers(min_value=0, max_value=2), other=editors)
    def a_redaction(self, which: int, other: str | None) -> None:
        owner, event_id, author = self.said[-1 - which % len(self.said)]
        self.world.tell(owner, MessageRedacted(place=THREAD, sender=other or author, target=event_id))

    @rule(owner=owners, sender=people)
    def a_hand(self, owner: str, sender: str) -> None:
        card = f"card:{owner}"
        event_id = self.world.new_id()
        self.world.tell(
            DESK, ReactionAdded(place=DESK, sender=sender, event_id=event_id, key="✋", target=card, trusted=True)
        )

    @rule(sender=people, body=desk_commands | st.sampled_from(WORDS), office=st.sampled_from((False, False, False, True)))
    def a_word_at_the_desk(self, sender: str, body: str, office: bool) -> None:
        event_id = self.world.new_id()
        place = OFFICE + sender if office else DESK
        self.world.tell(DESK, MessageSent(place=place, sender=sender, event_id=event_id, body=body, at=self.world.now))

    @rule(owner=owners, sender=st.sampled_from(STAFF), off=st.booleans(), settled=st.booleans())
    def a_claim_of_the_next(self, owner: str, sender: str, off: bool, settled: bool) -> None:
        """Ask for whoever comes next, and let a thread come back, perhaps after going off duty."""
        self.a_word_at_the_desk(sender, "!claim", office=False)
        if off:
            self.a_word_at_the_desk(sender, "!off", office=False)
        self.words(owner, ASSIGNEE, "!release", {}, lag=0.0, heard=True)
        if settled:
            self.world.settle()

    @rule(owner=owners, user=people)
    def acceptance(self, owner: str, user: str) -> None:
        self.world.join(owner, user)

    @rule(owner=owners, user=people)
    def departure(self, owner: str, user: str) -> None:
        self.world.leave(owner, user)

    @rule(user=st.sampled_from(STAFF), comes=st.booleans())
    def a_shift(self, user: str, comes: bool) -> None:
        self.world.tell(DESK, MemberJoined(place=DESK, user=user) if comes else MemberLeft(place=DESK, user=user))

    @rule(event=at_the_desk)
    def an_incident(self, event: Event) -> None:
        self.world.tell(DESK, event)

    @rule(owner=owners, sender=people)
    def an_unreadable_message(self, owner: str, sender: str) -> None:
        event_id = self.world.new_id()
        self.world.tell(
            owner, MessageIgnored(place=THREAD, sender=sender, event_id=event_id, reason=IgnoreReason.UNREADABLE)
        )

    @rule(seconds=st.sampled_from((0.5, 5.0, 8.0, 8.0, 20.0, 60.0, 299.0, 301.0, 13 * 3600.0)))
    def time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(owner=owners, outcome=carriers)
    def the_carrier(self, owner: str, outcome: Outcome | None) -> None:
        self.world.attempt(owner, outcome)

    @rule(
        owner=owners,
        which=st.integers(min_value=0, max_value=2),
        outcome=st.sampled_from((Outcome.DELIVERED, Outcome.FAILED)),
    )
    def a_report(self, owner: str, which: int, outcome: Outcome) -> None:
        accepted = self.world.account[owner].accepted
        if not accepted:
            return
        text = accepted[-1 - which % len(accepted)]
        words = self.world.account[owner].words.get(text.ref.removeprefix("say:"))
        # Whoever says words again has given up waiting for a report about the first time.
        if words is None or (words.times == 1 and not words.open):
            self.world.tell(owner, TextOutcome(ref=text.ref, outcome=outcome))

    @rule(owner=st.sampled_from((*OWNERS[:2], DESK)))
    def one_decision(self, owner: str) -> None:
        self.world.work(owner)

    @rule()
    def all_decisions(self) -> None:
        self.world.settle()
        self.world.agree()

    def teardown(self) -> None:
        """In the end everybody agrees, and nothing is left in an undo window or without its last receipt."""
        world = self.world
        world.settle()
        world.agree()
        for _ in range(30):
            world.pass_time(21)
            world.settle()
            for owner, account in world.account.items():
                while account.lane:
                    world.attempt(owner, Outcome.ACCEPTED)
            world.settle()
        assert not [thread for thread in world.threads.values() if thread.sending.pending]
        assert DeliveryReceipt.LEAVING not in world.receipts.values()
        assert not [thread for thread in world.threads.values() if thread.assignment.offer], "an offer stands for ever"
        assert not [room for room, _ in world.answers if room.startswith("office:")], "an answer does not disappear"
        if world.desk.roster:
            shown = world.shown[DESK, "board"]
            assert [line.designation for line in world.desk.waiting if line.designation not in shown] == []
            assert f"Queue: {len(world.desk.waiting)}\n" in shown


TestLine = Line.TestCase
TestLine.settings = WALK
# A walk that fails is made shorter for up to five minutes before it is shown.
TestLine.pytestmark = pytest.mark.timeout(400)  # type: ignore[attr-defined] # pytest reads it, unittest does not know it
TestLine.__doc__ = 'No order of events makes the line break an invariant (ARCHITECTURE.md, "Invariants").'
