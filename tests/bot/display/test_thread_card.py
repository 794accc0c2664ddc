"""A thread's card: its first lines are what clients show of a pinned message, and its times are the line's."""

from __future__ import annotations

from dataclasses import replace

from bot.display.thread_card import pinned_text
from bot.model.actions import THREAD, EditMessage, SendMessage
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.events import Event, MemberJoined
from tests.bot.examples import arrived, held, of, then
from tests.bot.strategies import ANA, NOW, PACK, SUE


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


def test_the_first_five_lines_are_what_a_person_acts_by() -> None:
    """A banner shows five lines at most: danger, the two words, who has it, limits given or not, whose turn it is."""
    thread = then(held(), arrived("he has a knife")).aggregate
    heads = ("⚠️ signs of danger: weapon", "amber heron", "with ana", "limits: NOT GIVEN YET", "last text: theirs")
    lines = pinned_text(PACK, thread).splitlines()[: len(heads)]
    assert [line[: len(head)] for line, head in zip(lines, heads, strict=True)] == [*heads]


def shown(before: Thread, event: Event) -> list[bool]:
    """Return whether each card that an event brings is a fresh one."""
    return [edit.fresh for edit in of(EditMessage, then(before, event)) if edit.ref == "card"]


def test_a_fresh_card_for_who_comes_late() -> None:
    """A person who comes into a thread in which others were finds the card as the newest message, and what to do."""
    nobody = replace(held(), assignment=replace(held().assignment, members=frozenset()))
    assert shown(nobody, MemberJoined(place=THREAD, user=ANA)) == [], "the first one has just been shown it"
    there = replace(nobody, assignment=replace(nobody.assignment, members=frozenset({ANA})))
    assert shown(there, MemberJoined(place=THREAD, user=SUE)) == [True]
    step = then(there, MemberJoined(place=THREAD, user=SUE))
    (post,) = of(SendMessage, step)
    assert post.body == "sue: what colleagues wrote before you came may not show. !recap says it again, here."
    assert post.notice
    second = replace(nobody, assignment=replace(nobody.assignment, epoch=2))
    assert shown(second, MemberJoined(place=THREAD, user=ANA)) == [True], "its first advocate has left it"
    assert shown(there, MemberJoined(place=THREAD, user=ANA)) == [], "who is there already"
