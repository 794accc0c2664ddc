"""Shows the texter's number: two people, a reason, sixty seconds (design.md, "The life of a thread").

Rules of this module: whoever asks does not confirm; a supervisor confirms; both use encrypted commands from trusted
devices, never a reaction. The number is in no aggregate, no action and no thread's room: `bridge/outbound/number_reveal.py`
shows it in the two offices and takes it back. The reason stays in the room in which it was written (practices.md,
"Conflicts").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer, mark_as_note
from bot.display.thread_card import localpart
from bot.model.actions import DESK, THREAD, RevealNumber, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Desk, Facts, RevealRequest, Role, Thread
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.model.thread_desk_events import RevealConfirmed, RevealRequested
from bot.model.transactional_actions import RecordAudit, SendEvent
from policies.pack import Pack

CONFIRM_WITHIN: Final = 600.0
"""Seconds for which a question stands."""


def ask(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!reveal reason` asks, `!reveal yes` confirms, `!reveal no` drops the question."""
    match command.arguments.casefold():
        case "":
            return _refuse(facts, thread, event, "Say why: !reveal and the reason. It stays in this room.")
        case "yes":
            thread, out, why = _confirm(facts, thread, event.sender)
            return Step(thread, (mark_as_note(event), *(out or answer(facts, event, why))), consumed=True)
        case "no":
            notice = "The question is dropped." if thread.reveal_request else "Nobody asked to see the number."
            return Step(
                replace(thread, reveal_request=None), (mark_as_note(event), *answer(facts, event, notice)), consumed=True
            )
    others = [user for user in facts.supervisors if user != event.sender]
    if not any(member.role is Role.SUPERVISOR and member.user != event.sender for member in facts.roster):
        return _refuse(facts, thread, event, "It takes a second person, a supervisor, and there is none at the desk.")
    if thread.reveal_request and facts.now < thread.reveal_request.until and thread.reveal_request.by != event.sender:
        return _refuse(
            facts, thread, event, f"{localpart(thread.reveal_request.by)} has asked: a supervisor says !reveal yes or no."
        )
    request = RevealRequest(by=event.sender, until=facts.now + CONFIRM_WITHIN)
    notice = f"{localpart(event.sender)} asks to see the number. Another supervisor says !reveal yes, here or at the desk."
    desk = RevealRequested(thread=thread.id, designation=thread.designation, by=event.sender)
    return Step(
        replace(thread, reveal_request=request),
        (
            mark_as_note(event),
            RecordAudit(kind=AuditKind.REVEAL_ASKED),
            SendEvent(owner=DESK, event=desk),
            SendMessage(
                place=THREAD, body=notice, mentions=tuple(user for user in others if user in thread.assignment.members)
            ),
        ),
        consumed=True,
    )


def show_request(pack: Pack, facts: Facts, desk: Desk, event: RevealRequested) -> Step[Desk]:
    """Tell the supervisors that somebody asks, and how to answer."""
    others = tuple(user for user in facts.supervisors if user != event.by)
    body = (
        f"⚠️ {event.designation}: {localpart(event.by)} asks to see the number. The reason is in its room. A "
        "supervisor other "
        f"than {localpart(event.by)} says !reveal yes {event.designation} within ten minutes, or nothing."
    )
    return Step(desk, (SendMessage(place=DESK, body=body, mentions=others),))


def confirm_at_desk(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!reveal yes designation`: the second person need not be in the room."""
    yes, _, name = command.arguments.casefold().partition(" ")
    entry = next((entry for entry in desk.threads if entry.designation == name.strip()), None)
    if yes != "yes" or entry is None:
        why = "Here it is !reveal yes and a designation. Asking is done in the thread's room, with a reason."
        return Step(desk, answer(facts, event, why), consumed=True)
    notice = RevealConfirmed(user=event.sender, designation=entry.designation)
    return Step(desk, (SendEvent(owner=entry.thread, event=notice),), consumed=True)


def confirm_from_desk(pack: Pack, facts: Facts, thread: Thread, event: RevealConfirmed) -> Step[Thread]:
    """Take a yes from the desk; what speaks against it is said in the room, where both questions stand."""
    if event.designation != thread.designation:
        return Step(thread)
    thread, out, why = _confirm(facts, thread, event.user)
    return Step(thread, out or (SendMessage(place=THREAD, body=f"{localpart(event.user)} said yes at the desk. {why}"),))


def _confirm(
    facts: Facts, thread: Thread, second: str
) -> tuple[Thread, tuple[RecordAudit | RevealNumber | SendMessage, ...], str]:
    """Return what shows the number, or why it is not shown."""
    question = thread.reveal_request
    if question is None or facts.now > question.until:
        return (
            replace(thread, reveal_request=None),
            (),
            "Nobody asks to see the number, or it was too long ago: !reveal and why.",
        )
    if facts.role(second) is not Role.SUPERVISOR:
        return thread, (), "Only a supervisor can say yes."
    if second == question.by:
        return thread, (), "Somebody else has to say yes: it takes two."
    if question.by != thread.assignment.assignee and facts.role(question.by) is not Role.SUPERVISOR:
        return (
            replace(thread, reveal_request=None),
            (),
            "Whoever asked is not the advocate any more. !reveal and why asks again.",
        )
    notice = f"The number is shown for a minute in the offices of {localpart(question.by)} and {localpart(second)}."
    out = (
        RecordAudit(kind=AuditKind.REVEAL_GRANTED),
        RevealNumber(users=(question.by, second), designation=thread.designation),
        SendMessage(place=THREAD, body=notice),
    )
    return replace(thread, reveal_request=None), out, ""


def _refuse(facts: Facts, thread: Thread, event: MessageSent, why: str) -> Step[Thread]:
    return Step(thread, (mark_as_note(event), *answer(facts, event, why)), consumed=True)
