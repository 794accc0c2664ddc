"""More new texters than people can look at, and machines that answer each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from bot.decide import decide
from bot.model import flood as model
from bot.model.actions import DESK, Action, EditMessage, PageOnCall, SendMessage
from bot.model.desk import Desk, QueueEntry, Thread
from bot.model.events import Event, Outcome, ReactionAdded, TextArrived, TimerDue
from bot.model.feature import Step
from bot.model.flood import CrowdEntry, Flood
from bot.model.thread_desk_events import (
    AlarmKind,
    AlarmRaised,
    Assigned,
    OtherHandsChanged,
    ThreadActivity,
    ThreadMarked,
    ThreadParked,
    ThreadQueued,
)
from bot.model.transactional_actions import SetTimer
from bot.staffing.flood import ASKING, QUIET
from policies.pack import TextName
from tests.bot.examples import arrived, at, at_desk, of, staffed_desk, texts, then, told
from tests.bot.hypothesis_settings import USUAL
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, NOW, OWNERS, SUE, with_settings
from tests.every_row import every_row

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


def flooded(count: int) -> Desk:
    """Return a desk after that many new texters whom the screening found to be too many, a second apart."""
    desk = staffed_desk()
    for n in range(count):
        desk = then(desk, queued(n, rate_limited=True), at(n)).aggregate
    return desk


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


def test_dangers_in_a_flood_stay_within_ten_posts_a_minute() -> None:
    """Also where every text after the first few may be a sign of danger, and everybody says words that are alarms."""
    world = DeskInFlood()
    world.come(BEGINS)
    for n in range(BEGINS, 600):
        world.come(1, every=0.5, first=n, danger=True)
        world.take(AlarmRaised(designation=f"word number{n}", alarm=(*ASKING, *QUIET)[n % len((*ASKING, *QUIET))]))
        world.take(ThreadActivity(thread=f"f{n}", at=NOW + world.seconds, inbound=True))
    assert world.most_in_a_minute() <= 10
    assert 1 <= len(world.cards()) <= BEGINS + PACK.settings.flood_cards
    assert len(world.pages) <= 1


def test_danger_is_called_for_again_during_a_flood() -> None:
    """A flood that lasts for hours has one reminder; a waiting thread with a sign of danger keeps its own."""
    for danger in (True, False):
        world = DeskInFlood()
        world.take(queued(0, danger=danger))
        world.come(400, every=1.5, first=1)
        again = [post for _, post in world.posts if isinstance(post, SendMessage) and post.ref.startswith("wait:f0:")]
        reminders = [post for post in again if "new" not in post.ref]
        assert len(reminders) == (3 if danger else 0)
        assert all(post.mentions for post in reminders)


def test_a_page_is_at_most_one_in_a_quarter_of_an_hour() -> None:
    """For as long as it lasts: an hour of it, at a desk where nobody is on duty, pages four or five times."""
    world = DeskInFlood()
    for user in [member.user for member in world.desk.roster]:
        world.take(at_desk("!off", sender=user))
    world.come(1_000, every=3.6)
    assert 4 <= len(world.pages) <= 5
    assert all(later - before > 899.9 for before, later in zip(world.pages, world.pages[1:], strict=False))


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


def test_a_claim_takes_a_danger_from_the_crowd_before_a_card_without_one() -> None:
    """And a card with one before the crowd; a name reaches anybody."""
    desk = flooded(5)
    plain = QueueEntry(thread="t1", designation="amber heron", since=NOW - 100)
    desk = replace(desk, threads=(plain,))
    assert _claimed(then(desk, at_desk("!claim"), at(10))) == ["t1"]
    marked = then(desk, ThreadMarked(thread="f3", danger=True, language=""), at(10)).aggregate
    assert _claimed(then(marked, at_desk("!claim"), at(11))) == ["f3"]
    both = replace(marked, threads=(replace(plain, danger=True),))
    assert _claimed(then(both, at_desk("!claim"), at(11))) == ["t1"]
    assert _claimed(then(marked, at_desk("!claim word number4"), at(11))) == ["f4"]
    card = next(
        a for a in of(SendMessage, then(staffed_desk(), queued(0, rate_limited=True))) if a.ref.startswith("flood:")
    )
    tap = ReactionAdded(place=DESK, sender=SUE, event_id="$t", key="✋", target=card.ref, trusted=True)
    assert _claimed(then(flooded(5), tap, at(11))) == ["f0"]


def test_a_refused_claim_leaves_the_crowd_as_it_is() -> None:
    """Who has as many as they may have, or is off duty, takes nobody out of it."""
    desk = flooded(5)
    full = tuple(
        QueueEntry(thread=f"o{n}", designation=f"own number{n}", since=NOW, assignee=ANA) for n in range(PACK.settings.cap)
    )
    desk = replace(desk, threads=full)
    for words in ("!claim", "!claim word number3"):
        step = then(desk, at_desk(words), at(10))
        assert (step.aggregate.threads, step.aggregate.flood) == (full, desk.flood)
        assert "open, which is the most" in of(SendMessage, step)[0].body


def test_news_of_the_crowd_are_no_posts() -> None:
    """What a thread without a card tells the desk is noted; nothing of it is a message, and what ended is forgotten."""
    desk = flooded(3)
    news: tuple[Event, ...] = (
        ThreadActivity(thread="f1", at=NOW, inbound=True),
        ThreadMarked(thread="f1", danger=True, language="es"),
        OtherHandsChanged(thread="f1", other_hands_at=NOW),
        *(AlarmRaised(designation="word number1", alarm=alarm) for alarm in (*ASKING, *QUIET)),
    )
    for event in news:
        step = then(desk, event, at(5))
        desk = step.aggregate
        assert not [a for a in of(SendMessage, step) if a.place == DESK]
    entry = desk.flood.crowd.get("f1")
    assert entry is not None
    assert (entry.texts, entry.danger, entry.language, entry.other_hands_at, entry.asks) == (2, True, "es", NOW, True)
    assert then(desk, ThreadParked(thread="f1"), at(6)).aggregate.flood.crowd.get("f1") is None


def test_who_asks_what_this_is_stays_in_their_place_in_the_crowd() -> None:
    """INFO from a person without a card is no cry for help, no danger and no message at the desk."""
    desk = flooded(3)
    step = then(desk, AlarmRaised(designation="word number1", alarm=AlarmKind.INFO), at(5))
    assert step.aggregate.flood.crowd == desk.flood.crowd
    assert of(SendMessage, step) == []


def test_duress_is_heard_from_the_crowd() -> None:
    """A known phone under duress is an alarm of its own, and comes first."""
    step = then(flooded(3), AlarmRaised(designation="word number1", alarm=AlarmKind.DURESS), at(5))
    assert "DURESS" in "".join(a.body for a in of(SendMessage, step))
    assert of(PageOnCall, step)
    assert step.aggregate.flood.first(1)[0].thread == "f1"


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


def test_who_waited_without_a_card_in_an_older_version_is_in_the_crowd() -> None:
    """A desk from before this version is taken over at the first look, and its incident is told."""
    old = tuple(
        QueueEntry(thread=f"f{n}", designation=f"word number{n}", since=NOW, has_card=False, danger=n == 3)
        for n in range(9)
    )
    step = then(replace(staffed_desk(), threads=old), TimerDue(key="flood"), at(10))
    assert (step.aggregate.threads, len(step.aggregate.flood.crowd)) == ((), 9)
    assert [a.ref for a in of(SendMessage, step) if a.ref.startswith("flood:")]
    assert _claimed(then(step.aggregate, at_desk("!claim"), at(11))) == ["f3"]


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


FIRST_TEXTS = ("hi", "HELP", "911", "INFO", "CALL", "BYE", "LATER", "stop texting me", "Liked “hi”", "I'm driving", "")


@every_row("first", FIRST_TEXTS)
@every_row(("body", "media", "seconds"), [("hello?", 0, 6), ("ES", 0, 6), ("", 1, 6), ("hello?", 0, 50_000)])
def test_a_flood_is_not_answered_whatever_its_first_text_says(first: str, body: str, media: int, seconds: float) -> None:
    """A keyword, a plea and what a phone sends by itself begin a flood's conversation too; and a picture gets no text."""
    step = then(Thread(id="t1", designation="amber heron"), arrived(first, rate_limited=True, media=int(not first)))
    assert texts(step) == []
    second = then(step.aggregate, arrived(body, id="b", media=media, seconds=seconds), at(seconds))
    assert texts(second) == []


