"""Giving a waiting thread to somebody unasked, where a line wants that (`assignment` in the pack), and taking it back.

Rules of this module: it is given to an advocate on duty and under the cap, who is called by name at the desk; whoever does
not show themselves in time loses it again and gets no other until they do; twice is enough, then it waits for a hand like
any other, and is called out like any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.thread_card import short
from bot.model.actions import DESK, Action, Post
from bot.model.desk import Desk, Facts, Line, Role, Seat, Thread
from bot.model.events import Joined, Said, Tapped, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import Answered, Assigned, How
from bot.model.transactional_actions import DropTimer, SetTimer, Tell
from bot.staffing.assignment import release_to_queue
from bot.staffing.claim_queue import give, may_not
from policies.pack import Assignment, Pack

ANSWER: Final = "answer"
GIVEN: Final = "given:"
TRIES: Final = 2
"""How often a thread is given away unasked before it waits for a hand."""


def live(pack: Pack, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """Give away what waits, the longest waiting first, after any event of the desk."""
    actions: tuple[Action, ...] = ()
    if pack.settings.assignment is Assignment.NONE:
        return desk, actions
    for line in desk.waiting:
        if (seat := _whom(pack, desk, line)) is not None:
            until = facts.now + pack.settings.assignment_answer
            desk, given = give(facts, desk, seat.user, line, How.CLAIMED, answer_by=until)
            body = (
                f"{short(seat.user)}: {line.designation} is yours. Accept the invitation, tap anything or say !board here,"
                f" within {pack.settings.assignment_answer // 60} min; else somebody else is asked."
            )
            call = Post(place=DESK, ref=GIVEN + line.thread, body=body, notice=False, mentions=(seat.user,))
            actions += (*given, call)
    return desk, actions


def shows(pack: Pack, facts: Facts, desk: Desk, event: Said | Tapped) -> Step[Desk]:
    """Take anything that somebody says or taps at the desk, or in their office, for a sign that they are there."""
    seat = desk.seat(event.sender)
    mine = [line for line in desk.held(event.sender) if line.given]
    if seat is None or not (mine or seat.away):
        return Step(desk)
    roster = tuple(replace(other, away=False) if other is seat else other for other in desk.roster)
    threads = tuple(replace(line, given=False) if line in mine else line for line in desk.threads)
    told = tuple(Tell(owner=line.thread, event=Answered(thread=line.thread, user=event.sender)) for line in mine)
    return Step(replace(desk, roster=roster, threads=threads), told)


def shown(pack: Pack, facts: Facts, desk: Desk, event: Answered) -> Step[Desk]:
    """Note that somebody has shown themselves in the thread that they were given."""
    roster = tuple(replace(seat, away=False) if seat.user == event.user else seat for seat in desk.roster)
    mine = next((line for line in desk.held(event.user) if line.thread == event.thread), None)
    threads = tuple(replace(line, given=False) if line is mine else line for line in desk.threads)
    return Step(replace(desk, roster=roster, threads=threads))


def given(pack: Pack, facts: Facts, thread: Thread, event: Assigned) -> Step[Thread]:
    """Wait for a sign of whoever got a thread unasked; nothing is asked of whoever asked for it."""
    if event.answer_by <= 0 or thread.voice.holder != event.voice:
        return Step(_asked(thread, 0.0), (DropTimer(key=ANSWER),) if thread.voice.answer_by else ())
    return Step(_asked(thread, event.answer_by), (SetTimer(key=ANSWER, due=event.answer_by),))


def answered(pack: Pack, facts: Facts, thread: Thread, event: Said | Tapped | Joined | Answered) -> Step[Thread]:
    """Ask nothing more of a voice that has shown themselves, by words, a tap, or by coming in."""
    user = event.user if isinstance(event, Joined | Answered) else event.sender
    if not thread.voice.answer_by or user != thread.voice.holder:
        return Step(thread)
    # The desk knows already when it was the desk that saw it.
    told = () if isinstance(event, Answered) else (Tell(owner=DESK, event=Answered(thread=thread.id, user=user)),)
    return Step(_asked(thread, 0.0), (DropTimer(key=ANSWER), *told))


def unanswered(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Take a thread back from somebody who has not shown themselves."""
    if event.key != ANSWER:
        return Step(thread)
    if not 0 < thread.voice.answer_by <= facts.now or thread.voice.holder is None:
        return Step(thread, consumed=True)
    thread, actions = release_to_queue(_asked(thread, 0.0), facts, "the voice did not answer")
    return Step(thread, actions, consumed=True)


def _whom(pack: Pack, desk: Desk, line: Line) -> Seat | None:
    if len(line.tried) >= TRIES:
        return None
    can = [
        seat
        for seat in desk.roster
        if seat.role is Role.ADVOCATE and not seat.away and seat.user not in line.tried
        if may_not(pack, desk, seat.user) is None
    ]
    if pack.settings.assignment is Assignment.LEAST_LOADED:
        return min(can, key=lambda seat: len(desk.held(seat.user)), default=None)
    return next(iter(can), None)


def _asked(thread: Thread, until: float) -> Thread:
    return replace(thread, voice=replace(thread.voice, answer_by=until))
