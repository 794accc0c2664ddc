"""A thread's card: its first lines are what clients show of a pinned message, and its times are the line's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.display.thread_card import card, pinned
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from tests.bot.examples import held
from tests.bot.strategies import NOW, PACK


def unsafe(thread: Thread) -> Thread:
    return replace(thread, flags=replace(thread.flags, unsafe=True))


def other_hands(thread: Thread) -> Thread:
    return replace(thread, flags=replace(thread.flags, other_hands_seen="2027-01-15 02:50"))


def duress(thread: Thread) -> Thread:
    return replace(thread, codeword=replace(thread.codeword, lock=SendLock.DURESS, duress_at=NOW))


def unverified(thread: Thread) -> Thread:
    return replace(thread, codeword=replace(thread.codeword, lock=SendLock.UNVERIFIED))


def stopped(thread: Thread) -> Thread:
    return replace(thread, consent=replace(thread.consent, stopped=True))


def blocked(thread: Thread) -> Thread:
    return replace(thread, consent=replace(thread.consent, blocked_until=NOW + 60))


@pytest.mark.parametrize(
    ("state", "first"),
    [
        (unsafe, "⚠️ UNSAFE"),
        (duress, "⚠️ DURESS"),
        (unverified, "⚠️ UNVERIFIED"),
        (stopped, "STOPPED"),
        (blocked, "BLOCKED"),
        (other_hands, "⚠️ OTHER HANDS"),
    ],
)
def test_what_stops_the_phone_comes_first(state: Callable[[Thread], Thread], first: str) -> None:
    """A banner shows the first line of the pinned card: it is what stops or endangers the phone, and not who it is with."""
    assert pinned(PACK, state(held())).startswith(first)
    assert pinned(PACK, held()).startswith(held().designation)


def test_all_of_it_comes_before_everything_else() -> None:
    """With several at once, each is a line of its own above the designation."""
    lines = card(PACK, unsafe(duress(stopped(other_hands(held()))))).splitlines()
    above = lines[: next(n for n, line in enumerate(lines) if line.startswith(held().designation))]
    assert [next(word for word in ("UNSAFE", "DURESS", "STOPPED", "HANDS") if word in line) for line in above] == [
        "UNSAFE",
        "DURESS",
        "STOPPED",
        "HANDS",
    ]


def test_times_are_the_lines() -> None:
    """Every time on the card is of the line's clock on the wall, in one form, and no card speaks of UTC."""
    thread = held()
    verified = replace(thread, codeword=replace(thread.codeword, verified_at=NOW))
    east = replace(PACK, hours=replace(PACK.hours, timezone="America/New_York"))
    for shown in (card(east, verified), card(east, duress(thread))):
        assert "2027-01-15 03:00" in shown
        assert "UTC" not in shown
