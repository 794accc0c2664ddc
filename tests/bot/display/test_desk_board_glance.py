"""The first lines of the board: danger, who is alone, who has to wait longest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.display.desk_board import board_text, glance
from bot.model.desk import Desk, QueueEntry
from bot.model.flood import CrowdEntry, Flood
from bot.wording.notice import in_language
from tests.bot.examples import at
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


def test_an_unanswered_text_is_a_wait() -> None:
    """Whoever has an advocate and no answer may have waited longer than who is in the queue; in steps of five minutes."""
    assert shown(entry(minutes=3), taken(minutes=17))[1] == "Longest: brass otter, 15 min, with ana"
    assert shown(entry(minutes=18), taken(minutes=17))[1] == "Longest: amber heron, 18 min, alone"
    assert shown(taken(minutes=1)) == ["Nobody is alone · no sign of danger", "Longest: brass otter, under 5 min, with ana"]
    assert len(shown(replace(taken(minutes=9), last_activity=0.0))) == 1, "nothing is known of when they texted"


def test_it_fits_on_a_phone_in_both_languages() -> None:
    """The first line is one line at phone's width, and has no word that stands on cards alone."""
    for threads in ((), (entry(danger=True),), (entry(),), (taken(duress=True),), (entry(asks=True),), MANY):
        first = glance(at(0), Desk(threads=threads))[0]
        for language in ("en", "es"):
            assert len(in_language(first, language)) <= WIDTH
            assert "waiting" not in in_language(first, language)
