"""Who is heard when everybody acts: the desk and the thread together, turn by turn and in any order."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from bot.model.actions import DESK, DeliveryReceipt, Origin
from bot.model.events import MemberLeft, Outcome
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, OWNERS, PACK, SUE
from tests.every_row import every_row

T1 = OWNERS[0]

TURNS: list[tuple[list[tuple[str, str]], str | None]] = [
    ([(ANA, f"!transfer {BEN}"), (BEN, "!accept")], BEN),
    ([(ANA, f"!transfer {BEN}"), (BEN, "!decline")], ANA),
    ([(ANA, f"!transfer {BEN}"), (ANA, "!transfer nobody"), (BEN, "!accept")], ANA),
    ([(ANA, f"!transfer {BEN}"), (ANA, f"!transfer {SUE}"), (BEN, "!accept")], ANA),
    ([(ANA, f"!transfer {BEN}"), (ANA, f"!transfer {SUE}"), (SUE, "!accept")], SUE),
    ([(SUE, f"!transfer {BEN}"), (BEN, "!accept")], BEN),
    ([(SUE, "!take")], SUE),
    ([(SUE, "!take"), (ANA, "!speak")], ANA),
    ([(SUE, "!take"), (SUE, "!listen")], ANA),
    ([(SUE, "!take"), (SUE, "!release")], ANA),
    ([(SUE, "!take"), (ANA, "!release")], SUE),
    ([(SUE, "!take"), (BEN, "!speak")], SUE),
    ([(SUE, "!take"), (ANA, "!speak"), (SUE, "!take")], SUE),
    ([(SUE, "!take"), (SUE, "!release"), (ANA, "!release")], None),
    ([(SUE, "!take"), (SUE, f"!transfer {BEN}"), (BEN, "!accept")], BEN),
    ([(SUE, "!take"), (SUE, f"!transfer {BEN}"), (BEN, "!accept"), (ANA, "!speak")], BEN),
    ([(ANA, f"!transfer {BEN}"), (SUE, "!take"), (BEN, "!accept")], SUE),
    ([(ANA, f"!transfer {BEN}"), (BEN, "!accept"), (SUE, "!take"), (SUE, "!release")], BEN),
    ([(ANA, "!release")], None),
    ([(ANA, "!release"), (SUE, "!take")], SUE),
    ([(ANA, "!listen")], ANA),
    ([(BEN, "!release")], ANA),
    ([(BEN, "!take")], ANA),
]


@every_row(("turns", "assignee"), TURNS)
def test_turns(turns: list[tuple[str, str]], assignee: str | None) -> None:
    """After each turn there is one assignee on which desk and thread agree; only that person's words leave."""
    world = full_room()
    for sender, body in turns:
        world.say(T1, sender, body)
        world.assignee(T1)
    assert world.assignee(T1) == assignee
    for sender in (ANA, BEN, SUE):
        world.say(T1, sender, "ok")
        world.say(T1, sender, "!anyway")  # beside an offer words are asked about
    world.settle()
    world.pass_time(21)
    world.settle()
    heard = [text for _, text in world.account[T1].lane]
    assert len(heard) == (assignee is not None)


def full_room() -> Simulation:
    """Return a line with one thread whose assignee is Ana, and everybody in its room."""
    return _full_room().copy()


@cache
def _full_room() -> Simulation:
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    for user in (BEN, SUE):
        world.account[T1].invited.add(user)
        world.join(T1, user)
    world.settle()
    return world


MOVES: dict[str, Any] = {
    "transfer": lambda world: world.say(T1, ANA, f"!transfer {BEN}"),
    "to all": lambda world: world.say(T1, ANA, "!transfer all"),
    "accept": lambda world: world.say(T1, BEN, "!accept"),
    "hand": lambda world: world.tap(DESK, BEN, "✋", f"card:{T1}"),
    "take": lambda world: world.say(T1, SUE, "!take"),
    "speak": lambda world: world.say(T1, ANA, "!speak"),
    "release": lambda world: world.say(T1, ANA, "!release"),
    "leaves": lambda world: world.leave(T1, ANA),
    "goes": lambda world: world.tell(DESK, MemberLeft(place=DESK, user=ANA)),
    "words": lambda world: world.say(T1, ANA, "ok"),
}


@every_row("first", MOVES)
def test_one_assignee_in_any_order(first: str) -> None:
    """Any three moves, decided in three different orders, leave desk and thread agreed on one assignee or none."""
    rest = [name for name in MOVES if name != first]
    for owners in ((T1,), (DESK,), ()):
        one = after(full_room(), first, owners)
        for second in rest:
            two = after(one, second, owners)
            for third in (name for name in rest if name != second):
                ends_agreed(after(two, third, owners), (DESK, T1) if owners == (DESK,) else (T1, DESK))


def after(world: Simulation, move: str, owners: tuple[str, ...]) -> Simulation:
    """Return the world after a move, of which these owners decide an event at once."""
    world = world.copy()
    MOVES[move](world)
    for owner in owners:
        world.work(owner)
    return world


def ends_agreed(world: Simulation, order: tuple[str, ...]) -> None:
    """Let all that is undecided be decided in this order, and ten minutes pass."""
    while any(world.inbox.values()):
        for owner in order:
            world.work(owner)
    world.agree()
    world.pass_time(601)
    world.settle()
    world.agree()


@pytest.mark.parametrize("later", ["accept", "take", "release", "leaves", "goes"])
def test_words_of_an_earlier_assignee_never_leave(later: str) -> None:
    """Words that wait at the carrier's door when the assignee changes are refused there, and their author is told."""
    world = full_room()
    world.say(T1, ANA, f"!transfer {BEN}")
    message = world.say(T1, ANA, "ok")
    world.say(T1, ANA, "!anyway")
    world.settle()
    world.pass_time(21)
    world.settle()
    assert len(world.account[T1].lane) == 1
    MOVES[later](world)
    world.settle()
    assert world.assignee(T1) != ANA
    world.attempt(T1, Outcome.ACCEPTED)
    world.settle()
    assert [text.origin for text in world.account[T1].phone] == [Origin.AUTO_REPLY]
    assert world.receipts[message] is DeliveryReceipt.NOT_SENT
