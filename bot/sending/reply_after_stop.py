"""The one reply that a supervisor may send to a text after a STOP.

Rules of this module: one reply per text that came after the STOP, by a supervisor, in their own words, through an undo
window like any other; where the carrier itself keeps the opt-out there is nothing to send. The guard lets exactly this
reply through, and nothing else (practices.md, "Rules beside the practices").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.commands.parser import ParsedCommand, answer_as_note
from bot.commands.room_notes import would_be_note
from bot.model.actions import THREAD, Action, DeliveryReceipt, Origin, SendMessage, SendSms, ShowReceipt
from bot.model.desk import Facts, Role, Thread
from bot.model.events import MessageRedacted, MessageSent, Outcome, Relation, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.hold_signs import Doubt
from bot.model.thread import ReplyAfterStop
from bot.model.transactional_actions import CancelTimer, SetTimer
from bot.wording.notice import notice_of
from policies.pack import Pack

TIMER: Final = "reply"
NOTHING_TO_REPLY_TO: Final = notice_of("reply_after_stop.there_is_no_text_after")
TOO_LATE: Final = notice_of("reply_after_stop.it_could_not_leave_for")
CONFIRMATIONS: Final = ("!anyway", "!long")
CARRIER_BLOCK: Final = notice_of("reply_after_stop.the_carrier_keeps_this_opt")


def reply(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!reply words` of a supervisor, as one answer to the last text after the STOP."""
    body, sure = _parse_reply(command)
    if (
        why := _cannot_reply(pack, facts, thread, body) or _refusal_reason(pack, facts, thread, event, body, sure)
    ) is not None:
        return answer_as_note(facts, thread, event, why)
    words = ReplyAfterStop(event_id=event.event_id, body=body, author=event.sender, said_at=event.at)
    consent = replace(thread.consent, text_after_stop="", reply=words, reply_ref="")
    if facts.number_gone:  # it was asked about, then
        thread = replace(thread, signs=replace(thread.signs, answered=thread.signs.answered | {Doubt.OTHER_NUMBER}))
    notice = notice_of("reply_after_stop.leaving_in_a_moment_as")
    return Step(
        replace(thread, consent=consent),
        (
            ShowReceipt(place=THREAD, event_id=event.event_id, receipt=DeliveryReceipt.LEAVING),
            SendMessage(place=THREAD, body=notice, reply_to=event.event_id),
            SetTimer(key=TIMER, due=facts.now + pack.settings.undo_seconds),
        ),
        consumed=True,
    )


def edit(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None) -> Step[Thread]:
    """Let the author change the reply while it waits; an edit that is no `!reply` any more cancels it."""
    words = thread.consent.reply
    mine = words is not None and (words.event_id, words.author) == (event.target, event.sender)
    if event.relation is not Relation.EDIT or not mine or words is None:
        return Step(thread)
    body, sure = _parse_reply(command)
    why = (
        _refusal_reason(pack, facts, thread, event, body, sure)
        if body
        else notice_of("reply_after_stop.not_sent_it_is_not")
    )
    if why is not None:
        thread, actions = drop_reply(thread, why, again=True)
        return Step(thread, actions, consumed=True)
    words = replace(words, body=body, edit_event_id=event.event_id)
    again = SetTimer(key=TIMER, due=facts.now + pack.settings.undo_seconds)
    return Step(replace(thread, consent=replace(thread.consent, reply=words)), (again,), consumed=True)


def retract(pack: Pack, facts: Facts, thread: Thread, event: MessageRedacted) -> Step[Thread]:
    """Let the author take the reply back; then the text that it answers may be replied to once more."""
    words = thread.consent.reply
    if words is None and facts.role(event.sender) is Role.SUPERVISOR:
        return Step(retract_redacted(thread, event.target)[0])
    if words is None or event.target not in (words.event_id, words.edit_event_id) or event.sender != words.author:
        return Step(thread)
    consent = replace(thread.consent, reply=None, text_after_stop=words.event_id)
    mark = ShowReceipt(place=THREAD, event_id=words.event_id, receipt=DeliveryReceipt.RETRACTED)
    return Step(replace(thread, consent=consent), (mark, CancelTimer(key=TIMER)), consumed=True)


