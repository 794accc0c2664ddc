"""A claimed thread is not forgotten: people are called to texts that its assignee has not read, until somebody acts."""

from __future__ import annotations

import pytest

from bot.model.actions import DESK, PageOnCall, SendMessage
from bot.model.desk import Thread
from bot.model.events import MemberJoined, MessageRead, TimerDue
from bot.model.transactional_actions import SetTimer
from tests.bot.examples import alarms, arrived, at, held, of, said, texts, then, waiting
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, NOW, OWNERS, PACK, SUE
from tests.every_row import every_row

T1 = OWNERS[0]
FIRST, AGAIN = PACK.settings.unclaimed_on_call, PACK.settings.unclaimed_again
UNREAD = "has not been read yet"


def unread() -> Thread:
    """Return a thread with a text that its assignee has not read."""
    thread: Thread = then(held(), arrived("are you there?", id="u")).aggregate
    return thread


def due(thread: Thread) -> list[str]:
    """Return the alarms that the timer raises."""
    return alarms(then(thread, TimerDue(key="unread"), at(FIRST)))


@pytest.mark.practice(30)
@pytest.mark.parametrize("comes", [True, False])
def test_whoever_claims_and_does_not_read_is_not_the_last_who_hears(comes: bool) -> None:
    """After ten minutes the assignee and supervisors are called, after twenty the person on call too, then each hour."""
    world = Simulation(PACK, threads=1)
    world.text(T1, "hi, are you there?")
    world.settle()
    world.tap(DESK, ANA, "✋", f"card:{T1}")
    world.settle()
    if comes:
        world.join(T1, ANA)
        world.settle()
    start, calls = world.now, []
    for _ in range(100):
        posts, pages = len(world.rooms), world.pages
        world.pass_time(60)
        world.settle()
        new = [(room, post) for room, post in world.rooms[posts:] if isinstance(post, SendMessage) and post.mentions]
        if new:
            who = [(room == DESK, set(post.mentions)) for room, post in new]
            calls.append((world.now - start, who, world.pages - pages))
    both = [(False, {ANA}), (True, {SUE})]
    assert calls == [(FIRST, both, 0), (2 * FIRST, both, 1), (2 * FIRST + AGAIN, both, 1)]


def test_whoever_has_read_is_not_called() -> None:
    """A receipt, or anything that the assignee says, ends it; what another person reads does not."""
    assert due(unread()) == ["unread"]
    for sign in (MessageRead(place="thread", user=ANA, event_id="$r"), said("// yes", at=NOW + 1)):
        assert due(then(unread(), sign, at(1)).aggregate) == []
    for other in (MessageRead(place="thread", user=BEN, event_id="$r"), MemberJoined(place="thread", user=SUE)):
        assert due(then(unread(), other, at(1)).aggregate) == ["unread"]
    assert due(waiting()) == [], "for whoever waits, the desk calls"


def test_a_receipt_for_an_earlier_text_does_not_count_for_a_later_one() -> None:
    """It crossed the later one: the assignee is called to that one, ten minutes after the receipt."""
    receipt = MessageRead(place="thread", user=ANA, event_id="$first")
    thread = then(unread(), arrived("he is back", id="b", seconds=1), at(1)).aggregate
    step = then(thread, receipt, at(2, texts_after=1))
    assert step.aggregate.lifecycle.unseen == 1
    assert [(timer.key, timer.due) for timer in of(SetTimer, step)] == [("unread", NOW + 2 + FIRST)]
    assert due(step.aggregate) == ["unread"]
    all_read = then(step.aggregate, receipt, at(3))
    assert (all_read.aggregate.lifecycle.unseen, of(SetTimer, all_read), due(all_read.aggregate)) == (0, [], [])
    assert then(unread(), receipt, at(1, texts_after=9)).aggregate.lifecycle.unseen == 1


@pytest.mark.practice(30)
@every_row("is_read", [True, False])
@every_row("body", ["please help he is outside", "", "BYE"])
def test_a_text_after_a_stop_is_called_for(body: str, is_read: bool) -> None:
    """Whether the STOP was read or not: whoever texts once more may be in trouble. The phone notices nothing of it."""
    thread = then(held(), arrived("STOP", id="s", seconds=9), at(9)).aggregate
    if is_read:
        thread = then(thread, MessageRead(place="thread", user=ANA, event_id="$r"), at(10)).aggregate
    thread = then(thread, arrived(body, id="h", seconds=60), at(60)).aggregate
    step = then(thread, TimerDue(key="unread"), at(60 + FIRST))
    assert (alarms(step), texts(step)) == (["unread"], [])
    stopped_again = then(thread, arrived("STOP", id="s2", seconds=90), at(90)).aggregate
    assert due(stopped_again) == [], "a STOP needs nobody"


def test_nobody_is_called_over_a_closing_or_a_stop() -> None:
    """While it closes, and after a STOP, it is only looked at again later."""
    closing = then(then(held(), said("!close")).aggregate, arrived("thank you!", id="u", seconds=9), at(9)).aggregate
    after_stop = then(unread(), arrived("STOP", id="s", seconds=9), at(9)).aggregate
    for thread in (closing, after_stop):
        step = then(thread, TimerDue(key="unread"), at(FIRST))
        assert (alarms(step), [post for post in of(SendMessage, step) if UNREAD in post.body]) == ([], [])
        (timer,) = of(SetTimer, step)
        assert timer.key == "unread"
        assert timer.due <= NOW + 2 * FIRST, "a text that takes it back, or a START, does not wait for an hour"
        assert of(PageOnCall, step) == []
