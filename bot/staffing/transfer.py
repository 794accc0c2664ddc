"""The commands in a thread's room about people: transfer, invite, call supervisors, take over, give back, go off duty.

Rules of this module: an offer changes nothing until it is accepted. The desk alone makes a person the assignee, so there is
exactly one at any time. A person who is brought in gets the keys that they need to read before they are invited.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import UNKNOWN_MEMBER, ParsedCommand, answer, answer_as_note, find_member, mark_as_note
from bot.display.ringing import no_supervisor_notice
from bot.display.thread_card import localpart
from bot.model.actions import DESK, OFFICE, THREAD, Action, Invite, KickMember, SendMessage
from bot.model.desk import Facts, Role, Thread
from bot.model.events import MessageRedacted, MessageSent, ReactionAdded, TimerDue
from bot.model.feature import Step, raise_alarm
from bot.model.hold_signs import Doubt
from bot.model.thread import TransferOffer
from bot.model.thread_desk_events import (
    AlarmKind,
    AssignmentKind,
    AssignmentRefused,
    ClaimRequested,
    ListenRequested,
    OffDutyRequested,
    OfferChanged,
)
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.staffing.assignment import OFFER, note_offer_end, release_to_queue, withdraw
from bot.staffing.wellbeing import TALK, TALK_LATER
from bot.wording.notice import READ, Notice, in_language, join_notices, notice_of, pack_notice
from policies.pack import Pack, TextName

INTERPRETER_TIMER: Final = "seat:"
INTERPRETER_SECONDS: Final = 7_200.0
"""Seconds after which an interpreter's time ends."""
YES, NO = "✅", "❌"
EVERYBODY: Final = frozenset({"all", "everybody", "everyone", "anybody", "anyone", "todos", "todas"})
"""Words for an offer to all; a member with such a name is named by their whole id."""
TO: Final = frozenset({"to", "a", "al"})
"""Words that people put before the person whom they name."""


