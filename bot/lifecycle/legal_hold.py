"""Legal hold: nothing that still exists of a thread is destroyed (design.md, "The life of a thread").

Rules of this module: whether a thread is on hold is a fact of the database, read again inside every commit that destroys,
so that a hold wins over a purge under way. This module sets it, and shows it on card and board. A hold does not cover what
people redact with their own clients, or what carriers delete by themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ANSWER_TIMER, ParsedCommand, answer, answer_as_note, mark_as_note
from bot.commands.playbooks import steps_of
from bot.model.actions import DESK, THREAD, Action, EraseMessage, RedactMessage, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import MessageSent, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import LegalHoldChanged
from bot.model.transactional_actions import RecordAudit, SendEvent, SetLegalHold, SetTimer
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack

HOUR: Final = 3600.0
SUBPOENA: Final = "subpoena"
"""The playbook that `!subpoena` opens."""


def hold(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!hold` and `!unhold`, by supervisors."""
    on = command.name == "hold"
    if on == thread.on_legal_hold:
        notice = notice_of("legal_hold.it_is_on_hold_already") if on else notice_of("legal_hold.it_is_not_on_hold")
        return answer_as_note(facts, thread, event, notice)
    body = notice_of("legal_hold.on_hold_nothing_of_this") if on else notice_of("legal_hold.the_hold_is_lifted_what")
    return Step(
        replace(thread, on_legal_hold=on),
        (
            mark_as_note(event),
            SetLegalHold(on=on),
            RecordAudit(kind=AuditKind.HOLD if on else AuditKind.UNHOLD),
            SendEvent(owner=DESK, event=LegalHoldChanged(thread=thread.id, designation=thread.designation, on_hold=on)),
            SendMessage(place=THREAD, body=body),
        ),
        consumed=True,
    )


def subpoena(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!subpoena` shows what to do with a legal paper that asks for records. There is nothing that could be exported."""
    return answer_as_note(facts, thread, event, _checklist(pack))


def subpoena_at_desk(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!subpoena` at the desk, for a paper that names no thread."""
    return Step(desk, answer(facts, event, _checklist(pack)), consumed=True)


def follow_database(facts: Facts, thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Apply a hold that was set or lifted outside the rooms (`quietline lookup`), and tell the desk."""
    if thread.on_legal_hold == facts.on_legal_hold:
        return thread, ()
    notice = LegalHoldChanged(thread=thread.id, designation=thread.designation, on_hold=facts.on_legal_hold)
    return replace(thread, on_legal_hold=facts.on_legal_hold), (SendEvent(owner=DESK, event=notice),)


def postpone_removal(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Keep answers that would disappear from the room of a thread on hold; check again every hour."""
    if not thread.on_legal_hold or not event.key.startswith(f"{ANSWER_TIMER}{THREAD}|"):
        return Step(thread)
    return Step(thread, (SetTimer(key=event.key, due=facts.now + HOUR),), consumed=True)


def is_held_back(thread: Thread, action: Action) -> bool:
    """Whether an action would remove something from the room of a thread that is on hold."""
    return thread.on_legal_hold and isinstance(action, RedactMessage | EraseMessage) and action.place == THREAD


def show_hold(pack: Pack, facts: Facts, desk: Desk, event: LegalHoldChanged) -> Step[Desk]:
    """Record at the desk which threads are on hold, and say so loudly once."""
    holds = tuple(thread for thread in desk.on_legal_hold if thread != event.thread)
    if (event.thread in desk.on_legal_hold) == event.on_hold:
        return Step(desk)
    name = event.designation or notice_of("legal_hold.a_conversation_that_is_over")
    notice = join_notices(
        "",
        (
            "⚖️ ",
            name,
            ": ",
            notice_of("legal_hold.on_hold_nothing_of_it") if event.on_hold else notice_of("legal_hold.the_hold_is_lifted"),
        ),
    )
    desk = replace(desk, on_legal_hold=(*holds, event.thread) if event.on_hold else holds)
    return Step(desk, (SendMessage(place=DESK, body=notice),))


def _checklist(pack: Pack) -> str:
    book = pack.playbooks.get(SUBPOENA)
    if book is None:
        return notice_of("legal_hold.no_checklist_is_in_the")
    return steps_of(book)
