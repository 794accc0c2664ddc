"""The thread's room: the texter's words as they came, and the card."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.model.actions import DESK, THREAD, SendMessage, Speaker
from bot.model.events import MemberLeft
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import Assigned
from bot.staffing.assignment import MAX_CHARACTERS
from policies.pack import AssignmentMode
from tests.bot.examples import arrived, held, of, then, waiting
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, OWNERS, PACK, SUE, with_settings
from tests.every_row import every_row

T1 = OWNERS[0]
UNDO, ON_DUTY = PACK.settings.close_undo, PACK.settings.unclaimed_on_duty


def test_a_long_text_is_shown_whole_in_pieces_that_fit() -> None:
    """A text of a megabyte is shown word for word, each piece within an event even if every letter needs an escape."""
    body = "\x01" * 1_000_000
    shown = [post.body for post in of_texter(then(held(), arrived(body, id="b")))]
    assert "".join(shown) == body
    longest = max(len(json.dumps(piece)) for piece in shown)
    assert longest * 4 / 3 + 4096 < 65_536
    assert max(map(len, shown)) == MAX_CHARACTERS


def of_texter(step: Any) -> list[Any]:
    return [action for action in step.actions if getattr(action, "speaker", None) and action.speaker.value == "texter"]


@pytest.mark.parametrize(("media", "line"), [(2, "2 picture(s)"), (0, "without words")])
def test_what_has_no_words_is_told(media: int, line: str) -> None:
    """A picture alone and an empty text ring for the assignee, and can be answered and read, like words of the texter."""
    posts = of(SendMessage, then(held(), arrived("", id="b", media=media)))
    (post,) = (post for post in posts if line in post.body)
    assert (post.ref, post.mentions, post.notice, post.speaker) == ("in:b:0", (ANA,), False, Speaker.POLICY)


def test_the_card_says_who_is_the_assignee_and_whether_the_phone_is_stopped() -> None:
    """The card follows assignee, STOP and language, and holds no words of anybody."""
    cards = []
    thread = waiting()
    for event in (
        Assigned(assignee=ANA),
        arrived("STOP", id="b"),
        arrived("START", id="c"),
        arrived("ES", id="d"),
        MemberLeft(place=THREAD, user=ANA),
        Assigned(assignee=BEN),
    ):
        step = then(thread, event)
        thread = step.aggregate
        changes: list[Any] = [a for a in step.actions if getattr(a, "ref", "") == "card" and hasattr(a, "body")]
        assert all(card.formatted for card in changes)
        cards += [card.body for card in changes]
    expected = ["with ana", "STOPPED: nothing leaves", "language: en", "language: es", "with nobody", "with ben"]
    assert [line in card for line, card in zip(expected, cards, strict=True)] == [True] * len(cards)


def rung(world: Simulation, since: int) -> list[str]:
    """Return the refs of the messages at the desk that called people, from that message on."""
    new = [post for room, post in world.rooms[since:] if room == DESK and isinstance(post, SendMessage)]
    return [post.ref for post in new if post.mentions]


@every_row("assignment", [AssignmentMode.NONE, AssignmentMode.LEAST_LOADED])
@every_row("nobody", [True, False])
@every_row("how", ["!release", "leaves the room", "leaves the desk"])
def test_nobody_is_called_to_a_conversation_that_is_being_closed(
    how: str, nobody: bool, assignment: AssignmentMode
) -> None:
    """It ends by itself: neither the desk nor the person on call hears of it when its advocate gives it back or leaves."""
    world = Simulation(with_settings(assignment=assignment), threads=1)
    for user in (BEN, SUE) if nobody else ():
        world.say(DESK, user, "!off")
    world.settle()
    world.open(T1, ANA)
    posts = len(world.rooms)
    world.say(T1, ANA, "!close")
    world.settle()
    if how == "!release":
        world.say(T1, ANA, how)
    elif how == "leaves the room":
        world.leave(T1, ANA)
    else:
        world.tell(DESK, MemberLeft(place=DESK, user=ANA))
    assert world.assignee(T1) is None
    assert "Closing. In 10 minutes everything here goes" in world.seen(T1)
    world.say(DESK, ANA, "!off")
    world.say(DESK, SUE, "!claim")
    for _ in range(UNDO // 30):
        assert (rung(world, posts), world.pages, world.assignee(T1)) == ([], 0, None)
        assert world.desk.waiting == ()
        world.pass_time(30)
        world.settle()
    assert world.threads[T1].lifecycle.state is ThreadState.PARKED
    assert (world.desk.threads, rung(world, posts), world.pages) == ((), [], 0)
    assert not any(seat.on_duty for seat in world.desk.roster if seat.user == ANA)
