"""A replayed shift: how much the policy bot says, and whom it rings."""

from __future__ import annotations

from typing import Final

from bot.model.actions import DESK, Action, EditMessage, SendMessage, SendSms, Speaker
from bot.model.desk import Thread
from bot.model.events import Event, MemberJoined, Outcome
from bridge.matrix.api.message_body import message_content
from tests.bot.expectations import Expectations
from tests.bot.push_rules import Push, push
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, PACK, SUE

OFF: Final = "@off:line.example"
BATCHES: Final = 5
ROUNDS: Final = 5
ADVOCATES: Final = (ANA, BEN, SUE)
NAMES: Final = (
    "alder",
    "birch",
    "cedar",
    "dogwood",
    "elder",
    "fir",
    "gorse",
    "hazel",
    "iris",
    "juniper",
    "kapok",
    "larch",
    "maple",
    "nettle",
    "oak",
)
LAST: Final = {1: "STOP", 4: "can't talk", 7: "HELP", 9: "he has a knife", 12: "ok thanks"}
"""With what some of the fifteen end, by their number."""


class Shift(Simulation):
    """Fifteen texters in batches of three, each with six texts and five answers, and what advocates say beside them."""

    def __init__(self) -> None:
        super().__init__(PACK, threads=0)
        self.texts = 0
        self.tell(DESK, MemberJoined(place=DESK, user=OFF))
        self.say(DESK, OFF, "!off")
        self.settle()
        self.before = len(self.rooms)
        for number in range(BATCHES * len(ADVOCATES)):
            owner = f"s{number}"
            self.threads[owner] = Thread(id=owner, designation=f"{NAMES[number]} pond")
            self.account[owner] = Expectations()

    def _note(self, owner: str, was: Thread, event: Event) -> None:
        """Keep no account: this shift is about what is said to staff."""

    def _check_thread(self, owner: str, was: Thread, event: Event, actions: tuple[Action, ...]) -> None:
        """Leave that to the walks."""

    def _check_leaving(self, account: Expectations, turn: int, text: SendSms) -> None:
        """Leave that to the walks."""

    def arrives(self, owner: str, body: str) -> None:
        self.texts += 1
        self.text(owner, body)
        self.settle()
        self.leaves(owner)

    def leaves(self, owner: str) -> None:
        while self.account[owner].lane:
            self.texts += 1
            self.attempt(owner, Outcome.ACCEPTED)
            self.settle()

    def answers_with(self, owner: str, advocate: str, body: str) -> None:
        self.say(owner, advocate, body)
        self.settle()
        self.pass_time(21)
        self.settle()
        self.leaves(owner)

    def batch(self, numbers: range) -> None:
        with_whom = dict(zip((f"s{number}" for number in numbers), ADVOCATES, strict=True))
        for owner, advocate in with_whom.items():
            self.arrives(owner, "hi, are you there?")
            self.pass_time(20)
            self.tap(DESK, advocate, "✋", f"card:{owner}")
            self.settle()
            self.join(owner, advocate)
            self.settle()
        for turn in range(ROUNDS):
            for owner, advocate in with_whom.items():
                self.answers_with(owner, advocate, "!limits" if turn == 1 else f"I am here, take your time {turn}")
                number = int(owner.removeprefix("s"))
                last = LAST.get(number) if turn == ROUNDS - 1 else None
                self.arrives(owner, last or f"it was like that again today {turn}")
        for owner, advocate in with_whom.items():
            self.say(owner, advocate, "!close")
            self.settle()
        self.pass_time(700)
        self.settle()
        # What is parked has no designation, and no room.
        for owner in with_whom:
            del self.threads[owner]


def test_a_shift_of_fifteen_threads_is_quiet() -> None:
    """At the desk at most one post of the policy bot per four texts, in a thread at most three; nobody off duty is rung."""
    shift = Shift()
    for batch in range(BATCHES):
        shift.batch(range(batch * 3, batch * 3 + 3))
    shown = shift.rooms[shift.before :]
    posts = [(room, post) for room, post in shown if isinstance(post, SendMessage)]
    ours = [(room, post) for room, post in posts if post.speaker is Speaker.POLICY]
    desk = [post for room, post in ours if room == DESK]
    rooms = [post for room, post in ours if room.startswith("s")]
    fresh = [room for room, edit in shown if isinstance(edit, EditMessage) and edit.fresh]
    assert (len(desk) + fresh.count(DESK)) * 4 <= shift.texts
    assert len(rooms) + sum(room.startswith("s") for room in fresh) <= 3 * BATCHES * len(ADVOCATES)
    assert not [post for _, post in posts if push(message_content(post), OFF) is Push.RING]
    assert [post for post in desk if push(message_content(post), ANA) is Push.RING], "people on duty are called"
