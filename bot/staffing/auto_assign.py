"""Assigns a waiting thread without a claim, where a line wants that (`assignment` in the pack), and takes it back.

Rules of this module: the thread goes to an advocate on duty and under the cap, who is mentioned at the desk. An advocate
who shows no sign in time loses the thread, and gets no other until they do. After two attempts the thread waits for a claim
like any other, with the usual reminders. With a calendar of shifts, people on shift come first; when all of them are at the
cap, any other advocate on duty may get it, because a calendar never makes a texter wait.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand
from bot.display.thread_card import localpart
from bot.model.actions import DESK, Action, SendMessage
from bot.model.desk import Desk, DeskMember, Facts, QueueEntry, Role, Thread
from bot.model.events import MemberJoined, MessageSent, ReactionAdded, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned, AssigneePresent, AssignmentKind
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.staffing import shifts
from bot.staffing.assignment import release_to_queue
from bot.staffing.claim_queue import assign, cannot_claim
from bot.wording.notice import notice_of
from policies.pack import AssignmentMode, Pack

ANSWER: Final = "answer"
ASSIGNED_REF: Final = "given:"
MAX_TRIES: Final = 2
"""How often a thread is assigned unasked before it waits for a claim."""


def assign_waiting(pack: Pack, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """Assign waiting threads, the longest waiting first, after any event of the desk."""
    actions: tuple[Action, ...] = ()
    if pack.settings.assignment is AssignmentMode.NONE:
        return desk, actions
    for entry in desk.waiting:
        if (member := _choose(pack, facts, desk, entry)) is not None:
            until = facts.now + pack.settings.assignment_answer
            desk, assign_actions = assign(facts, desk, member.user, entry, AssignmentKind.CLAIMED, answer_by=until)
            body = notice_of(
                "auto_assign.is_yours_accept_the_invitation",
                user=localpart(member.user),
                designation=entry.designation,
                assignment_answer=pack.settings.assignment_answer // 60,
            )
            call = SendMessage(place=DESK, ref=ASSIGNED_REF + entry.thread, body=body, mentions=(member.user,))
            actions += (*assign_actions, call)
    return desk, actions


def note_presence_at_desk(
    pack: Pack, facts: Facts, desk: Desk, event: MessageSent | ReactionAdded, command: ParsedCommand | None = None
) -> Step[Desk]:
    """Count anything that a person says or taps at the desk, or in their office, as a sign that they are there."""
    member = desk.member(event.sender)
    assigned = [entry for entry in desk.assigned_to(event.sender) if entry.auto_assigned]
    if member is None or not (assigned or member.away):
        return Step(desk)
    roster = tuple(replace(other, away=False) if other is member else other for other in desk.roster)
    threads = tuple(replace(entry, auto_assigned=False) if entry in assigned else entry for entry in desk.threads)
    notice = tuple(
        SendEvent(owner=entry.thread, event=AssigneePresent(thread=entry.thread, user=event.sender)) for entry in assigned
    )
    return Step(replace(desk, roster=roster, threads=threads), notice)


def note_presence(pack: Pack, facts: Facts, desk: Desk, event: AssigneePresent) -> Step[Desk]:
    """Note that a person has shown a sign in the thread that they were given."""
    roster = tuple(replace(member, away=False) if member.user == event.user else member for member in desk.roster)
    assigned = next((entry for entry in desk.assigned_to(event.user) if entry.thread == event.thread), None)
    threads = tuple(replace(entry, auto_assigned=False) if entry is assigned else entry for entry in desk.threads)
    return Step(replace(desk, roster=roster, threads=threads))


def start_answer_timer(pack: Pack, facts: Facts, thread: Thread, event: Assigned) -> Step[Thread]:
    """Wait for a sign of a person who got a thread unasked; a person who asked for it needs none."""
    if event.answer_by <= 0 or thread.assignment.assignee != event.assignee:
        return Step(_with_answer_deadline(thread, 0.0), (CancelTimer(key=ANSWER),) if thread.assignment.answer_by else ())
    return Step(_with_answer_deadline(thread, event.answer_by), (SetTimer(key=ANSWER, due=event.answer_by),))


def note_presence_in_thread(
    pack: Pack,
    facts: Facts,
    thread: Thread,
    event: MessageSent | ReactionAdded | MemberJoined | AssigneePresent,
    command: ParsedCommand | None = None,
) -> Step[Thread]:
    """Stop waiting for a sign when the assignee has spoken, tapped, or joined."""
    user = event.user if isinstance(event, MemberJoined | AssigneePresent) else event.sender
    if not thread.assignment.answer_by or user != thread.assignment.assignee:
        return Step(thread)
    # The desk knows already when it was the desk that saw it.
    notice = (
        ()
        if isinstance(event, AssigneePresent)
        else (SendEvent(owner=DESK, event=AssigneePresent(thread=thread.id, user=user)),)
    )
    return Step(_with_answer_deadline(thread, 0.0), (CancelTimer(key=ANSWER), *notice))


def withdraw_assignment(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Take a thread back from a person who has shown no sign."""
    if event.key != ANSWER:
        return Step(thread)
    if thread.assignment.assignee is None or not thread.assignment.answer_by:
        return Step(thread, consumed=True)
    if thread.assignment.answer_by > facts.now:
        return Step(thread, (SetTimer(key=ANSWER, due=thread.assignment.answer_by),), consumed=True)
    thread, actions = release_to_queue(
        _with_answer_deadline(thread, 0.0), facts, notice_of("auto_assign.the_advocate_did_not_answer")
    )
    return Step(thread, actions, consumed=True)


def _choose(pack: Pack, facts: Facts, desk: Desk, entry: QueueEntry) -> DeskMember | None:
    if len(entry.tried_users) >= MAX_TRIES:
        return None
    can = [
        member
        for member in desk.roster
        if member.role is Role.ADVOCATE and not member.away and member.user not in entry.tried_users
        if cannot_claim(pack, desk, member.user) is None
    ]
    on_shift = shifts.on_duty_and_shift(pack, facts, can)
    can = [member for member in can if member.user in on_shift] or can
    if pack.settings.assignment is AssignmentMode.LEAST_LOADED:
        return min(can, key=lambda member: len(desk.assigned_to(member.user)), default=None)
    return next(iter(can), None)


def _with_answer_deadline(thread: Thread, until: float) -> Thread:
    return replace(thread, assignment=replace(thread.assignment, answer_by=until))
