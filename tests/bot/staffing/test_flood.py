"""More new texters than people can look at, and machines that answer each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from bot.decide import decide
from bot.model import flood as model
from bot.model.actions import DESK, Action, EditMessage, PageOnCall, SendMessage
from bot.model.desk import Desk, Thread
from bot.model.events import Event, TimerDue
from bot.model.feature import Step
from bot.model.flood import CrowdEntry, Flood
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, ThreadActivity, ThreadMarked, ThreadQueued
from bot.model.transactional_actions import SetTimer
from tests.bot.examples import arrived, at, at_desk, of, staffed_desk, texts, then, told
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import ANA, NOW, with_settings

BEGINS: Final = 6
PACK: Final = with_settings(flood_begins=BEGINS)
"""The usual pack, with the base pack's limit."""


class DeskInFlood:
    """A desk, its timers and a clock: everything that is posted there and every page, with its time."""

    def __init__(self) -> None:
        self.desk, self.seconds = staffed_desk(), 0.0
        self.timers: dict[str, float] = {}
        self.posts: list[tuple[float, SendMessage | EditMessage]] = []
        self.pages: list[float] = []

    def take(self, event: Event) -> Step[Desk]:
        step = decide(PACK, at(self.seconds), self.desk, event)
        self.desk = step.aggregate
        for action in step.actions:
            self._do(action)
        return step

    def _do(self, action: Action) -> None:
        match action:
            case SetTimer():
                self.timers[action.key] = action.due
            case SendMessage() | EditMessage() if action.place == DESK:
                self.posts.append((self.seconds, action))
            case PageOnCall():
                self.pages.append(self.seconds)

    def come(self, count: int, *, every: float = 0.02, first: int = 0, **changed: object) -> None:
        """Let new texters come, one every so many seconds."""
        for n in range(first, first + count):
            self.pass_time(every)
            self.take(queued(n, since=NOW + self.seconds, **changed))

    def pass_time(self, seconds: float) -> None:
        """Let time pass; timers that are due become events, in their order."""
        until = self.seconds + seconds
        while due := [(when, key) for key, when in self.timers.items() if when <= NOW + until]:
            when, key = min(due)
            del self.timers[key]
            self.seconds = max(self.seconds, when - NOW)
            self.take(TimerDue(key=key))
        self.seconds = until

    def cards(self) -> list[str]:
        return [post.ref for _, post in self.posts if isinstance(post, SendMessage) and post.ref.startswith("card:")]

    def most_in_a_minute(self) -> int:
        times = [when for when, _ in self.posts]
        return max((sum(0 <= other - when < 60 for other in times) for when in times), default=0)


def queued(n: int, **changed: object) -> ThreadQueued:
    event = ThreadQueued(thread=f"f{n}", designation=f"word number{n}", since=NOW + n)
    return replace(event, **changed)  # type: ignore[arg-type] # fields of the event


def cards(actions: tuple[object, ...]) -> list[SendMessage]:
    """Return the cards among actions."""
    return [a for a in actions if isinstance(a, SendMessage) and a.ref.startswith("card:")]


def test_a_flood_is_one_card_and_nobody_is_lost() -> None:
    """A hundred new texters beyond the limit make one call and no card; all wait, and the longest waiting is claimed."""
    desk, loud = staffed_desk(), 0
    for n in range(100):
        step = then(desk, queued(n, rate_limited=True), at(n))
        desk = step.aggregate
        loud += len([a for a in of(SendMessage, step) if not a.notice])
        assert cards(step.actions) == []
    assert (loud, len(desk.flood.crowd)) == (1, 100)
    step = then(desk, at_desk("!claim"), at(200))
    assert [(entry.thread, entry.assignee) for entry in step.aggregate.threads] == [("f0", ANA)]
    assert len(step.aggregate.flood.crowd) == 99
    assert [card.ref for card in cards(step.actions)] == ["card:f0"]
    assert not [a for a in of(EditMessage, step) if a.ref.startswith("card:")], "an edit of a card that was never shown"


def test_ten_minutes_of_a_flood_are_ten_posts_a_minute_and_one_page() -> None:
    """Whatever the number: at most ten posts of any kind in any minute, one call outside in 15 minutes, one reminder."""
    world = DeskInFlood()
    world.come(1_200, every=0.5)
    assert world.most_in_a_minute() <= 10
    assert len(world.pages) <= 1
    assert len([post for _, post in world.posts if post.ref.endswith(":again")]) == 1
    assert len([post for _, post in world.posts if isinstance(post, SendMessage) and post.ref.startswith("flood:")]) == 2
    waiting = set(world.desk.flood.crowd) | {entry.thread for entry in world.desk.threads}
    assert waiting == {f"f{n}" for n in range(1_200)}


def test_it_begins_with_many_in_a_minute_and_ends_when_few_come_for_minutes() -> None:
    """Below the number everybody has a card; above it nobody new; after minutes with few, everybody again."""
    world = DeskInFlood()
    world.come(30, every=15)
    assert (len(world.cards()), world.desk.flood.active) == (30, False)
    world = DeskInFlood()
    world.come(BEGINS - 1, every=1)
    assert len(world.cards()) == BEGINS - 1
    world.come(1, first=BEGINS, every=1)
    assert (len(world.cards()), world.desk.flood.active) == (BEGINS - 1, True)
    # Three in a minute are too many for it to end, and would be too few for it to begin.
    world.come(40, first=100, every=20)
    assert world.desk.flood.active
    world.pass_time(60 + PACK.settings.flood_calm + 60)
    world.come(1, first=900, every=1)
    assert "card:f900" in world.cards()


