"""Shows the texter's number: two people, a reason, sixty seconds (design.md, "The life of a thread").

Rules of this module: one person asks, and a supervisor who is another person confirms; both use encrypted commands from
trusted devices, never a reaction. While no other supervisor is on duty, the person on call is paged and the room says so.
Then the agency's policy (`break_glass`) may let a second advocate confirm, or the advocate act alone, with an alarm, a page
and an audit kind of its own. The number is in no aggregate, no action and no thread's room:
`bridge/outbound/number_reveal.py` shows it in the two offices and redacts it. The reason stays in the room in which it was
written (practices.md, "Conflicts").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer, answer_as_note, mark_as_note
from bot.display.ringing import no_supervisor_notice, on_duty
from bot.display.thread_card import localpart
from bot.model.actions import DESK, THREAD, Action, PageOnCall, RevealNumber, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Desk, Facts, RevealRequest, Role, Thread
from bot.model.events import MessageSent
from bot.model.feature import Step, raise_alarm
from bot.model.text_order import is_ahead
from bot.model.thread_desk_events import AlarmKind, RevealConfirmed, RevealRequested
from bot.model.transactional_actions import RecordAudit, SendEvent
from bot.wording.notice import join_notices, notice_of
from policies.pack import BreakGlass, Pack

CONFIRM_WITHIN: Final = 600.0
"""Seconds in which a request can be confirmed."""
REQUEST: Final = "reveal:"
"""The message at the desk that says who asks: `reveal:` and the thread."""
ALONE: Final = "alone"


def ask(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!reveal reason` asks, `yes` confirms, `no` drops the question; `alone reason` needs nobody, where allowed."""
    first, _, reason = command.arguments.partition(" ")
    match command.arguments.casefold():
        case "":
            return answer_as_note(facts, thread, event, notice_of("number_reveal.say_why_reveal_and_the"))
        case "yes":
            thread, out, why = _confirm(pack, facts, thread, event.sender)
            return Step(thread, (mark_as_note(event), *(out or answer(facts, event, why))), consumed=True)
        case "no":
            notice = (
                notice_of("number_reveal.the_question_is_dropped")
                if thread.reveal_request
                else notice_of("number_reveal.nobody_asked_to_see_the")
            )
            over = _report_end(thread) if thread.reveal_request else ()
            thread = replace(thread, reveal_request=None)
            return Step(thread, (mark_as_note(event), *over, *answer(facts, event, notice)), consumed=True)
    if event.sender != thread.assignment.assignee and facts.role(event.sender) is not Role.SUPERVISOR:
        return answer_as_note(facts, thread, event, notice_of("number_reveal.reveal_is_for_the_advocate"))
    others = _others(facts, event.sender)
    if first.casefold() == ALONE:
        return _reveal_alone(pack, facts, thread, event, reason.strip())
    if thread.reveal_request and facts.now < thread.reveal_request.until and thread.reveal_request.by != event.sender:
        return answer_as_note(
            facts,
            thread,
            event,
            notice_of("number_reveal.has_asked_a_supervisor_says", by=localpart(thread.reveal_request.by)),
        )
    request = RevealRequest(by=event.sender, until=facts.now + CONFIRM_WITHIN)
    how = (
        notice_of("number_reveal.another_supervisor_says_reveal_yes")
        if others
        else notice_of(
            "number_reveal.a_supervisor_who_comes_within",
            nobody=no_supervisor_notice(facts),
            ways=_break_glass_notice(pack),
        )
    )
    notice = notice_of("number_reveal.asks_to_see_the_number", sender=localpart(event.sender), how=how)
    desk = RevealRequested(thread=thread.id, designation=thread.designation, by=event.sender)
    called = tuple(user for user in others if user in thread.assignment.members)
    return Step(
        replace(thread, reveal_request=request),
        (
            mark_as_note(event),
            RecordAudit(kind=AuditKind.REVEAL_ASKED),
            SendEvent(owner=DESK, event=desk),
            SendMessage(place=THREAD, body=notice, mentions=called),
        ),
        consumed=True,
    )


def show_request(pack: Pack, facts: Facts, desk: Desk, event: RevealRequested) -> Step[Desk]:
    """Tell the people who can confirm that a person asks, and how to answer; page when no supervisor is on duty."""
    until = 0.0 if event.over else facts.now + CONFIRM_WITHIN
    threads = tuple(replace(entry, reveal_until=until) if entry.thread == event.thread else entry for entry in desk.threads)
    desk = replace(desk, threads=threads)
    if event.over:
        return Step(desk)
    others, asks = _others(facts, event.by), localpart(event.by)
    called = others or tuple(user for user in on_duty(desk.roster) if user != event.by)
    missing = "" if others else join_notices("", (" ", no_supervisor_notice(facts), _break_glass_notice(pack)))
    body = notice_of("number_reveal.asks_to_see_the_number_2", designation=event.designation, asks=asks, missing=missing)
    loud = SendMessage(place=DESK, ref=REQUEST + event.thread, body=body, mentions=called)
    return Step(desk, (loud,) if others else (loud, PageOnCall(reason="reveal")))


