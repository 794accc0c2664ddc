"""Delivery receipts: at most one current mark on each of the assignee's messages, and never none.

Rule of this module: a receipt only moves forward, so that a report out of order changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot import guard
from bot.model.actions import THREAD, Action, DeliveryReceipt, SendMessage, SendSms, ShowReceipt
from bot.model.desk import Facts, Thread
from bot.model.events import Outcome, TextOutcome
from bot.model.feature import Step, raise_alarm
from bot.model.thread import HeldReason, HeldText, SentText
from bot.model.thread_desk_events import AlarmKind
from bot.sending.held_texts import MAX_HELD
from bot.sending.retraction import ALREADY_SENT, retraction_outcome
from bot.wording.notice import notice_of
from policies.pack import Pack

RECEIPTS: Final = {
    Outcome.ACCEPTED: DeliveryReceipt.SENT,
    Outcome.DELIVERED: DeliveryReceipt.DELIVERED,
    Outcome.REJECTED: DeliveryReceipt.NOT_SENT,
    Outcome.OPTED_OUT: DeliveryReceipt.NOT_SENT,
    Outcome.FAILED: DeliveryReceipt.NOT_SENT,
    Outcome.UNKNOWN: DeliveryReceipt.UNKNOWN,
    Outcome.LATE: DeliveryReceipt.HELD,
    Outcome.REFUSED: DeliveryReceipt.NOT_SENT,
}
RANK: Final = {
    DeliveryReceipt.LEAVING: 0,
    DeliveryReceipt.UNKNOWN: 1,
    DeliveryReceipt.SENT: 2,
    DeliveryReceipt.HELD: 3,
    DeliveryReceipt.NOT_SENT: 3,
    DeliveryReceipt.RETRACTED: 3,
    # A carrier that gave up and then reports delivery was wrong the first time: the phone has it.
    DeliveryReceipt.DELIVERED: 4,
}
ENDS_HOLD: Final = frozenset({Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.OPTED_OUT})
"""Outcomes after which nothing of a text is held any more: it left after all, or must not leave again."""

OUTCOME_TEXTS: Final = {
    Outcome.REJECTED: "delivery_receipts.not_sent_the_carrier_refused",
    Outcome.OPTED_OUT: "delivery_receipts.not_sent_the_carrier_says",
    Outcome.FAILED: "delivery_receipts.not_delivered_the_carrier_gave",
    Outcome.UNKNOWN: "delivery_receipts.unknown_it_may_or_may",
    Outcome.LATE: "delivery_receipts.held_it_could_not_leave",
    Outcome.REFUSED: "delivery_receipts.not_sent_when_it_was",
}

AUTO_REPLY_LATE: Final = notice_of("delivery_receipts.the_automatic_answer_did_not")

RESENDABLE: Final = {Outcome.UNKNOWN: HeldReason.UNKNOWN, Outcome.LATE: HeldReason.LATE, Outcome.FAILED: HeldReason.UNKNOWN}
"""Outcomes after which a person may send it again by one command."""


def event_id_of(ref: str) -> str:
    """Return the event id of the advocate's message that a text came from; empty for an automatic reply."""
    kind, _, event_id = ref.partition(":")
    return event_id if kind == "say" else ""


def first_accepted(thread: Thread, event: TextOutcome) -> SentText | None:
    """Return the assignee's words that the carrier took, by the first report that says so; else None."""
    return first_report(thread, event) if event.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED) else None


def first_report(thread: Thread, event: TextOutcome) -> SentText | None:
    """Return the assignee's words for which this is the first report whether the carrier took them; else None."""
    if not (event_id := event_id_of(event.ref)):
        return None
    words = next((words for words in thread.sending.sent if words.event_id == event_id), None)
    return (
        words
        if words is not None and DeliveryReceipt[words.receipt] in (DeliveryReceipt.LEAVING, DeliveryReceipt.UNKNOWN)
        else None
    )


def late_failure(thread: Thread, event: TextOutcome) -> SentText | None:
    """Return the assignee's words that the carrier had taken and gives up with this report; else None."""
    words = _sent_text(thread, event)
    is_sent = words is not None and DeliveryReceipt[words.receipt] is DeliveryReceipt.SENT
    return words if is_sent and RECEIPTS[event.outcome] is DeliveryReceipt.NOT_SENT else None


def late_delivery(thread: Thread, event: TextOutcome) -> SentText | None:
    """Return the assignee's words that the carrier had given up, and that this report calls delivered; else None."""
    words = _sent_text(thread, event)
    gave_up = words is not None and DeliveryReceipt[words.receipt] is DeliveryReceipt.NOT_SENT
    return words if gave_up and event.outcome is Outcome.DELIVERED else None


