"""Looking after the people at the desk: who is offered a talk unasked, when, how often, and what it never says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.model.actions import DESK, OFFICE
from bot.model.events import Outcome
from bot.model.thread_desk_events import DuressFlagChanged, ThreadActivity
from bot.staffing.wellbeing import LONG_CONVERSATION, OFFER, OFFER_AGAIN_AFTER, TALK
from bot.wording.notice import notice_of
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, OWNERS, PACK, SUE

T1, T2 = OWNERS[:2]


def offers(world: Simulation, user: str) -> int:
    """Count how often a person was offered a talk unasked, in their own office."""
    return sum(post.body == notice_of(OFFER, talk=TALK) for room, post in world.rooms if room == OFFICE + user)


def open_one() -> Simulation:
    world = Simulation(PACK, threads=2)
    world.open(T1, ANA)
    return world


def escalates(world: Simulation) -> None:
    world.say(T1, ANA, "!escalate")


def duress(world: Simulation) -> None:
    world.tell(DESK, DuressFlagChanged(thread=T1, duress=True))


def long(world: Simulation) -> None:
    world.pass_time(LONG_CONVERSATION)
    world.text(T1, "still here")
    world.settle()


def breaks_off(world: Simulation) -> None:
    """Let the assignee answer, and nothing come back for an hour."""
    world.reaches(T1, ANA, "ok")
    world.pass_time(PACK.settings.silence_offer_park)


def nothing(world: Simulation) -> None:
    world.say(T1, ANA, "ok")


@pytest.mark.parametrize(
    ("what", "count"),
    [(escalates, 1), (duress, 1), (long, 1), (breaks_off, 1), (nothing, 0)],
    ids=["escalates", "duress", "long", "breaks_off", "nothing"],
)
@pytest.mark.practice(32)
def test_an_offer_after_what_may_stay_with_one(what: Callable[[Simulation], None], count: int) -> None:
    """After a heavy, long or broken-off conversation has left their hands, and not before, a person is offered a talk."""
    world = open_one()
    what(world)
    world.settle()
    assert offers(world, ANA) == 0
    world.say(T1, ANA, "!release")
    world.settle()
    assert offers(world, ANA) == count
    assert [offers(world, user) for user in (BEN, SUE)] == [0, 0]


def test_an_offer_is_not_made_twice_in_a_few_hours() -> None:
    """Whoever lets go of two heavy ones in an afternoon is asked once; on the next day again."""
    world = open_one()
    world.open(T2, ANA)
    for owner in (T1, T2):
        world.say(owner, ANA, "!escalate")
        world.settle()
        world.say(owner, ANA, "!release")
        world.settle()
    assert offers(world, ANA) == 1
    world.pass_time(OFFER_AGAIN_AFTER)
    world.say(DESK, ANA, "!claim")
    world.settle()
    world.say(T1, ANA, "!release")
    world.settle()
    assert offers(world, ANA) == 2


def test_the_desk_does_not_hear_of_every_text() -> None:
    """Of forty texts in a minute the desk hears once or twice; of an answer at once, so that the board is right."""
    world = open_one()
    world.pass_time(61)
    heard = []
    for _ in range(40):
        world.text(T1, "and")
        world.work(T1)
        heard += [event for event in world.inbox[DESK] if isinstance(event, ThreadActivity)]
        world.settle()
        world.pass_time(1.5)
    assert len(heard) == 1
    world.say(T1, ANA, "ok")
    world.settle()
    world.pass_time(8)
    world.settle()
    world.attempt(T1, Outcome.ACCEPTED)
    world.work(T1)
    assert [event.inbound for event in world.inbox[DESK] if isinstance(event, ThreadActivity)] == [False]
