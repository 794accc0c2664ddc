"""Giving threads away unasked: to whom, for how long, and what happens when nobody answers."""

from __future__ import annotations

import pytest

from bot.model.actions import DESK, SendMessage
from policies.pack import AssignmentMode, Pack
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, OWNERS, PACK, SUE, with_settings
from tests.every_row import every_row

T1, T2, _ = OWNERS
FIRST = with_settings(assignment=AssignmentMode.FIRST, cap=2)
LEAST = with_settings(assignment=AssignmentMode.LEAST_LOADED, cap=2)
ANSWER = PACK.settings.assignment_answer


def assignees(pack: Pack, texts: tuple[str, ...], *, off: tuple[str, ...] = ()) -> list[str | None]:
    """Return who gets threads that come one after the other."""
    world = Simulation(pack, threads=3)
    for user in off:
        world.say(DESK, user, "!off")
    world.settle()
    for owner in texts:
        world.text(owner, "hi")
        world.settle()
    return [world.assignee(owner) for owner in texts]


@pytest.mark.parametrize(
    ("pack", "off", "expected"),
    [
        (PACK, (), [None, None, None]),
        (FIRST, (), [ANA, ANA, BEN]),
        (FIRST, (ANA,), [BEN, BEN, None]),
        (LEAST, (), [ANA, BEN, ANA]),
        (LEAST, (ANA, BEN), [None, None, None]),
    ],
    ids=["none", "first", "first, one off", "least-loaded", "only a supervisor"],
)
def test_who_gets_a_thread(pack: Pack, off: tuple[str, ...], expected: list[str | None]) -> None:
    """Nobody by default; the first on duty under the cap, or whoever has the fewest; advocates, not supervisors."""
    assert assignees(pack, OWNERS, off=off) == expected


def given() -> Simulation:
    """Return a line on which Ana was just given a thread."""
    world = Simulation(FIRST, threads=2)
    world.text(T1, "hi")
    world.settle()
    return world


def test_whoever_gets_one_is_called_by_name() -> None:
    """The desk shows the card, then calls that one person; the thread invites them."""
    world = given()
    called = [post for room, post in world.rooms if room == DESK and isinstance(post, SendMessage) and post.mentions]
    assert [(post.mentions, post.notice) for post in called] == [((ANA,), False)]
    assert "amber heron is yours" in called[0].body
    assert ANA in world.account[T1].invited


SIGNS = {
    "words in the room": lambda w: w.say(T1, ANA, "// here"),
    "an answer": lambda w: w.say(T1, ANA, "ok"),
    "coming in": lambda w: w.join(T1, ANA),
    "a tap in the room": lambda w: w.tap(T1, ANA, "👍", "card"),
    "words at the desk": lambda w: w.say(DESK, ANA, "on my way"),
    "a tap at the desk": lambda w: w.tap(DESK, ANA, "👍", f"given:{T1}"),
}


@every_row("sign", SIGNS)
def test_any_sign_of_life_keeps_it(sign: str) -> None:
    """Whoever says or taps anything, or comes in, keeps the thread; nothing is taken back later."""
    world = given()
    world.pass_time(ANSWER - 1)
    SIGNS[sign](world)
    world.settle()
    for _ in range(5):
        world.pass_time(ANSWER)
        assert world.assignee(T1) == ANA
    assert not [line for line in world.desk.threads if line.auto_assigned]


def test_without_a_sign_the_next_gets_it_and_then_nobody() -> None:
    """It goes back to the queue and to the next; when they do not answer either it waits for a hand, and is called out."""
    world = given()
    world.pass_time(ANSWER)
    assert world.assignee(T1) == BEN
    assert "amber heron · waiting again" in world.seen(DESK)
    world.pass_time(ANSWER)
    assert world.assignee(T1) is None
    world.pass_time(FIRST.settings.unclaimed_on_duty)
    world.settle()
    assert "still waiting" in world.seen(DESK)
    world.say(DESK, SUE, "!claim")
    assert world.assignee(T1) == SUE


def test_whoever_comes_gets_what_waits() -> None:
    """With nobody there a thread waits; the first who says `!on` is given it."""
    world = Simulation(FIRST, threads=1)
    for user in (ANA, BEN):
        world.say(DESK, user, "!off")
    world.settle()
    world.text(T1, "hi")
    assert world.assignee(T1) is None
    world.say(DESK, BEN, "!on")
    assert world.assignee(T1) == BEN