def offer_transfer(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!transfer`: offers the thread to one person or to all, or takes an offer back."""
    first, _, note = _split_person(command.arguments)
    assignee = thread.assignment.assignee
    if assignee is None:
        return answer_as_note(facts, thread, event, notice_of("transfer.it_is_with_nobody_it"))
    if first.casefold() == "nobody":
        if thread.assignment.offer is None:
            return answer_as_note(facts, thread, event, notice_of("transfer.nothing_is_offered_here_so"))
        thread, actions = withdraw(facts, thread, notice_of("transfer.was_taken_back"))
        return Step(thread, (mark_as_note(event), *actions), consumed=True)
    everybody = first.casefold() in EVERYBODY
    to = "" if everybody else find_member(facts, event, first)
    if to is None:
        return answer_as_note(facts, note_offer_end(facts, thread), event, UNKNOWN_MEMBER)
    if to and (why := _cannot_take(pack, facts, thread, event.sender, to)):
        return answer_as_note(facts, note_offer_end(facts, thread), event, why)
    thread, before = (
        withdraw(facts, thread, notice_of("transfer.was_replaced")) if thread.assignment.offer else (thread, ())
    )
    offer = TransferOffer(to=to, by=event.sender, until=facts.now + pack.settings.offer_stands, event_id=event.event_id)
    answered_doubts = thread.signs.answered - {Doubt.OFFER}
    assignment, signs = replace(thread.assignment, offer=offer), replace(thread.signs, answered=answered_doubts)
    thread = replace(thread, assignment=assignment, signs=signs)
    whom = localpart(to) if to else notice_of("transfer.everybody_at_the_desk")
    how = notice_of("transfer.or_accept_takes_it_or", yes=YES, no=NO) if to else notice_of("transfer.at_the_desk_on_its")
    heard = localpart(assignee)
    quiet = note.casefold().split()[:1] == ["quiet"]
    why = " ".join(note.split()[1:] if quiet else note.split())
    said = f" ({why})" if why else ""
    body = notice_of(
        "transfer.offers_this_thread_to_until",
        sender=localpart(event.sender),
        whom=join_notices("", (whom, said)),
        how=how,
        heard=heard,
    )
    notice: list[Action] = [mark_as_note(event), *before]
    notice += [Invite(user=to)] if to else [SendEvent(owner=DESK, event=OfferChanged(thread=thread.id, open=True))]
    whom_too, reactions = ((to,), (YES, NO)) if to else ((), ())
    notice.append(SendMessage(place=THREAD, ref=OFFER, body=body, mentions=whom_too, reactions=reactions))
    if not quiet:
        handover = pack.say(TextName.HANDOVER, thread.consent.language)
        notice.append(SendMessage(place=THREAD, body=notice_of("transfer.ready_for_the_phone_say", handover=handover)))
    return Step(thread, (*notice, SetTimer(key=OFFER, due=offer.until)), consumed=True)


def accept(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!accept` and `!decline`: accepts, or declines, the thread that one is offered."""
    if (why := _cannot_answer(facts, thread, event.sender)) is not None:
        return answer_as_note(facts, thread, event, why)
    thread, actions = _answer_offer(facts, thread, event.sender, yes=command.name == "accept")
    return Step(thread, (mark_as_note(event), *actions), consumed=True)


def answer_by_reaction(pack: Pack, facts: Facts, thread: Thread, event: ReactionAdded) -> Step[Thread]:
    """Accept or decline an offer by a tap on it. A tap never releases a text."""
    yes = event.key.startswith(YES)
    if event.target != OFFER or not (yes or event.key.startswith(NO)):
        return Step(thread)
    if facts.role(event.sender) is None:
        return Step(thread)
    if (why := _cannot_answer(facts, thread, event.sender)) is not None:
        return Step(thread, answer(facts, event, join_notices(": ", (localpart(event.sender), _lower_first_letter(why)))))
    if not event.trusted:
        return Step(
            thread,
            answer(facts, event, notice_of("transfer.verify_your_device_first_then", sender=localpart(event.sender))),
        )
    return Step(*_answer_offer(facts, thread, event.sender, yes=yes))


def end_offer(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """End an offer, or an interpreter's time."""
    if event.key == OFFER and (offer := thread.assignment.offer) is not None:
        if offer.until > facts.now:
            return Step(thread, (SetTimer(key=OFFER, due=offer.until),), consumed=True)
        return Step(*withdraw(facts, thread, notice_of("transfer.has_run_out")), consumed=True)
    if (
        event.key.startswith(INTERPRETER_TIMER)
        and (user := event.key.removeprefix(INTERPRETER_TIMER)) in thread.assignment.interpreters
    ):
        assignment = replace(thread.assignment, interpreters=thread.assignment.interpreters - {user})
        notice = SendMessage(place=THREAD, body=notice_of("transfer.s_seat_as_interpreter_has", user=localpart(user)))
        return Step(replace(thread, assignment=assignment), (KickMember(user=user), notice), consumed=True)
    return Step(thread)


def withdraw_redacted(pack: Pack, facts: Facts, thread: Thread, event: MessageRedacted) -> Step[Thread]:
    """Take an offer back when its author redacts the message that made it."""
    offer = thread.assignment.offer
    if offer is None or event.target != offer.event_id or event.sender != offer.by:
        return Step(thread)
    return Step(*withdraw(facts, thread, notice_of("transfer.was_taken_back")))


def bring_in(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!with @who [interpreter]`: invites a person."""
    who, _, rest = _split_person(command.arguments)
    user = find_member(facts, event, who)
    if user is None or user == event.sender:
        return answer_as_note(
            facts, thread, event, UNKNOWN_MEMBER if user is None else notice_of("transfer.you_are_here_already_say")
        )
    if user == thread.assignment.assignee:
        return answer_as_note(facts, thread, event, notice_of("transfer.is_the_advocate_and_stays", user=localpart(user)))
    if not _is_on_duty(facts, user):
        return answer_as_note(facts, thread, event, notice_of("transfer.is_off_duty_say_with", user=localpart(user)))
    actions: tuple[Action, ...] = (mark_as_note(event), Invite(user=user))
    others = thread.assignment.interpreters - {user}
    seat: Action = CancelTimer(key=INTERPRETER_TIMER + user)
    if rest.strip().casefold() == "interpreter":
        others, seat = others | {user}, SetTimer(key=INTERPRETER_TIMER + user, due=facts.now + INTERPRETER_SECONDS)
    thread = replace(thread, assignment=replace(thread.assignment, interpreters=others))
    actions += (seat,)
    notice = notice_of("transfer.is_asked_in_to_read", user=localpart(user))
    return Step(thread, (*actions, *answer(facts, event, notice)), consumed=True)


def escalate(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!escalate [why]`: calls the supervisors on duty into the room.

    The reason is repeated here: a person who joins later can read our messages, and not what colleagues said before.
    """
    called = [user for user in facts.supervisors if user != event.sender]
    alarm = raise_alarm(thread, AlarmKind.ESCALATED, by=event.sender)
    body = (
        notice_of("transfer.called_they_read_everything_from", users=", ".join(localpart(user) for user in called))
        if called
        else notice_of("transfer.the_desk_was_told", nobody_decides=no_supervisor_notice(facts))
    )
    if why := command.arguments.strip():
        body = join_notices(" ", (body, notice_of("transfer.says_why", sender=localpart(event.sender), why=why)))
    invited = tuple(Invite(user=user) for user in called)
    return Step(thread, (mark_as_note(event), *invited, alarm, *answer(facts, event, body)), consumed=True)


def claim(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!claim` in a thread's own room: this thread, if it waits or is offered to everybody; the desk decides."""
    assignee, offer = thread.assignment.assignee, thread.assignment.offer
    if assignee == event.sender:
        return answer_as_note(facts, thread, event, notice_of("transfer.this_thread_is_with_you"))
    if assignee is not None and (offer is None or offer.to):
        return answer_as_note(facts, thread, event, notice_of("transfer.it_is_with_ask_for", assignee=localpart(assignee)))
    return _request(facts, thread, event, event.sender, AssignmentKind.CLAIMED)


def off(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!off` in a thread's room: the desk takes nobody off duty who is the assignee of a thread."""
    if count := facts.load.get(event.sender, 0):
        why = notice_of("transfer.first_hand_over_transfer_or", count=count)
        return answer_as_note(facts, thread, event, why)
    notice = answer(facts, event, notice_of("transfer.you_are_off_duty_nobody"))
    request = SendEvent(owner=DESK, event=OffDutyRequested(user=event.sender))
    return Step(thread, (mark_as_note(event), request, *notice), consumed=True)


def take(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!take`: a supervisor takes the thread over."""
    if event.sender == thread.assignment.assignee:
        return answer_as_note(facts, thread, event, notice_of("transfer.this_thread_is_with_you"))
    return _request(facts, thread, event, event.sender, AssignmentKind.TAKEN_OVER)


def speak(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!speak`: take the thread back from the supervisor who took it."""
    assignment, sender = thread.assignment, event.sender
    if sender == assignment.assignee:
        return answer_as_note(facts, thread, event, notice_of("transfer.this_thread_is_with_you"))
    if sender != assignment.taken_from:
        return answer_as_note(facts, thread, event, notice_of("transfer.no_supervisor_took_this_thread"))
    return _request(facts, thread, event, sender, AssignmentKind.ACCEPTED)


def listen(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!listen`: a supervisor gives the thread back to the person they took it from, and stays."""
    assignment = thread.assignment
    if event.sender != assignment.assignee or assignment.taken_from is None:
        return answer_as_note(facts, thread, event, notice_of("transfer.you_are_here_to_read"))
    if not _is_on_duty(facts, assignment.taken_from):
        why = notice_of("transfer.is_off_duty_transfer_it", taken_from=localpart(assignment.taken_from))
        return answer_as_note(facts, thread, event, why)
    return _request(facts, thread, event, assignment.taken_from, AssignmentKind.RETURNED)


def release(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!release [queue]`: gives the thread back to the person it was taken from, or to the queue."""
    assignment, sender = thread.assignment, event.sender
    to_queue = command.arguments.casefold() == "queue"
    if sender != assignment.assignee and (assignment.assignee is None or not to_queue):
        why = (
            notice_of("transfer.release_queue_takes_it_from")
            if assignment.assignee
            else notice_of("transfer.it_is_in_the_queue")
        )
        return answer_as_note(facts, thread, event, why)
    if to_queue:
        thread, actions = release_to_queue(
            thread, facts, notice_of("transfer.put_the_thread_back_into", sender=localpart(sender))
        )
        return Step(thread, (mark_as_note(event), *actions), consumed=True)
    if assignment.taken_from is not None and _is_on_duty(facts, assignment.taken_from):
        return _request(facts, thread, event, assignment.taken_from, AssignmentKind.RETURNED)
    thread, actions = release_to_queue(thread, facts, notice_of("transfer.the_thread_was_released"))
    return Step(thread, (mark_as_note(event), *actions), consumed=True)


def offer_debrief(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!debrief` offers a talk, out of colleagues' sight."""
    talk = TALK if any(user != event.sender for user in facts.supervisors) else TALK_LATER
    offer = notice_of("transfer.some_conversations_stay_with_one", talk=talk)
    return Step(thread, (mark_as_note(event), SendMessage(place=OFFICE + event.sender, body=offer)), consumed=True)


def invite_listener(pack: Pack, facts: Facts, thread: Thread, event: ListenRequested) -> Step[Thread]:
    """Invite a supervisor who wants to read along."""
    return Step(thread, (Invite(user=event.user),))


def explain_refusal(pack: Pack, facts: Facts, thread: Thread, event: AssignmentRefused) -> Step[Thread]:
    """Say why a person did not become the assignee."""
    return Step(
        thread,
        (
            SendMessage(
                place=THREAD,
                body=notice_of("transfer.is_not_the_advocate", user=localpart(event.user), reason=event.reason),
            ),
        ),
    )


def _request(facts: Facts, thread: Thread, event: MessageSent, user: str, how: AssignmentKind) -> Step[Thread]:
    beyond = facts.role(event.sender) is Role.SUPERVISOR
    request = SendEvent(owner=DESK, event=ClaimRequested(thread=thread.id, user=user, how=how, over_cap=beyond))
    return Step(thread, (mark_as_note(event), request), consumed=True)


def _cannot_take(pack: Pack, facts: Facts, thread: Thread, by: str, to: str) -> str | None:
    if to == thread.assignment.assignee:
        return notice_of("transfer.is_the_advocate_already", to=localpart(to))
    if not _is_on_duty(facts, to):
        return notice_of("transfer.is_off_duty_say_transfer", to=localpart(to))
    if facts.load.get(to, 0) >= pack.settings.cap and facts.role(by) is not Role.SUPERVISOR:
        full = notice_of("transfer.has_threads_open_the_most", to=localpart(to), cap=pack.settings.cap)
        return notice_of("transfer.a_supervisor_may_all_the", full=full)
    return None


def _cannot_answer(facts: Facts, thread: Thread, user: str) -> str | None:
    offer = thread.assignment.offer
    if offer is None or offer.until <= facts.now:
        return notice_of("transfer.nothing_is_offered_here_or")
    if not offer.to:
        return notice_of("transfer.it_is_offered_to_everybody")
    return None if offer.to == user else notice_of("transfer.it_is_offered_to_somebody")


def _answer_offer(facts: Facts, thread: Thread, user: str, *, yes: bool) -> tuple[Thread, tuple[Action, ...]]:
    offer = thread.assignment.offer
    if not yes or offer is None:
        return withdraw(facts, thread, notice_of("transfer.was_declined_by", user=localpart(user)))
    # An accepted offer is over: nobody accepts it twice, and it cannot be taken back any more.
    # The desk may still refuse it.
    thread = note_offer_end(facts, replace(thread, assignment=replace(thread.assignment, offer=None)))
    beyond = facts.role(offer.by) is Role.SUPERVISOR
    request = ClaimRequested(thread=thread.id, user=user, how=AssignmentKind.ACCEPTED, over_cap=beyond)
    return thread, (SendEvent(owner=DESK, event=request), CancelTimer(key=OFFER))


def _lower_first_letter(why: str) -> str:
    """Return words that follow a name, with a lower-case first letter."""
    said = why[0].lower() + why[1:]
    return pack_notice(
        said,
        {language: _lower_first_letter(in_language(why, language)) for language in READ[1:]}
        if isinstance(why, Notice)
        else {},
    )


def _is_on_duty(facts: Facts, user: str) -> bool:
    member = facts.member(user)
    return member is not None and member.on_duty


def _split_person(arguments: str) -> tuple[str, str, str]:
    """Split the person whom a command names from the words behind: "to ben she is tired"."""
    first, space, rest = arguments.partition(" ")
    return rest.partition(" ") if rest and first.casefold() in TO else (first, space, rest)