def test_once_a_person_has_them_a_texter_from_a_flood_is_like_any_other() -> None:
    """A picture is answered then."""
    thread = then(Thread(id="t1", designation="amber heron"), arrived("hi", rate_limited=True)).aggregate
    thread = then(thread, Assigned(assignee=ANA), at(9)).aggregate
    step = then(thread, arrived("", id="b", media=1, seconds=20), at(20))
    assert texts(step) == [PACK.say(TextName.PICTURE)]


def test_two_machines_that_answer_each_other_stop() -> None:
    """A machine that answers each of our texts at once, in whatever language, hears each greeting once in half a day."""
    world = Simulation(with_settings(), threads=1)
    owner = OWNERS[0]
    account = world.account[owner]
    world.text(owner, "Your message is important to us. ES")
    for n in range(200):
        world.settle()
        before = len(account.phone)
        world.attempt(owner, Outcome.ACCEPTED)
        if len(account.phone) == before:
            break
        world.text(owner, ("Reply 1 for sales", "EN", "ES", "Thank you!")[n % 4])
        world.pass_time(1)
    assert len(account.phone) <= 2


def test_the_first_text_alone_carries_the_flood() -> None:
    """A thread that waits again after an assignee has its card at once."""
    desk = then(flooded(1), at_desk("!claim"), at(30)).aggregate
    step = then(desk, queued(0, requeued=True), at(60))
    assert len(cards(step.actions)) == 1
    assert not TextArrived(id="a", body="", at=NOW).rate_limited