def send(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Let the reply leave once its undo window is over, if its author is still a supervisor."""
    if event.key != TIMER:
        return Step(thread)
    words = thread.consent.reply
    if words is None:
        return Step(thread, consumed=True)
    author = facts.member(words.author)
    if author is None or author.role is not Role.SUPERVISOR or author.may_be_another(words.said_at):
        thread, actions = drop_reply(thread, notice_of("reply_after_stop.whoever_said_it_does_not"), again=True)
        return Step(thread, actions, consumed=True)
    ref = f"say:{words.event_id}"
    text = SendSms(
        ref=ref, body=words.body, origin=Origin.REPLY_AFTER_STOP, epoch=thread.assignment.epoch, since=words.said_at
    )
    going = replace(thread, consent=replace(thread.consent, reply=None, reply_ref=ref, reply_edit=words.edit_event_id))
    if (why := guard.may_send(pack, going, text, facts.now, facts.designations)) is not None:
        thread, actions = drop_reply(thread, why, again=True)
        return Step(thread, actions, consumed=True)
    return Step(going, (text,), consumed=True)


def note_outcome(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Allow another reply when this one surely did not reach the phone."""
    if event.ref != thread.consent.reply_ref or not event.ref:
        return Step(thread)
    if event.outcome not in (Outcome.LATE, Outcome.REFUSED, Outcome.REJECTED):
        return Step(thread)
    thread = replace(thread, consent=replace(thread.consent, text_after_stop=event.ref, reply_ref=""))
    if event.outcome is not Outcome.LATE:
        return Step(thread)
    event_id = event.ref.removeprefix("say:")
    mark = ShowReceipt(place=THREAD, event_id=event_id, receipt=DeliveryReceipt.NOT_SENT)
    return Step(
        thread,
        (mark, SendMessage(place=THREAD, body=notice_of("sending.not_sent", why=TOO_LATE), reply_to=event_id)),
        consumed=True,
    )


def drop_reply(thread: Thread, why: str, *, again: bool = False) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel a reply that has not left, and say so. `again`: the text that it answers may be replied to once more.

    One that waits for its turn at the carrier is refused there: it may have left, so it is no other reply's turn.
    """
    words = thread.consent.reply
    if words is None:
        return replace(thread, consent=replace(thread.consent, reply_ref="")), ()
    consent = replace(thread.consent, reply=None, text_after_stop=words.event_id if again else "")
    mark = ShowReceipt(place=THREAD, event_id=words.event_id, receipt=DeliveryReceipt.NOT_SENT)
    notice = SendMessage(place=THREAD, body=notice_of("sending.not_sent", why=why), reply_to=words.event_id)
    return replace(thread, consent=consent), (mark, notice, CancelTimer(key=TIMER))


def retract_redacted(thread: Thread, event_id: str) -> tuple[Thread, tuple[Action, ...]]:
    """Stop the reply that a person redacted, or its last edit, in its undo window or on its way to the carrier."""
    if thread.consent.reply is not None and thread.consent.reply.event_id == event_id:
        return drop_reply(thread, notice_of("reply_after_stop.it_was_taken_out_of"), again=True)
    if thread.consent.reply_ref == f"say:{event_id}" or (event_id and thread.consent.reply_edit == event_id):
        thread = replace(thread, consent=replace(thread.consent, reply_ref=""))
    return thread, ()


def _cannot_reply(pack: Pack, facts: Facts, thread: Thread, body: str) -> str | None:
    consent = thread.consent
    if not pack.settings.reply_after_stop:
        return notice_of("reply_after_stop.this_line_sends_no_replies")
    if not consent.stopped:
        return notice_of("reply_after_stop.nothing_is_stopped_here_the")
    if consent.carrier_block:
        return notice_of("sending.not_sent", why=CARRIER_BLOCK)
    if not consent.text_after_stop or consent.reply is not None:
        return NOTHING_TO_REPLY_TO
    if not body:
        return notice_of("reply_after_stop.say_reply_and_the_words")
    why = guard.UNSAFE if thread.flags.unsafe else guard.BLOCKED if thread.consent.blocked_until else None
    why = why or guard.lock_reason(pack, thread, body)
    return notice_of("sending.not_sent", why=why) if why else None


def _parse_reply(command: ParsedCommand | None) -> tuple[str, frozenset[str]]:
    """Return the words of a `!reply`, and the second commands before them; no words when it is none."""
    if command is None or command.name != "reply":
        return "", frozenset()
    body, sure = command.words, set()
    while (first := body.split(maxsplit=1)) and first[0].casefold() in CONFIRMATIONS:
        sure.add(first[0].casefold())
        body = first[1] if len(first) > 1 else ""
    return body, frozenset(sure)


def _refusal_reason(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, body: str, sure: frozenset[str]
) -> str | None:
    """Say why these words are not for a phone: the rules for the assignee's words apply.

    Rule: design.md, "Who is heard".
    """
    if (why := guard.leak_reason(pack, body, facts.designations)) is not None:
        return why
    if would_be_note(event, body):
        return notice_of("reply_after_stop.not_sent_words_that_are")
    reasons = guard.doubts(pack, facts, thread, body, event.sender, own=True)
    moment = guard.describe_doubts(facts, thread, reasons, body, command="reply !anyway") if reasons else None
    doubts = (
        ("!long", guard.too_long(pack, body)),
        ("!anyway", guard.warning(body, differs=event.differs)),
        ("!anyway", moment),
    )
    doubt = next(((word, why) for word, why in doubts if why is not None and word not in sure), None)
    return (
        notice_of("reply_after_stop.not_sent_here_reply_and", why=doubt[1], doubt=doubt[0]) if doubt is not None else None
    )
