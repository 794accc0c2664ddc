"""More new texters than people can look at, and machines that answer each other."""

from __future__ import annotations

from dataclasses import replace

from bot.model.actions import DESK, EditMessage, SendMessage
from bot.model.desk import Desk, Thread
from bot.model.events import Outcome, TextArrived, TimerDue
from bot.model.thread_desk_events import ThreadQueued
from bot.model.transactional_actions import SetTimer
from tests.bot.examples import arrived, at, at_desk, of, staffed_desk, texts, then, told
from tests.bot.simulation import Simulation
from tests.bot.strategies import NOW, OWNERS, with_settings


def flooded(count: int) -> Desk:
    """Return a desk after that many new texters beyond the limit, a second apart."""
    desk = staffed_desk()
    for n in range(count):
        event = ThreadQueued(thread=f"f{n}", designation=f"word number{n}", since=NOW + n, rate_limited=True)
        desk = then(desk, event, at(n)).aggregate
    return desk


def cards(actions: tuple[object, ...]) -> list[SendMessage]:
    """Return the cards among actions."""
    return [a for a in actions if isinstance(a, SendMessage) and a.ref.startswith("card:")]


def test_a_flood_is_told_once_and_nobody_is_lost() -> None:
    """A hundred new texters beyond the limit make one alarm and no card; all wait, and the longest waiting is claimed."""
    desk, loud = staffed_desk(), 0
    for n in range(100):
        event = ThreadQueued(thread=f"f{n}", designation=f"word number{n}", since=NOW + n, rate_limited=True)
        step = then(desk, event, at(n))
        desk = step.aggregate
        loud += len([a for a in of(SendMessage, step) if not a.notice])
        assert cards(step.actions) == []
    assert (loud, len(desk.waiting)) == (1, 100)
    step = then(desk, at_desk("!claim"), at(200))
    assert step.aggregate.threads[0].assignee is not None
    assert [card.ref for card in cards(step.actions)] == ["card:f0"]
    assert not [a for a in of(EditMessage, step) if a.ref.startswith("card:")], "an edit of a card that was never shown"


def test_cards_come_as_fast_as_the_line_allows() -> None:
    """Each minute the longest waiting get their cards and reminders, as many as the pack says, until all have one."""
    pack, desk, seen = with_settings(new_threads_per_minute=30), flooded(70), []
    for minute in range(1, 4):
        from bot.decide import decide

        step = decide(pack, at(100 + 60 * minute), desk, TimerDue(key="flood"))
        desk, shown = step.aggregate, cards(step.actions)
        seen += [card.ref for card in shown]
        again = [a for a in of(SetTimer, step) if a.key == "flood"]
        assert (len(shown), len(again)) == ((30, 1), (30, 1), (10, 0))[minute - 1]
        assert all("waiting" in card.body for card in shown)
        assert len([a for a in of(SetTimer, step) if a.key.startswith("wait:")]) == len(shown)
    assert seen == [f"card:f{n}" for n in range(70)]


def test_a_flood_is_not_greeted() -> None:
    """Who comes in a flood may be nobody: neither the first text nor a second one is answered by the machine."""
    new = Thread(id="t1", designation="amber heron")
    step = then(new, arrived("hi", rate_limited=True))
    assert texts(step) == []
    assert [e.rate_limited for e in told(step.actions, DESK) if isinstance(e, ThreadQueued)] == [True]
    assert texts(then(step.aggregate, arrived("hi?", id="b"), at(60))) == []


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
    desk = flooded(1)
    step = then(desk, replace(ThreadQueued(thread="f0", designation="word number0", since=NOW), requeued=True), at(60))
    assert len(cards(step.actions)) == 1
    assert not TextArrived(id="a", body="", at=NOW).rate_limited


def test_the_board_says_how_long_somebody_from_a_flood_has_been_here() -> None:
    """Their line begins when they came, like any other."""
    assert [(line.opened_at, line.last_activity) for line in flooded(2).threads] == [(NOW, NOW), (NOW + 1, NOW + 1)]


def test_a_sign_of_danger_is_shown_in_a_flood_as_well() -> None:
    """Who waits without a card under a sign of danger, or in another language, is marked on the board and comes first."""
    desk = staffed_desk()
    for n, danger in enumerate((False, True)):
        event = ThreadQueued(thread=f"f{n}", designation=f"word number{n}", since=NOW + n, rate_limited=True)
        desk = then(desk, replace(event, danger=danger, language="es" if danger else ""), at(n)).aggregate
    assert [(entry.thread, entry.danger, entry.language) for entry in desk.waiting] == [
        ("f1", True, "es"),
        ("f0", False, ""),
    ]
