"""The first lines of the board: danger, who is alone, who has to wait longest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.display.desk_board import board_text, glance
from bot.model.actions import DESK
from bot.model.desk import Desk, QueueEntry
from bot.model.flood import CrowdEntry, Flood
from bot.wording.notice import in_language
from tests.bot.examples import at, staffed_desk
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, NOW, OWNERS, PACK

WIDTH = 46
"""Letters that a phone of 390 pixels shows in a line of a message."""
T1 = OWNERS[0]


def entry(name: str = "amber heron", *, minutes: float = 3, **changed: Any) -> QueueEntry:
    """Return a thread that has waited for so many minutes."""
    usual: dict[str, Any] = {"thread": name, "designation": name, "since": NOW - 60 * minutes}
    return QueueEntry(**(usual | changed))


def taken(name: str = "brass otter", *, minutes: float = 0, **changed: Any) -> QueueEntry:
    """Return a thread with Ana, whose last text is so many minutes old."""
    return entry(name, assignee=ANA, last_activity=NOW - 60 * minutes, **changed)


def shown(*threads: QueueEntry, crowd: tuple[CrowdEntry, ...] = ()) -> list[str]:
    """Return the first lines of a board with these threads."""
    desk = Desk(threads=threads, flood=Flood(crowd={entry.thread: entry for entry in crowd}))
    lines = glance(at(0), desk)
    assert board_text(PACK, at(0), desk).splitlines()[: len(lines)] == lines
    return lines


MANY = tuple(entry(f"t{n}", danger=n < 10, asks=True) for n in range(24))
"""More than there are people at any desk: two digits in each place of the first line."""


def test_a_calm_desk_says_so() -> None:
    """Nobody waits and nothing is seen: one line. A text that we answered last waits for nobody."""
    assert shown() == ["Nobody is alone · no sign of danger"]
    assert shown(taken(minutes=50, last_was_inbound=False)) == ["Nobody is alone · no sign of danger"]


@pytest.mark.parametrize("sign", [{"danger": True}, {"duress": True}, {"other_hands_at": NOW - 60}])
def test_every_sign_is_danger(sign: dict[str, Any]) -> None:
    """A sign of danger, duress, other hands: counted whoever has the thread, and one thread once."""
    assert shown(taken(last_was_inbound=False, **sign))[0] == "⚠️ In danger: 1 · nobody is alone"
    assert shown(entry(**sign))[0] == "⚠️ In danger: 1 · alone: 1"
    assert shown(entry(danger=True, duress=True, other_hands_at=NOW))[0] == "⚠️ In danger: 1 · alone: 1"


def test_who_asks_for_help_and_is_alone_is_counted() -> None:
    """Who has the sign for a word of help is in the first line with it, until an advocate has them; danger counts once."""
    assert shown(entry(asks=True), entry("plain river"))[0] == "⚠️ Asking for help: 1 · alone: 2"
    assert shown(taken(asks=True, last_was_inbound=False))[0] == "Nobody is alone · no sign of danger"
    both = (entry(asks=True, danger=True), entry("plain river", asks=True))
    assert shown(*both)[0] == "⚠️ In danger: 1 · ask: 1 · alone: 2"
    crowd = (CrowdEntry(thread="c1", designation="faint gable", since=NOW - 1200, asks=True),)
    assert shown(crowd=crowd)[0] == "⚠️ Asking for help: 1 · alone: 1"
    assert shown(taken(danger=True), crowd=crowd)[0] == "⚠️ In danger: 1 · ask: 1 · alone: 1"
    assert shown(crowd=(replace(crowd[0], danger=True),))[0] == "⚠️ In danger: 1 · alone: 1"


def test_who_waits_longest() -> None:
    """The oldest of those with nobody, in minutes."""
    assert shown(entry(minutes=3), entry("plain river", minutes=12)) == [
        "Alone: 2 · no sign of danger",
        "Longest: plain river, 12 min, alone",
    ]


def test_an_unanswered_text_is_a_wait() -> None:
    """Whoever has an advocate and no answer may have waited longer than who is in the queue; in steps of five minutes."""
    assert shown(entry(minutes=3), taken(minutes=17))[1] == "Longest: brass otter, 15 min, with ana"
    assert shown(entry(minutes=18), taken(minutes=17))[1] == "Longest: amber heron, 18 min, alone"
    assert shown(taken(minutes=1)) == ["Nobody is alone · no sign of danger", "Longest: brass otter, under 5 min, with ana"]
    assert len(shown(replace(taken(minutes=9), last_activity=0.0))) == 1, "nothing is known of when they texted"


def test_a_flood_is_counted() -> None:
    """Who waits without a card is alone as well, and may be in danger, and may have waited longest."""
    crowd = (
        CrowdEntry(thread="c1", designation="faint gable", since=NOW - 1200, danger=True),
        CrowdEntry(thread="c2", designation="quiet maple", since=NOW - 60),
    )
    assert shown(entry(), crowd=crowd) == ["⚠️ In danger: 1 · alone: 3", "Longest: faint gable, 20 min, alone"]


def test_it_fits_on_a_phone_in_both_languages() -> None:
    """The first line is one line at phone's width, and has no word that stands on cards alone."""
    for threads in ((), (entry(danger=True),), (entry(),), (taken(duress=True),), (entry(asks=True),), MANY):
        first = glance(at(0), Desk(threads=threads))[0]
        for language in ("en", "es"):
            assert len(in_language(first, language)) <= WIDTH
            assert "waiting" not in in_language(first, language)


def test_the_boards_that_people_see_begin_so() -> None:
    """Through a conversation: alone, taken, answered; each version of the board begins with how it is."""
    world = Simulation(PACK, threads=1)
    world.text(T1, "hi")
    world.settle()
    world.pass_time(3)
    world.settle()
    assert world.shown[DESK, "board"].startswith("Alone: 1 · no sign of danger\nLongest: ")
    world.say(DESK, ANA, "!claim")
    world.settle()
    world.pass_time(3)
    world.settle()
    assert world.shown[DESK, "board"].startswith("Nobody is alone · no sign of danger\nLongest: ")
    assert ", with ana\n" in world.shown[DESK, "board"]
    assert staffed_desk().board.startswith("Nobody is alone · no sign of danger\nQueue: 0\n")