def _sent_text(thread: Thread, event: TextOutcome) -> SentText | None:
    event_id = event_id_of(event.ref)
    return next((words for words in thread.sending.sent if event_id and words.event_id == event_id), None)


def show_outcome(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Move the receipt forward and say in words what a person has to know."""
    if event.outcome is Outcome.ACCEPTED:
        thread = replace(thread, lifecycle=replace(thread.lifecycle, last_outbound=facts.now))
    code = notice_of("delivery_receipts.code", code=event.code) if event.code else ""
    key = OUTCOME_TEXTS.get(event.outcome)
    words = "" if key is None else notice_of(key, code=code)
    # A carrier that acts on STOP itself refuses the confirmation of each one, of which the desk has just heard.
    of_stop = thread.consent.stopped and event.ref == thread.consent.confirmation_ref
    alarms = tuple(
        raise_alarm(thread, alarm)
        for happened, alarm in ((Outcome.UNKNOWN, AlarmKind.UNKNOWN_SEND), (Outcome.OPTED_OUT, AlarmKind.OPTED_OUT))
        if event.outcome is happened and not (of_stop and happened is Outcome.OPTED_OUT)
    )
    event_id = event_id_of(event.ref)
    if not event_id:
        words = (
            AUTO_REPLY_LATE
            if event.outcome is Outcome.LATE
            else notice_of("delivery_receipts.the_automatic_answer", words=words)
            if words
            else ""
        )
        notice = (SendMessage(place=THREAD, body=words),) if words else ()
        return Step(thread, (*notice, *alarms))
    new, is_taken = RECEIPTS[event.outcome], event.outcome in (Outcome.ACCEPTED, Outcome.DELIVERED)
    old = next((each for each in thread.sending.sent if each.event_id == event_id), None)
    waiting = tuple(each for each in thread.sending.pending if each.event_id != event_id)
    if len(waiting) < len(thread.sending.pending):
        # A late report of the first time, while the words wait to leave again.
        if not is_taken:
            return Step(thread, alarms)
        words = ALREADY_SENT
    elif old is not None and old.retracted:
        new, words = retraction_outcome(event.outcome, new, words)
    if old is not None and RANK[new] <= RANK[DeliveryReceipt[old.receipt]]:
        return Step(thread)
    is_leaving = old is not None and old.receipt == DeliveryReceipt.LEAVING.name
    if old is not None and is_leaving and old.repeats and event.outcome is Outcome.FAILED:
        # The result of this time comes before its report, so the first time failed: nothing is to be said again.
        return Step(thread)
    others = tuple(each for each in thread.sending.sent if each is not old)
    settled = SentText(
        event_id=event_id,
        receipt=new.name,
        name=old.name if old else "",
        author=old.author if old else "",
        # The result of this time comes before its report, so this is a report of the first time: it must not leave again.
        retracted=event.outcome is Outcome.DELIVERED and is_leaving,
        taken_at=((old.taken_at if old else 0.0) or facts.now) if is_taken else 0.0,
        edit_event_id=old.edit_event_id if old else "",
    )
    sending = replace(thread.sending, sent=(*others, settled), pending=waiting)
    if event.outcome in ENDS_HOLD:
        sending = replace(sending, held=tuple(h for h in sending.held if h.event_id != event_id))
    heard = old is not None and old.author == thread.assignment.assignee and not old.retracted
    if old is not None and old.body and heard and (reason := RESENDABLE.get(event.outcome)) is not None:
        again = HeldText(
            event_id=event_id,
            body=old.body,
            author=old.author,
            reason=reason,
            name=old.name,
            edit_event_id=old.edit_event_id,
            held_since=facts.now,
        )
        sending = replace(sending, held=(*(h for h in sending.held if h.event_id != event_id), again)[-MAX_HELD:])
    actions: tuple[Action, ...] = (ShowReceipt(place=THREAD, event_id=event_id, receipt=new),)
    if words:
        actions += (SendMessage(place=THREAD, body=words, reply_to=event_id),)
    return Step(replace(thread, sending=sending), (*actions, *alarms))


def without_refused(pack: Pack, facts: Facts, thread: Thread, actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return the actions without texts that the guard refuses; the message that such a text came from is marked."""
    return tuple(each for action in actions for each in _without_refused(pack, facts, thread, action))


def _without_refused(pack: Pack, facts: Facts, thread: Thread, action: Action) -> tuple[Action, ...]:
    if not isinstance(action, SendSms) or guard.may_send(pack, thread, action, facts.now, facts.designations) is None:
        return (action,)
    if event_id := event_id_of(action.ref):
        return (ShowReceipt(place=THREAD, event_id=event_id, receipt=DeliveryReceipt.NOT_SENT),)
    return ()
