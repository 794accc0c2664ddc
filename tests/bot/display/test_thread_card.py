"""A thread's card: its first lines are what clients show of a pinned message, and its times are the line's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.display.thread_card import card, pinned_text
from bot.model.actions import THREAD, EditMessage, SendMessage
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.events import Event, MemberJoined, Outcome, TextOutcome
from bot.model.thread_desk_events import Assigned, AssignmentKind
from tests.bot.examples import FACTS, arrived, due, held, of, said, then
from tests.bot.strategies import ANA, NOW, PACK, SUE, UNDO
from tests.every_row import every_row


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


@every_row(
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
    assert pinned_text(PACK, state(held())).startswith(first)
    assert pinned_text(PACK, held()).startswith(held().designation)


def test_the_first_five_lines_are_what_a_person_acts_by() -> None:
    """A banner shows five lines at most: danger, the two words, who has it, limits given or not, whose turn it is."""
    thread = then(held(), arrived("he has a knife")).aggregate
    heads = ("⚠️ signs of danger: weapon", "amber heron", "with ana", "limits: NOT GIVEN YET", "last text: theirs")
    lines = pinned_text(PACK, thread).splitlines()[: len(heads)]
    assert [line[: len(head)] for line, head in zip(lines, heads, strict=True)] == [*heads]


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
    set_forward = replace(FACTS, clock_ahead=3600.0)
    before = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    after = then(before, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), set_forward).aggregate
    assert "last text: ours, since Fri 09:00" in card(PACK, after), "as the machine's clock was set since the start"


def shown(before: Thread, event: Event) -> list[bool]:
    """Return whether each card that an event brings is a fresh one."""
    return [edit.fresh for edit in of(EditMessage, then(before, event)) if edit.ref == "card"]


def test_a_fresh_card_when_it_matters() -> None:
    """What nobody may be wrong about comes as a new pinned message: some clients show a pinned one as it was before."""
    thread = replace(held(), assignment=replace(held().assignment, members=frozenset({ANA})))
    assert shown(thread, said("!unsafe")) == [True]
    assert shown(thread, arrived("STOP")) == [True]
    assert shown(thread, Assigned(assignee=SUE, how=AssignmentKind.TAKEN_OVER)) == [True]
    assert shown(thread, said("!agreed first yes")) == [False], "the rest is an edit"
    assert shown(thread, said("// a note")) == []


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
