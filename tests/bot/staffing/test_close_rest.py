"""`!close-rest`: who wrote once is closed unread, after a question and an undo time; nobody who stands out ever is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.model.actions import DESK, SendMessage, SendSms
from bot.model.desk import Desk, Thread
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import ThreadActivity, ThreadMarked, ThreadParked, ThreadQueued, UnreadClosed
from bot.model.transactional_actions import EraseTexter, ParkThread, SendEvent, SetTimer
from bot.staffing.close_rest import AT_ONCE
from tests.bot.examples import arrived, at, at_desk, of, staffed_desk, then, told
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import ANA, NOW, PACK, SUE

UNDO = PACK.settings.close_undo


def crowd(count: int, *, danger: int = -1, again: int = -1) -> Desk:
    """Return a desk with so many who wait without a card; one may show a sign of danger, one may have texted again."""
    desk = staffed_desk()
    for n in range(count):
        event = ThreadQueued(
            thread=f"f{n}", designation=f"word number{n}", since=NOW + n, rate_limited=True, danger=n == danger
        )
        desk = then(desk, event, at(n)).aggregate
    done: Step[Desk] = then(desk, ThreadActivity(thread=f"f{again}", at=NOW, inbound=True), at(count))
    return done.aggregate


def say(desk: Desk, words: str, seconds: float, sender: str = SUE) -> Step[Desk]:
    return then(desk, at_desk(words, sender=sender), at(seconds))


def body(step: Step[Desk]) -> str:
    return next(post.body for post in of(SendMessage, step) if post.ref.startswith("answer:"))


def closed_threads(step: Step[Desk]) -> list[str]:
    return [a.owner for a in of(SendEvent, step) if isinstance(a.event, UnreadClosed)]


def confirmed(desk: Desk) -> Desk:
    """Return the desk after the question at 100 s and the yes at 110 s."""
    return say(say(desk, "!close-rest", 100).aggregate, "!close-rest yes", 110).aggregate


def test_it_says_how_many_and_closes_nothing_before_a_yes() -> None:
    """The question names the number that would be closed and the number that stays; without a yes nothing happens."""
    step = say(crowd(20, danger=3, again=5), "!close-rest", 100)
    assert "18 wait" in body(step)
    assert "2 others" in body(step)
    assert closed_threads(step) == []
    assert not [a for a in of(SetTimer, step) if a.key == "close-rest"]
    later = then(step.aggregate, TimerDue(key="close-rest"), at(100 + UNDO))
    assert closed_threads(later) == []


def test_after_the_undo_time_the_rest_is_closed_and_who_stands_out_stays() -> None:
    """Who showed danger, wrote again, came later or was claimed meanwhile stays; all others are closed, and counted."""
    desk = confirmed(crowd(20, danger=3, again=5))
    assert closed_threads(then(desk, TimerDue(key="close-rest"), at(109 + UNDO))) == []
    desk = then(desk, ThreadMarked(thread="f7", danger=True, language=""), at(200)).aggregate
    desk = then(desk, ThreadActivity(thread="f8", at=NOW + 201, inbound=True), at(201)).aggregate
    late = ThreadQueued(thread="late", designation="late number", since=NOW + 202, rate_limited=True)
    desk = then(desk, late, at(202)).aggregate
    desk = say(desk, "!claim word number9", 203, ANA).aggregate
    step = then(desk, TimerDue(key="close-rest"), at(110 + UNDO))
    stays = {"f3", "f5", "f7", "f8", "f9", "late"}
    assert closed_threads(step) == [f"f{n}" for n in range(20) if f"f{n}" not in stays]
    desk = step.aggregate
    for thread in closed_threads(step):
        desk = then(desk, ThreadParked(thread=thread), at(111 + UNDO)).aggregate
    done = then(desk, TimerDue(key="close-rest"), at(112 + UNDO))
    assert "15 conversations are closed" in of(SendMessage, done)[0].body
    assert set(done.aggregate.flood.crowd) == stays - {"f9"}
    assert done.aggregate.flood.closing is None


def test_it_can_be_taken_back_until_it_is_done() -> None:
    """`!close-rest no` within the undo time leaves everybody, and after a part it leaves the others."""
    desk = confirmed(crowd(AT_ONCE + 10))
    back = say(desk, "!close-rest no", 120)
    assert "Closed already: 0." in body(back)
    assert closed_threads(then(back.aggregate, TimerDue(key="close-rest"), at(110 + UNDO))) == []
    part = then(desk, TimerDue(key="close-rest"), at(110 + UNDO))
    assert len(closed_threads(part)) == AT_ONCE
    back = say(part.aggregate, "!close-rest no", 111 + UNDO)
    assert f"Closed already: {AT_ONCE}." in body(back)
    assert closed_threads(then(back.aggregate, TimerDue(key="close-rest"), at(112 + UNDO))) == []


def fresh(**changed: Any) -> Thread:
    """Return a thread that wrote once, in a flood, and waits."""
    step: Step[Thread] = then(Thread(id="t1", designation="amber heron"), arrived("hi", rate_limited=True))
    return replace(step.aggregate, **changed)


CLOSE = UnreadClosed(designation="amber heron")


def test_a_thread_is_parked_without_a_word_to_the_phone() -> None:
    """It is parked as after `!close`: its number stays sealed for the usual time, and the desk forgets it."""
    step = then(fresh(), CLOSE, at(60))
    assert step.aggregate.lifecycle.state is ThreadState.PARKED
    assert (len(of(ParkThread, step)), of(EraseTexter, step), of(SendSms, step)) == (1, [], [])
    assert [a.due for a in of(SetTimer, step) if a.key == "end"] == [NOW + 60 + PACK.settings.grace]
    assert [event for event in told(step.actions, DESK) if isinstance(event, ThreadParked)]


@USUAL
@given(count=st.integers(min_value=1, max_value=12), dangers=st.sets(st.integers(0, 11)), again=st.sets(st.integers(0, 11)))
def test_danger_is_never_among_those_who_are_closed(count: int, dangers: set[int], again: set[int]) -> None:
    """For every crowd: who is told to close is exactly who wrote once without a sign of danger."""
    desk = crowd(count)
    for n in sorted(dangers & set(range(count))):
        desk = then(desk, ThreadMarked(thread=f"f{n}", danger=True, language=""), at(50)).aggregate
    for n in sorted(again & set(range(count))):
        desk = then(desk, ThreadActivity(thread=f"f{n}", at=NOW, inbound=True), at(51)).aggregate
    step = then(confirmed(desk), TimerDue(key="close-rest"), at(110 + UNDO))
    assert closed_threads(step) == [f"f{n}" for n in range(count) if n not in dangers | again]