def confirm_at_desk(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!reveal yes [designation]`: confirms the request that is named, or replied to, or is the only one."""
    yes, _, name = command.arguments.casefold().partition(" ")
    name = name.strip()
    requests = [entry for entry in desk.threads if facts.now <= entry.reveal_until]
    if name:
        entries = [entry for entry in desk.threads if entry.designation == name]
    elif event.ref.startswith(REQUEST):
        entries = [entry for entry in desk.threads if REQUEST + entry.thread == event.ref]
    else:
        entries = requests
    if yes == "yes" and len(entries) == 1:
        notice = RevealConfirmed(user=event.sender, designation=entries[0].designation)
        return Step(desk, (SendEvent(owner=entries[0].thread, event=notice),), consumed=True)
    if yes != "yes":
        why = notice_of("number_reveal.here_it_is_reveal_yes")
    elif name or event.ref.startswith(REQUEST):
        why = notice_of("number_reveal.no_thread_here_has_that")
    elif requests:
        names = ", ".join(entry.designation for entry in requests)
        why = notice_of("number_reveal.several_ask_to_see_a", names=names)
    else:
        why = notice_of("number_reveal.nobody_asks_to_see_a")
    return Step(desk, answer(facts, event, why), consumed=True)


def confirm_from_desk(pack: Pack, facts: Facts, thread: Thread, event: RevealConfirmed) -> Step[Thread]:
    """Take a confirmation from the desk; a refusal is said in the room, where both parts of the request are."""
    if event.designation != thread.designation:
        return Step(thread)
    thread, out, why = _confirm(pack, facts, thread, event.user)
    return Step(
        thread,
        out
        or (
            SendMessage(
                place=THREAD, body=notice_of("number_reveal.said_yes_at_the_desk", user=localpart(event.user), why=why)
            ),
        ),
    )


def _confirm(pack: Pack, facts: Facts, thread: Thread, second: str) -> tuple[Thread, tuple[Action, ...], str]:
    """Return the actions that show the number, or the reason why it is not shown."""
    question = thread.reveal_request
    # A request from the future is as old as can be: the clock was set back since.
    over = question is None or facts.now > question.until or is_ahead(question.until - CONFIRM_WITHIN, facts.now)
    if question is None or over:
        return (replace(thread, reveal_request=None), (), notice_of("number_reveal.nobody_asks_to_see_the"))
    supervises = facts.role(second) is Role.SUPERVISOR
    if not supervises and (why := _confirmation_refusal(pack, facts, question.by, second)):
        return thread, (), why
    if second == question.by:
        return thread, (), notice_of("number_reveal.somebody_else_has_to_say")
    if question.by != thread.assignment.assignee and facts.role(question.by) is not Role.SUPERVISOR:
        return (replace(thread, reveal_request=None), (), notice_of("number_reveal.whoever_asked_is_not_the"))
    notice = notice_of("number_reveal.the_number_is_shown_for", by=localpart(question.by), second=localpart(second))
    granted: tuple[Action, ...] = (RecordAudit(kind=AuditKind.REVEAL_GRANTED),) if supervises else _audit_and_alarm(thread)
    out = (
        *granted,
        RevealNumber(users=(question.by, second), designation=thread.designation),
        *_report_end(thread),
        SendMessage(place=THREAD, body=notice),
    )
    return replace(thread, reveal_request=None), out, ""


def _confirmation_refusal(pack: Pack, facts: Facts, by: str, second: str) -> str:
    """Say why a person who is no supervisor may not confirm; empty when the agency's policy lets them."""
    if pack.settings.break_glass is BreakGlass.NEVER:
        return notice_of("number_reveal.only_a_supervisor_can_say")
    if _others(facts, by):
        return notice_of("number_reveal.only_a_supervisor_can_say_2")
    return "" if second in on_duty(facts.roster) else notice_of("number_reveal.only_somebody_on_duty_can")


def _reveal_alone(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, reason: str) -> Step[Thread]:
    """Show the number to the person who asks, without a second person."""
    if pack.settings.break_glass is not BreakGlass.ALONE:
        return answer_as_note(facts, thread, event, notice_of("number_reveal.it_takes_two_here_reveal"))
    if _others(facts, event.sender):
        return answer_as_note(facts, thread, event, notice_of("number_reveal.a_supervisor_is_on_duty"))
    if not reason:
        return answer_as_note(facts, thread, event, notice_of("number_reveal.say_why_reveal_alone_and"))
    notice = notice_of("number_reveal.the_number_is_shown_for_2", sender=localpart(event.sender))
    over = _report_end(thread) if thread.reveal_request else ()
    shown = RevealNumber(users=(event.sender,), designation=thread.designation)
    out = (mark_as_note(event), *_audit_and_alarm(thread), shown, *over, SendMessage(place=THREAD, body=notice))
    return Step(replace(thread, reveal_request=None), out, consumed=True)


def _audit_and_alarm(thread: Thread) -> tuple[Action, ...]:
    """Audit and alarm that a number is shown without a supervisor's confirmation."""
    return RecordAudit(kind=AuditKind.REVEAL_BREAK_GLASS), raise_alarm(thread, AlarmKind.BREAK_GLASS)


def _report_end(thread: Thread) -> tuple[Action, ...]:
    """Tell the desk that the request is over."""
    event = RevealRequested(thread=thread.id, designation=thread.designation, by="", over=True)
    return (SendEvent(owner=DESK, event=event),)


def _others(facts: Facts, by: str) -> tuple[str, ...]:
    """Return the supervisors on duty other than the one who asks."""
    return tuple(user for user in facts.supervisors if user != by)


def _break_glass_notice(pack: Pack) -> str:
    """Say what the agency's policy allows while no supervisor is on duty."""
    match pack.settings.break_glass:
        case BreakGlass.SECOND:
            return notice_of("number_reveal.a_second_advocate_on_duty")
        case BreakGlass.ALONE:
            return notice_of("number_reveal.a_second_advocate_on_duty_2")
        case BreakGlass.NEVER:
            return ""
