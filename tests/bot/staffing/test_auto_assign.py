"""Giving threads away unasked: to whom, for how long, and what happens when nobody answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, SendMessage
from bot.model.thread_desk_events import AssigneePresent
from policies.pack import AssignmentMode, Pack
from tests.bot.examples import held, said, then, told
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, NOW, OWNERS, PACK, SUE, with_settings
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


@pytest.mark.parametrize("sign", ["// ben's note", "!status"])
def test_the_sign_of_somebody_else_is_none(sign: str) -> None:
    """What others say in the room or at the desk keeps nobody's thread."""
    world = given()
    world.say(T1, BEN, sign)
    world.say(DESK, BEN, "hello")
    world.settle()
    world.pass_time(ANSWER)
    assert world.assignee(T1) == BEN, "the next one gets it"


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


def test_whoever_did_not_answer_gets_no_other() -> None:
    """An empty chair is not given the next thread; a word at the desk ends that."""
    world = given()
    world.pass_time(ANSWER)
    world.settle()
    world.say(DESK, BEN, "here")
    world.settle()
    world.text(T2, "hi")
    assert world.assignee(T2) == BEN
    world.say(T2, BEN, "!release")
    world.settle()
    assert world.assignee(T2) is None, "Ana is away, and Ben has had it"
    world.say(DESK, ANA, "sorry, I am here")
    assert world.assignee(T2) == ANA


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


def test_a_claim_by_hand_asks_for_no_sign() -> None:
    """Whoever claims, or is handed a thread, is not watched; it is not taken back from them."""
    world = given()
    world.say(DESK, ANA, "here")
    world.settle()
    world.say(T1, ANA, f"!transfer {BEN}")
    world.settle()
    world.say(T1, BEN, "!accept")
    assert world.assignee(T1) == BEN
    world.pass_time(10 * ANSWER)
    assert world.assignee(T1) == BEN


def test_a_sign_that_crosses_the_clock() -> None:
    """Words that are decided upon before the timer that was due already keep the thread."""
    world = given()
    world.say(T1, ANA, "ok")
    world.pass_time(ANSWER)
    assert world.assignee(T1) == ANA


def test_taken_back_after_it_went_on() -> None:
    """When a supervisor took the assignee meanwhile, nothing is taken back from them."""
    world = given()
    world.account[T1].invited.add(SUE)
    world.join(T1, SUE)
    world.say(T1, SUE, "!take")
    world.settle()
    world.pass_time(2 * ANSWER)
    assert world.assignee(T1) == SUE


@pytest.mark.parametrize("body", ["!status", "!transfer nobody", "!stauts"])
def test_a_command_shows_that_somebody_is_there(body: str) -> None:
    """Whoever got a thread unasked and says a command in its room has shown themselves, done or refused."""
    thread = held()
    thread = replace(thread, assignment=replace(thread.assignment, answer_by=NOW + ANSWER))
    step = then(thread, said(body))
    assert step.aggregate.assignment.answer_by == 0
    assert AssigneePresent(thread=thread.id, user=ANA) in told(step.actions, DESK)
