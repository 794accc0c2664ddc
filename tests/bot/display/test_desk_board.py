"""The live board: one message, edited in place, at most every two seconds and only when it says something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.display.desk_board import board_text
from bot.model.actions import DESK, EditMessage, PinMessage, SendMessage
from bot.model.desk import Desk, DeskMember, QueueEntry, Role
from bot.model.events import MemberJoined, MemberLeft, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import DuressFlagChanged, LegalHoldChanged, ThreadMarked, ThreadQueued
from bot.model.transactional_actions import SetTimer
from bot.wording.notice import in_language, notice_of
from bridge.matrix.api.json_fields import dumps
from bridge.matrix.api.message_body import edit_content
from tests.bot.examples import at, at_desk, of, staffed_desk, then, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, NAMED, NOW, OWNERS, PACK, SUE

T1, T2 = OWNERS[:2]


def boards(world: Simulation) -> list[SendMessage | EditMessage]:
    """Return every version of the board that was shown."""
    return [post for _, post in world.rooms if post.ref == "board"]


def test_the_board_is_one_pinned_message() -> None:
    """The first thing that happens at a desk with people posts and pins it; from then on it is edited."""
    step = then(Desk(), MemberJoined(place=DESK, user=ANA))
    assert [post.ref for post in of(SendMessage, step)][-1:] == ["board"]
    assert [(pin.place, pin.ref) for pin in of(PinMessage, step)] == [(DESK, "board")]
    step = then(step.aggregate, MemberJoined(place=DESK, user=BEN), at(5))
    assert [post.ref for post in of(SendMessage, step) if post.ref] == []
    assert ["ben" in edit.body for edit in of(EditMessage, step) if edit.ref == "board"] == [True]


def test_two_changes_in_two_seconds_are_one_edit() -> None:
    """A change right after an edit waits for its turn and is not lost, nor is the clock of those who wait."""
    desk = then(staffed_desk(), ThreadQueued(thread=T1, designation=NAMED[0], since=NOW)).aggregate
    step = then(desk, at_desk("!off", sender=BEN), at(0.5))
    assert of(EditMessage, step) == []
    assert [timer.due for timer in of(SetTimer, step) if timer.key == "board"] == [NOW + 2]
    shown = then(step.aggregate, TimerDue(key="board"), at(2))
    assert ["ben 0/5 · off" in edit.body for edit in of(EditMessage, shown)] == [True]
    back = then(then(desk, at_desk("!off", sender=BEN), at(0.5)).aggregate, at_desk("!on", sender=BEN), at(1))
    same = then(back.aggregate, TimerDue(key="board"), at(2))
    assert of(EditMessage, same) == []
    assert [timer.due for timer in of(SetTimer, same) if timer.key == "board"] == [NOW + 62], "the minutes stand still"


@pytest.mark.practice(33)
def test_people_on_the_board() -> None:
    """It says who is here, who is off duty, who supervises, and how much of the cap each has."""
    world = Simulation(PACK, threads=2)
    world.open(T1, ANA)
    world.tell(DESK, at_desk("!off", sender=BEN))
    world.settle()
    world.pass_time(3)
    world.settle()
    assert boards(world)[-1].body.splitlines()[-1] == "Here: ana 1/5, ben 0/5 · off, sue (supervisor) 0/5"
    world.tell(DESK, MemberLeft(place=DESK, user=BEN))
    world.pass_time(3)
    world.settle()
    assert "ben" not in boards(world)[-1].body


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_full_board_of_a_large_agency_fits_an_event(language: str) -> None:
    """Two hundred people and as many threads in danger: those on duty are named, and an edit has less than 64 KiB."""
    members = [
        DeskMember(user=f"@first.last{n:03}:x", role=Role.SUPERVISOR, on_duty=n > 170, languages=("es",))
        for n in range(200)
    ]
    entries = [
        QueueEntry(
            thread=f"t{n}",
            designation=f"thunderous heron {n:03}",
            since=NOW - 9_000,
            assignee=members[n].user if n % 2 else None,
            opened_at=NOW - 9_000,
            last_activity=NOW - 9_000,
            other_hands_at=NOW - 9_000,
            duress=True,
            danger=True,
        )
        for n in range(200)
    ]
    desk = Desk(roster=tuple(members), threads=tuple(entries))
    board = in_language(board_text(PACK, at(0), desk), language)
    edit = dumps(edit_content(EditMessage(place=DESK, ref="board", body=board, formatted=True), "$board"))
    assert len(edit.encode()) * 4 / 3 < 64_000
    here = board.splitlines()[-1]
    assert [n for n in range(171, 200) if f"first.last{n:03}" not in here] == []
    assert here.endswith(in_language(notice_of("desk_board.and_more", count=160), language))


def test_open_rows() -> None:
    """An open thread shows its assignee, how long it has been, and whose the last text was how long ago, in steps."""
    world = Simulation(PACK, threads=2)
    world.open(T1, ANA)
    row = "amber heron · with ana · open under 5 min · theirs under 5 min ago"
    world.pass_time(3)
    world.settle()
    assert row in world.shown[DESK, "board"].splitlines()
    world.reaches(T1, ANA, "ok")
    for _ in range(12):
        world.pass_time(60)
        world.settle()
    assert "amber heron · with ana · open 10 min · ours 10 min ago" in world.shown[DESK, "board"].splitlines()
    edits = len(world.boards)
    for _ in range(20):
        world.pass_time(60)
        world.settle()
    assert len(world.boards) - edits <= 4, "a board on which nothing happens is edited all the time"


def test_marks_on_the_board() -> None:
    """Duress comes first among the open ones and is counted, holds are counted, an outage is said, and all of it ends."""
    desk = staffed_desk()
    for n, thread in enumerate(OWNERS):
        desk = then(desk, ThreadQueued(thread=thread, designation=NAMED[n], since=NOW + n)).aggregate
        desk = then(desk, at_desk("!claim", sender=SUE), at(n)).aggregate
    hold = LegalHoldChanged(thread=T1, designation=NAMED[0], on_hold=True)
    for event in (DuressFlagChanged(thread=OWNERS[2], duress=True), hold, DuressFlagChanged(thread="x", duress=True)):
        desk = then(desk, event, at(5)).aggregate
    lines = words(then(replace(desk, outage=True), at_desk("!board"), at(9))).splitlines()
    assert lines[3].startswith("⚠️ Outage")
    assert lines[4] == "Open: 3 · 1 duress · 1 on hold"
    assert lines[5].startswith("plain river · DURESS · with sue")
    assert "amber heron · ON HOLD · with sue" in lines[6]
    waits = then(desk, ThreadQueued(thread=OWNERS[2], designation=NAMED[2], since=NOW + 9, requeued=True), at(9)).aggregate
    assert "plain river · DURESS · queued" in words(then(waits, at_desk("!board"), at(12)))
    for event in (DuressFlagChanged(thread=OWNERS[2], duress=False), replace(hold, on_hold=False)):
        waits = then(waits, event, at(15)).aggregate
    assert "Open: 2\n" in words(then(waits, at_desk("!board"), at(20)))


def fresh(step: Step[Desk]) -> list[bool]:
    """Return whether each board that a step brings is a new message."""
    return [edit.fresh for edit in of(EditMessage, step) if edit.ref == "board"]


def test_the_board_is_posted_anew_when_it_matters() -> None:
    """Who comes finds it newest, and so does everybody after an alarm: some clients show it as it was before its edits."""
    first = then(Desk(), MemberJoined(place=DESK, user=ANA)).aggregate
    came = then(first, MemberJoined(place=DESK, user=BEN), at(5))
    assert fresh(came) == [True]
    off = then(came.aggregate, at_desk("!off", sender=BEN), at(10))
    assert fresh(off) == [False]
    assert fresh(then(off.aggregate, at_desk("!outage", sender=ANA), at(20))) == [True]
    queued = then(came.aggregate, ThreadQueued(thread=T1, designation=NAMED[0], since=NOW), at(20)).aggregate
    assert fresh(then(queued, ThreadMarked(thread=T1, danger=True, language=""), at(30))) == [True]
