"""What a thread tells the desk about a drill: facts that the line knows anyway, and what was sent to the phone.

Rules of this module: a thread belongs to a drill when its text came from a drill's handset, which only the rehearsal
carrier reports. It is treated like any other thread, except that the audit does not note it and no counter counts it. What
happened is derived from audit entries that would be noted and from outcomes, never from an advocate's words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.lifecycle.retention import park_now, park_soon
from bot.model.actions import DESK, Action, SendSms
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Facts, Thread
from bot.model.events import Event, MessageSent, Outcome, TextArrived, TextOutcome
from bot.model.feature import Step
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import DrillEnded, DrillReported
from bot.model.transactional_actions import IncrementCounter, RecordAudit, SendEvent
from bot.sending.delivery_receipts import event_id_of, first_accepted
from bot.wording.notice import notice_of
from policies.drills.script import DrillFact
from policies.pack import COVER_LINES, Pack, TextName

BY_KIND: Final = {
    AuditKind.CLAIM: DrillFact.CLAIMED,
    AuditKind.TRANSFER: DrillFact.TRANSFERRED,
    AuditKind.RELEASE: DrillFact.RELEASED,
    AuditKind.LIMITS: DrillFact.LIMITS,
    AuditKind.TOLD_LIMITS: DrillFact.LIMITS,
    AuditKind.DEVICE: DrillFact.TIPS,
    AuditKind.TIPS_IPHONE: DrillFact.TIPS,
    AuditKind.TIPS_ANDROID: DrillFact.TIPS,
    AuditKind.RIGHTS: DrillFact.RIGHTS,
    AuditKind.TOLD_RIGHTS: DrillFact.RIGHTS,
    AuditKind.OPTIONS: DrillFact.OPTIONS,
    AuditKind.SAFE_CHECK: DrillFact.SAFE_CHECK,
    AuditKind.TOLD_SAFE_CHECK: DrillFact.SAFE_CHECK,
    AuditKind.SWITCH: DrillFact.SWITCH,
    AuditKind.LATER: DrillFact.LATER,
    AuditKind.URGENT: DrillFact.URGENT,
    AuditKind.DIFFERENT: DrillFact.DIFFERENT,
    AuditKind.HANDOVER: DrillFact.HANDOVER,
    AuditKind.CLOSING: DrillFact.CLOSING,
    AuditKind.UNSAFE: DrillFact.UNSAFE,
    AuditKind.SAFE: DrillFact.SAFE,
    AuditKind.ESCALATED: DrillFact.ESCALATED,
    AuditKind.REVEAL_ASKED: DrillFact.REVEAL,
    AuditKind.STOPPED: DrillFact.STOPPED,
    AuditKind.RESUMED: DrillFact.RESUMED,
    AuditKind.BLOCKED: DrillFact.BLOCKED,
    AuditKind.DURESS: DrillFact.DURESS,
    AuditKind.CLOSE: DrillFact.CLOSED,
    AuditKind.END: DrillFact.CLOSED,
}
"""Audit kinds that a script may ask for."""
REACHED: Final = frozenset({Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.UNKNOWN})
"""Outcomes after which a text counts as read: it may be on the phone."""


def note_drill(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Note that a text came from a handset of a drill."""
    return Step(replace(thread, drill=event.drill) if event.drill else thread)


def report(
    pack: Pack, facts: Facts, before: Thread, thread: Thread, event: Event, actions: tuple[Action, ...]
) -> tuple[Action, ...]:
    """Return the report to the desk after a decision; nothing when the thread is no drill's, or there is no news."""
    tag = thread.drill or before.drill
    if not tag:
        return ()
    drill_facts = _facts(pack, before, thread, event, actions)
    texts = tuple((action.ref, action.body) for action in actions if isinstance(action, SendSms))
    outcome = (event.ref, event.outcome in REACHED) if isinstance(event, TextOutcome) else ("", False)
    came = facts.now if isinstance(event, TextArrived) else 0.0
    # An edit says its words once more.
    waited = {(words.event_id, words.edit_event_id) for words in before.sending.pending}
    said = [words for words in thread.sending.pending if (words.event_id, words.edit_event_id) not in waited]
    if not (drill_facts or said or texts or outcome[0] or came):
        return ()
    drill_report = DrillReported(
        tag=tag,
        thread=thread.id,
        user=thread.assignment.assignee or "",
        facts=tuple(drill_facts),
        came=came,
        said=tuple(f"say:{words.event_id}" for words in said),
        said_at=event.at if isinstance(event, MessageSent) else facts.now,
        sent=texts,
        outcome=outcome,
    )
    return (SendEvent(owner=DESK, event=drill_report),)


def without_records(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Leave out the audit entries and counts of a drill: how a person practised is in no audit and no report."""
    return tuple(action for action in actions if not isinstance(action, RecordAudit | IncrementCounter))


def close_thread(pack: Pack, facts: Facts, thread: Thread, event: DrillEnded) -> Step[Thread]:
    """Close the thread of a drill that is over, as `!close` does; at once if it has no assignee."""
    if not thread.drill or thread.drill != event.tag or thread.lifecycle.state is ThreadState.PARKED:
        return Step(thread)
    if thread.assignment.assignee is None:
        return Step(*park_now(facts, thread))
    return Step(*park_soon(pack, facts, thread, notice_of("drills.the_drill_is_over")))


def _facts(pack: Pack, before: Thread, thread: Thread, event: Event, actions: tuple[Action, ...]) -> list[DrillFact]:
    drill_facts = [BY_KIND[action.kind] for action in actions if isinstance(action, RecordAudit) and action.kind in BY_KIND]
    drill_facts += _texts_that_reached(pack, before, event)
    changed = (
        (DrillFact.HELD, len(thread.sending.held) > len(before.sending.held)),
        (DrillFact.OTHER_HANDS, bool(thread.flags.other_hands_at) and not before.flags.other_hands_at),
        (DrillFact.CODEWORD, thread.codeword.digests is not None and before.codeword.digests is None),
        (DrillFact.VERIFIED, thread.codeword.verified_at > before.codeword.verified_at),
        (DrillFact.DURESS, thread.codeword.duress_at > before.codeword.duress_at),
        (DrillFact.LANGUAGE, bool(before.consent.language) and thread.consent.language != before.consent.language),
        (DrillFact.CLOSED, bool(thread.lifecycle.closes_at) and not before.lifecycle.closes_at),
    )
    return list(dict.fromkeys((*drill_facts, *(fact for fact, is_new in changed if is_new))))


def _texts_that_reached(pack: Pack, before: Thread, event: Event) -> list[DrillFact]:
    """Return the facts that a person's text makes true by reaching the phone."""
    if not isinstance(event, TextOutcome):
        return []
    if event.outcome is Outcome.ACCEPTED and event.ref and event.ref == before.consent.reply_ref:
        return [DrillFact.REPLIED]
    words = first_accepted(before, event)
    if words is None or not (said := event_id_of(event.ref)):
        return []
    if said == before.codeword.challenge:
        return [DrillFact.CHALLENGED]
    if words.name == TextName.DIFFERENT:
        return [DrillFact.DIFFERENT]
    # The thread has no name for a cover line: it is recognised by its words.
    covers = {pack.say(name, language) for name in COVER_LINES for language in pack.languages}
    return [DrillFact.COVER if words.body in covers else DrillFact.ANSWERED]