def test_signs_of_danger_come_first_then_who_wrote_again() -> None:
    """At `!claim`, on the board, and for cards: danger, words that ask, a second text, then the longest waiting."""
    world = DeskInFlood()
    world.come(50)
    crowd = list(world.desk.flood.crowd)
    danger, asks, again, first = crowd[30], crowd[20], crowd[40], crowd[0]
    world.take(ThreadActivity(thread=again, at=NOW, inbound=True))
    world.take(AlarmRaised(designation=f"word number{asks[1:]}", alarm=AlarmKind.CALL))
    world.take(ThreadMarked(thread=danger, danger=True, language=""))
    assert [entry.thread for entry in world.desk.flood.first(4)] == [danger, asks, again, first]
    rows = [word.split(" ·")[0] for word in then_board(world)]
    named = [f"word number{thread[1:]}" for thread in (danger, asks, again, first)]
    crowded = [row for row in rows if row.removesuffix(" ⚠️") in {f"word number{thread[1:]}" for thread in crowd}]
    assert crowded[:4] == [f"{named[0]} ⚠️", *named[1:]]
    before = len(world.cards())
    world.desk = replace(world.desk, threads=())
    world.pass_time(120)
    assert world.cards()[before:] == [f"card:{danger}", f"card:{asks}", f"card:{again}"]


def then_board(world: DeskInFlood) -> list[str]:
    return of(SendMessage, decide(PACK, at(world.seconds), world.desk, at_desk("!board")))[0].body.splitlines()


def test_afterwards_everybody_gets_a_card_in_their_turn() -> None:
    """When it is over, cards come a few at a time, as long as few wait with one; at last the incident is closed."""
    world = DeskInFlood()
    world.come(20)
    world.pass_time(60 + PACK.settings.flood_calm + 600)
    assert not world.desk.flood.active
    waiting = [entry for entry in world.desk.waiting if entry.has_card]
    assert len(waiting) == PACK.settings.flood_cards
    for _ in range(40):
        world.desk = replace(world.desk, threads=())
        world.pass_time(60)
    assert world.desk.flood.crowd == {}
    assert world.desk.flood.card == ""
    assert sorted(world.cards()) == sorted(f"card:f{n}" for n in range(20))
    posts = [post for _, post in world.posts if post.ref.startswith("flood:")]
    assert "over" in posts[-1].body
    assert [post.reactions for post in posts[-2:]] == [("✋",), ()], (
        "a card that is posted again bears the hand, if it claims"
    )


def test_a_flood_is_not_greeted() -> None:
    """Who comes in a flood may be nobody: neither the first text nor a second one is answered by the machine."""
    new = Thread(id="t1", designation="amber heron")
    step = then(new, arrived("hi", rate_limited=True))
    assert texts(step) == []
    assert [e.rate_limited for e in told(step.actions, DESK) if isinstance(e, ThreadQueued)] == [True]
    second = then(step.aggregate, arrived("hi?", id="b"), at(6))
    assert texts(second) == []
    # The desk hears of the second text, however soon it comes.
    assert [e for e in told(second.actions, DESK) if isinstance(e, ThreadActivity)]
    assert not [
        e
        for e in told(then(second.aggregate, arrived("hi??", id="c"), at(7)).actions, DESK)
        if isinstance(e, ThreadActivity)
    ]


crowd_entries = st.builds(
    CrowdEntry,
    thread=st.uuids().map(str),
    designation=st.just("word number"),
    since=st.floats(min_value=NOW, max_value=NOW + 9),
    texts=st.integers(min_value=1, max_value=3),
    danger=st.booleans(),
    asks=st.booleans(),
    duress=st.booleans(),
    other_hands_at=st.sampled_from((0.0, NOW)),
)


@USUAL
@given(crowd=st.lists(crowd_entries, max_size=12), most=st.integers(min_value=0, max_value=12))
def test_nobody_in_danger_stands_behind_somebody_who_is_not(crowd: list[CrowdEntry], most: int) -> None:
    """The order holds for every crowd: nobody left out comes before a person who is named."""
    first = Flood(crowd={entry.thread: entry for entry in crowd}).first(most)
    others = [entry for entry in crowd if entry not in first]
    assert len(first) == min(most, len(crowd))
    assert not [1 for one in first for other in others if other.in_danger and not one.in_danger]
    plain = [entry for entry in first if not entry.stands_out]
    assert not plain or not [entry for entry in others if entry.stands_out]


@USUAL
@given(gaps=st.lists(st.floats(min_value=0, max_value=40), max_size=40), begins=st.integers(min_value=2, max_value=8))
def test_a_flood_is_so_many_within_a_minute_and_nothing_else(gaps: list[float], begins: int) -> None:
    """Whatever the times: it begins exactly when so many lie within the minute before the last one."""
    now, arrivals, every = NOW, tuple[float, ...](), list[float]()
    for gap in gaps:
        now += gap
        every.append(now)
        arrivals = (*model.recent(arrivals, now), now)
        assert model.is_flooding(arrivals, now, begins=begins) == (sum(now - at_ < 60 for at_ in every) >= begins)
        assert len(arrivals) <= len(every)
