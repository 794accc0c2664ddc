"""No texter is forgotten: while nobody acts, people are called to each text again and again, and no unread text is erased.

Rules of this module: which texts a person has seen is worked out here from what people did, never read from the code. A
STOP needs no person, nor does a text before it; one after it does. A word that leaves, or thanks alone, needs none either,
but may be shown to one.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from bot.model.actions import DESK, THREAD, Action, EditMessage, SendMessage, SendSms
from bot.model.desk import Desk, Thread
from bot.model.events import (
    Event,
    MemberJoined,
    MemberLeft,
    MessageRead,
    MessageSent,
    Outcome,
    PowerLevelsChanged,
    TextArrived,
    TimerDue,
)
from bot.model.thread import ThreadState
from policies.pack import AssignmentMode
from tests.bot.expectations import Expectations
from tests.bot.hypothesis_settings import WALK
from tests.bot.simulation import Simulation
from tests.bot.strategies import BEN, OWNERS, STAFF, SUE, with_settings

AGAIN, IDLE = 1_800, 2_400
CLOSES = ("close", "idle")
NEEDS_NOBODY = ("bye", "thanks")
ANSWER = "I am here. Are you safe?"
BODIES = ("hi, are you there?", "he is back, what do I do?", "he has a knife", "HELP", *NEEDS_NOBODY)

owners, staff = st.sampled_from(OWNERS), st.sampled_from(STAFF)
talks = st.sampled_from(OWNERS[:2])


class Line(Simulation):
    """A line whose people are called. What it says to phones is left to the other walks."""

    def _note(self, owner: str, was: Thread, event: Event) -> None:
        """Keep no account of words."""

    def _check_thread(self, owner: str, was: Thread, event: Event, actions: tuple[Action, ...]) -> None:
        """Leave words to the other walks."""

    def _check_desk(self, before: Desk, event: Event, actions: tuple[Action, ...]) -> None:
        """Leave assignments to the other walks, which have no flood."""

    def _check_leaving(self, account: Expectations, turn: int, text: SendSms) -> None:
        """Leave texts to the other walks."""

    def _show(self, room: str, action: SendMessage | EditMessage) -> None:
        """Record a message, and leave cards and boards to the other walks."""
        self.rooms.append((room, action))


class Forgotten(RuleBasedStateMachine):
    """Three texters, a desk, and everything by which a text may come to lie where nobody looks."""

    def __init__(self, assignment: AssignmentMode = AssignmentMode.NONE) -> None:
        super().__init__()
        changed = {"cap": 2, "idle": IDLE, "unclaimed_again": AGAIN, "flood_begins": 3, "assignment": assignment}
        self.line = Line(with_settings(**changed), threads=3)
        self.unseen: dict[str, list[float]] = {owner: [] for owner in OWNERS}

    def settle(self) -> None:
        """Decide all, and check that no conversation was erased over a text that nobody has seen."""
        self.line.settle()
        self.line.agree()
        for owner, unseen in self.unseen.items():
            parked = self.line.threads[owner].lifecycle.state is ThreadState.PARKED
            assert not (parked and unseen), "a text that nobody has seen is erased"

    def run(self, seconds: float) -> None:
        """Let time pass from one timer to the next. The board's are left out: it rings nobody."""
        line, until = self.line, self.line.now + seconds
        while True:
            line.timers = {key: due for key, due in line.timers.items() if key[1] != "board"}
            due = min(line.timers.values(), default=until + 1)
            if due > until:
                break
            line.pass_time(max(0.0, due - line.now))
            self.settle()
        line.now = until

    def assignee(self, owner: str) -> str | None:
        return self.line.threads[owner].assignment.assignee

    def saw(self, owner: str, at: float) -> None:
        """Note that a person saw what came until then."""
        self.unseen[owner] = [came for came in self.unseen[owner] if came > at]

    def comes(self, owner: str, body: str, *, rate_limited: bool = False) -> None:
        """Let a text come, and note whether a person must see it."""
        line = self.line
        line.tell(owner, TextArrived(id=line.new_id(), body=body, at=line.now, rate_limited=rate_limited))
        if body == "STOP":
            self.unseen[owner] = []
        elif body not in NEEDS_NOBODY:
            self.unseen[owner].append(line.now)

    def says(self, owner: str, sender: str, body: str, *, lag: float = 0.0) -> None:
        """Let a person write in a thread's room; what they had read is what came before it."""
        line = self.line
        if sender == self.assignee(owner):
            self.saw(owner, line.now - lag)
        event_id = line.new_id()
        line.tell(owner, MessageSent(place=THREAD, sender=sender, event_id=event_id, body=body, at=line.now - lag))

    @initialize(assignees=st.sampled_from(((BEN, BEN), (BEN, SUE), (BEN, None), (None, None))))
    def a_morning(self, assignees: tuple[str | None, ...]) -> None:
        """Most walks begin with texters who have an assignee already."""
        for owner, user in zip(OWNERS[:2], assignees, strict=True):
            if user is not None:
                self.a_text(owner, BODIES[0], limited=False)
                self.a_claim(owner, user, accepts=True)
                self.a_receipt(owner)

    @rule(owner=owners, body=st.sampled_from((*BODIES, *BODIES, "STOP")), limited=st.sampled_from((False, False, True)))
    def a_text(self, owner: str, body: str, limited: bool) -> None:
        self.comes(owner, body, rate_limited=limited)
        self.settle()

    @rule(owner=owners, user=staff, accepts=st.booleans())
    def a_claim(self, owner: str, user: str, accepts: bool) -> None:
        self.line.tap(DESK, user, "✋", f"card:{owner}")
        self.settle()
        if accepts:
            self.line.join(owner, user)
            self.settle()

    @rule(
        owner=talks,
        crossed=st.booleans(),
        lag=st.sampled_from((0.0, 3.0)),
        reads=st.booleans(),
        body=st.sampled_from((ANSWER, ANSWER, "!different")),
    )
    def an_answer(self, owner: str, crossed: bool, lag: float, reads: bool, body: str) -> None:
        """Answer, or step back, perhaps while the next text is on its way, and leave it at that."""
        if (user := self.assignee(owner)) is None:
            return
        if lag:
            self.comes(owner, BODIES[0])
        self.line.now += lag / 2
        self.says(owner, user, body, lag=lag)
        self.settle()
        if crossed:
            self.run(4)
            self.comes(owner, BODIES[0])
        self.run(20)
        while self.line.account[owner].lane:
            self.line.attempt(owner, Outcome.ACCEPTED)
        self.settle()
        if reads:
            self.a_receipt(owner)

    @rule(owner=owners)
    def a_receipt(self, owner: str) -> None:
        if (user := self.assignee(owner)) is not None:
            self.line.tell(owner, MessageRead(place=THREAD, user=user, event_id="$r"))
            self.saw(owner, self.line.now)
            self.settle()

    @rule(owner=talks, by=st.sampled_from(("", SUE)), body=st.sampled_from(("!close", "!reopen")))
    def a_close(self, owner: str, by: str, body: str) -> None:
        user = by or self.assignee(owner)
        if user is None:
            return
        self.says(owner, user, body)
        self.saw(owner, self.line.now)
        self.settle()

    @rule(owner=talks, body=st.sampled_from(("!close", "!unsafe", "!different")))
    def a_close_that_crosses_a_text(self, owner: str, body: str) -> None:
        if (user := self.assignee(owner)) is not None:
            self.comes(owner, BODIES[1])
            self.line.settle()
            self.line.now += 1
            self.says(owner, user, body, lag=2)
            self.settle()

    @rule(
        owner=owners,
        by=st.sampled_from(("", "", SUE, BEN)),
        body=st.sampled_from(
            (
                f"!transfer {BEN}",
                "!transfer all",
                "!accept",
                "!decline",
                "!release",
                "!release queue",
                "!take",
                "!speak",
                "!off",
            )
        ),
    )
    def a_hand_over(self, owner: str, by: str, body: str) -> None:
        if (user := by or self.assignee(owner)) is not None:
            self.says(owner, user, body)
            self.settle()

    @rule(owner=owners, user=staff, joins=st.booleans())
    def a_move(self, owner: str, user: str, joins: bool) -> None:
        (self.line.join if joins else self.line.leave)(owner, user)
        self.settle()

    @rule(user=staff, how=st.sampled_from(("!off", "!on", "leaves", "comes")))
    def a_shift(self, user: str, how: str) -> None:
        line = self.line
        match how:
            case "leaves":
                line.tell(DESK, MemberLeft(place=DESK, user=user))
            case "comes":
                line.tell(DESK, MemberJoined(place=DESK, user=user))
                line.tell(DESK, PowerLevelsChanged(users=((SUE, 50),)))
            case _:
                line.say(DESK, user, how)
        self.settle()

    @rule(seconds=st.sampled_from((30, 130, 310, 620, 1_300, IDLE + 60)))
    def time(self, seconds: float) -> None:
        self.run(seconds)

    @rule(owner=owners, key=st.sampled_from(CLOSES), body=st.sampled_from(BODIES), text_first=st.booleans())
    def a_text_at_the_end(self, owner: str, key: str, body: str, text_first: bool) -> None:
        """Let a text come in the same instant as the timer that ends the conversation, before it or behind it."""
        due = self.line.timers.get((owner, key))
        if due is None:
            return
        self.run(max(0.0, due - self.line.now - 0.5))
        if (owner, key) not in self.line.timers:
            return
        self.line.now += 0.5
        del self.line.timers[owner, key]
        if text_first:
            self.comes(owner, body)
        self.line.tell(owner, TimerDue(key=key))
        if not text_first:
            self.comes(owner, body)
        self.settle()

    def teardown(self) -> None:
        """Nobody acts any more: whoever has texted is called for again, here and outside, however long that lasts."""
        self.settle()
        self.run(4_500)
        for _ in range(2):
            posts, pages = len(self.line.rooms), self.line.pages
            self.run(AGAIN + 900 + 60)
            rung = [post.body for _, post in self.line.rooms[posts:] if isinstance(post, SendMessage) and post.mentions]
            for owner, unseen in self.unseen.items():
                if not unseen:
                    continue
                assert self.line.pages > pages, "nobody is called outside"
                name = self.line.threads[owner].designation
                on_duty = any(seat.on_duty for seat in self.line.desk.roster)
                assert not on_duty or any(name in body for body in rung), "nobody on duty is called"


class ForgottenUnasked(Forgotten):
    """The same on a line that assigns threads unasked."""

    def __init__(self) -> None:
        super().__init__(AssignmentMode.LEAST_LOADED)


TestForgotten = Forgotten.TestCase
TestForgotten.settings = settings(WALK, max_examples=max(WALK.max_examples // 2, 50), stateful_step_count=30)
TestForgotten.__doc__ = "No order of events leaves a text where nobody is called to it."
TestForgottenUnasked = ForgottenUnasked.TestCase
TestForgottenUnasked.settings = settings(WALK, max_examples=max(WALK.max_examples // 4, 25), stateful_step_count=30)
TestForgottenUnasked.__doc__ = "Nor on a line that assigns threads unasked."
