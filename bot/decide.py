"""The decision: a table from aggregate and event to the features that look at it, in order.

Rules of this module: `decide` is total (an event that no feature is listed for changes nothing) and deterministic; a
feature that consumes an event ends the walk; every text that comes out has passed `guard.may_send`, whoever asked for it.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from bot import guard
from bot.codeword import check, codeword_commands, enrolment
from bot.commands import parser, playbooks
from bot.display import desk_board, queue_cards, thread_card
from bot.lifecycle import audit_trail, legal_hold, number_reveal, recap, retention, tally
from bot.model.actions import THREAD, Action, Edit, Mark, Receipt, Text
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import (
    Event,
    IdentityChanged,
    Joined,
    Left,
    LevelsSet,
    NotHeard,
    Read,
    Said,
    Tapped,
    TextArrived,
    TextOutcome,
    TimerDue,
    Unsaid,
)
from bot.model.feature import Feature, Step
from bot.model.line_incidents import (
    ClockJumped,
    LetterDied,
    LineRestored,
    NobodyCalled,
    NotGone,
    NotInvited,
    RoomLost,
    StrayCame,
    TextsMissing,
    Unheard,
)
from bot.model.thread_desk_events import (
    AlarmRaised,
    Answered,
    Assigned,
    Listens,
    Marked,
    NotAssigned,
    Offered,
    OffWanted,
    Removed,
    RevealAsked,
    RevealConfirmed,
    Spoke,
    Stirred,
    TextDropped,
    TextedFirst,
    ThreadBegun,
    ThreadGone,
    ThreadHeld,
    ThreadWaits,
    VoiceWanted,
    WordChosen,
    WordWanted,
)
from bot.safety import blocking, consent_flags, opt_out, silence_reminders, unsafe_phone
from bot.sending import auto_replies, delivery_receipts, held_texts, release_held, reply_after_stop, undo_window
from bot.staffing import (
    alerts,
    assignment,
    auto_assign,
    claim_queue,
    cold_outreach,
    duty,
    new_thread_flood,
    outage,
    roster,
    transfer,
    wellbeing,
)
from policies.pack import Pack

A = TypeVar("A", Thread, Desk)

TABLE: Final[dict[tuple[type, type], tuple[Feature, ...]]] = {
    (Thread, TextArrived): (
        blocking.drop,
        retention.begins,
        wellbeing.stirs,
        assignment.show,
        silence_reminders.heard,
        check.arrived,
        opt_out.obey,
        auto_replies.greet,
    ),
    (Thread, TextOutcome): (
        wellbeing.stirs,
        opt_out.vendor,
        consent_flags.outcome,
        silence_reminders.outcome,
        unsafe_phone.outcome,
        reply_after_stop.outcome,
        delivery_receipts.outcome,
        check.outcome,
        retention.answered,
    ),
    (Thread, Said): (
        check.spoken,
        assignment.strangers,
        retention.spoke,
        silence_reminders.present,
        auto_assign.answered,
        reply_after_stop.edited,
        undo_window.edits,
        parser.in_thread,
        desk_board.status,
        transfer.transfer,
        transfer.accept,
        transfer.company,
        transfer.claim,
        transfer.off,
        transfer.seats,
        transfer.care,
        recap.recap,
        consent_flags.agreed,
        consent_flags.told,
        consent_flags.language,
        playbooks.playbook,
        unsafe_phone.unsafe,
        unsafe_phone.safe,
        unsafe_phone.urgent,
        unsafe_phone.different,
        legal_hold.hold,
        legal_hold.subpoena,
        number_reveal.ask,
        retention.close,
        retention.redact,
        release_held.second,
        release_held.say,
        opt_out.by_hand,
        reply_after_stop.reply,
        blocking.block,
        tally.tally,
        codeword_commands.codeword,
        codeword_commands.verify,
        codeword_commands.cover,
        codeword_commands.unlock,
        undo_window.relay,
    ),
    (Thread, Tapped): (auto_assign.answered, tally.tapped, transfer.tapped),
    (Thread, Unsaid): (recap.unsaid, transfer.unsaid, reply_after_stop.unsaid, undo_window.unsay),
    (Thread, NotHeard): (assignment.not_heard,),
    (Thread, Joined): (assignment.joined, auto_assign.answered),
    (Thread, Left): (assignment.left,),
    (Thread, TimerDue): (
        legal_hold.linger,
        parser.fade,
        auto_assign.unanswered,
        transfer.over,
        blocking.over,
        silence_reminders.due,
        check.over,
        reply_after_stop.leave,
        unsafe_phone.steps_back,
        undo_window.leave,
        held_texts.forget,
        retention.due,
    ),
    (Thread, Read): (retention.read,),
    (Thread, RevealConfirmed): (number_reveal.confirmed,),
    (Thread, Assigned): (
        tally.waited,
        assignment.assigned,
        auto_assign.given,
    ),
    (Thread, Removed): (assignment.removed,),
    (Thread, Listens): (transfer.listens,),
    (Thread, NotAssigned): (transfer.not_assigned,),
    (Thread, Answered): (auto_assign.answered,),
    (Thread, TextedFirst): (cold_outreach.texted_first,),
    (Thread, WordChosen): (codeword_commands.chosen,),
    (Desk, Said): (
        enrolment.spoken,
        alerts.strangers,
        enrolment.taken,
        auto_assign.shows,
        cold_outreach.cold,
        parser.at_desk,
        claim_queue.claim,
        desk_board.board,
        duty.duty,
        duty.trust,
        duty.sign_out,
        duty.listen,
        outage.outage,
        alerts.time_ok,
        alerts.retry,
        legal_hold.subpoena_at_desk,
        number_reveal.at_desk,
        audit_trail.show,
    ),
    (Desk, Tapped): (auto_assign.shows, claim_queue.tap),
    (Desk, Unsaid): (desk_board.restored, queue_cards.restored),
    (Desk, NotHeard): (enrolment.not_heard, cold_outreach.not_heard, alerts.not_heard),
    (Desk, Joined): (roster.joined,),
    (Desk, Left): (roster.left, enrolment.gone),
    (Desk, RoomLost): (roster.room_lost,),
    (Desk, Marked): (wellbeing.marked,),
    (Desk, Stirred): (wellbeing.stirred,),
    (Desk, Answered): (auto_assign.shown,),
    (Desk, ThreadBegun): (cold_outreach.begun,),
    (Desk, LevelsSet): (roster.levels,),
    (Desk, IdentityChanged): (duty.identity_changed,),
    (Desk, TimerDue): (parser.fade, enrolment.over, cold_outreach.over, new_thread_flood.cards, claim_queue.ladder),
    (Desk, TextDropped): (blocking.dropped,),
    (Desk, VoiceWanted): (claim_queue.wanted,),
    (Desk, WordWanted): (enrolment.wanted,),
    (Desk, Offered): (claim_queue.offered,),
    (Desk, OffWanted): (duty.off_wanted,),
    (Desk, Spoke): (duty.spoke,),
    (Desk, ThreadWaits): (
        new_thread_flood.waits,
        claim_queue.waits,
    ),
    (Desk, AlarmRaised): (alerts.alarm, wellbeing.weighed),
    (Desk, LetterDied): (alerts.letter_died,),
    (Desk, NobodyCalled): (alerts.nobody_called,),
    (Desk, ClockJumped): (alerts.clock_jumped,),
    (Desk, NotInvited): (alerts.not_invited,),
    (Desk, Unheard): (alerts.unheard,),
    (Desk, StrayCame): (alerts.stray,),
    (Desk, TextsMissing): (alerts.missing,),
    (Desk, NotGone): (alerts.not_gone,),
    (Desk, ThreadGone): (claim_queue.gone,),
    (Desk, LineRestored): (alerts.restored,),
    (Desk, ThreadHeld): (legal_hold.shown,),
    (Desk, RevealAsked): (number_reveal.asked,),
}


def decide(pack: Pack, facts: Facts, aggregate: A, event: Event) -> Step[A]:
    """Say what follows from an event: the new aggregate and the actions, guarded."""
    before = aggregate
    actions: tuple[Action, ...] = ()
    features = () if retention.asleep(aggregate, event) else TABLE.get((type(aggregate), type(event)), ())
    if features and isinstance(aggregate, Thread):
        aggregate, actions = legal_hold.follow(facts, aggregate)
    for feature in features:
        step: Step[Any] = feature(pack, facts, aggregate, event)
        aggregate = step.aggregate
        actions += step.actions
        if step.consumed:
            break
    if isinstance(aggregate, Desk):
        aggregate, given = auto_assign.live(pack, facts, aggregate)
        aggregate, cared = wellbeing.live(pack, facts, before, aggregate)
        aggregate, shown = desk_board.live(pack, facts, aggregate)
        actions += given + cared
        return Step(aggregate, actions + shown + audit_trail.notes(before, aggregate, actions))
    if isinstance(aggregate, Thread):
        if aggregate.voice.epoch and before.voice.epoch and thread_card.card(aggregate) != thread_card.card(before):
            actions += (Edit(place=THREAD, ref="card", body=thread_card.pinned(pack, aggregate)),)
        if aggregate.sending.held != before.sending.held:
            actions += held_texts.keeps(pack, aggregate)
        actions = tuple(guarded for action in actions for guarded in _guard(pack, facts, aggregate, action))
        actions = retention.without_room(aggregate, tuple(a for a in actions if not legal_hold.kept(aggregate, a)))
        actions += audit_trail.notes(before, aggregate, actions)
    return Step(aggregate, actions)


def _guard(pack: Pack, facts: Facts, thread: Thread, action: Action) -> tuple[Action, ...]:
    if not isinstance(action, Text) or guard.may_send(pack, thread, action, facts.now, facts.designations) is None:
        return (action,)
    if event_id := delivery_receipts.message_of(action.ref):
        return (Mark(place=THREAD, event_id=event_id, receipt=Receipt.NOT_SENT),)
    return ()