def _claimed(step: Step[Desk]) -> list[str]:
    return [entry.thread for entry in step.aggregate.threads if entry.assignee is not None]


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
@given(crowd=st.lists(crowd_entries, max_size=12), before=st.floats(min_value=NOW, max_value=NOW + 9))
def test_the_rest_never_has_somebody_who_stands_out(crowd: list[CrowdEntry], before: float) -> None:
    """Who shows danger, asks, wrote again or came after the question is none of the rest; everybody else is."""
    rest = model.rest_of(Flood(crowd={entry.thread: entry for entry in crowd}), before)
    others = [entry for entry in crowd if entry not in rest]
    assert all(entry.texts == 1 and not (entry.danger or entry.duress or entry.asks) for entry in rest)
    assert all(not entry.other_hands_at and entry.since <= before for entry in rest)
    assert all(entry.stands_out or entry.since > before for entry in others)


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


@USUAL
@given(came=st.lists(st.integers(min_value=0, max_value=9), max_size=30), ends=st.integers(1, 5))
def test_it_is_calm_since_the_last_look_with_few(came: list[int], ends: int) -> None:
    """It is calm exactly since the first of the looks, up to now, before each of which few came."""
    since = 0.0
    for n, count in enumerate(came):
        since = model.calm_since(since, NOW + n, came=count, ends=ends)
    busy = [n for n, count in enumerate(came) if count > ends]
    calm = len(came) - 1 - (busy[-1] if busy else -1)
    assert bool(since) == bool(calm)
    assert not calm or since == NOW + len(came) - calm
