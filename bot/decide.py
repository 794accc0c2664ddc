"""The decision: a table from aggregate and event to the features that look at it, in order.

Rules of this module: `decide` is total (an event that no feature is listed for changes nothing) and deterministic; a
feature that consumes an event ends the walk; every text that comes out has passed `guard.may_send`, whoever asked for it.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from bot import (
    assign,
    audit,
    block,
    board,
    card,
    care,
    cold,
    commands,
    desk,
    desk_cards,
    disclose,
    duty,
    escort,
    escort_office,
    escort_orders,
    flags,
    flood,
    guard,
    held,
    hold,
    keywords,
    outage,
    playbooks,
    queue,
    recap,
    receipts,
    relay,
    reply,
    retain,
    reveal,
    roster,
    safety,
    second,
    silence,
    tally,
    transfer,
    voice,
)
from bot.actions import THREAD, Action, Edit, Mark, Receipt, Text
from bot.events import (
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
from bot.incidents import (
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
from bot.model import Desk, Facts, Thread
from bot.step import Feature, Step
from bot.told import (
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
from policies.pack import Pack

A = TypeVar("A", Thread, Desk)

TABLE: Final[dict[tuple[type, type], tuple[Feature, ...]]] = {
    (Thread, TextArrived): (
        block.drop,
        retain.begins,
        care.stirs,
        voice.show,
        silence.heard,
        escort.arrived,
        keywords.obey,
        disclose.greet,
    ),
    (Thread, TextOutcome): (
        care.stirs,
        keywords.vendor,
        flags.outcome,
        silence.outcome,
        safety.outcome,
        reply.outcome,
        receipts.outcome,
        escort.outcome,
        retain.answered,
    ),
    (Thread, Said): (
        escort.spoken,
        voice.strangers,
        retain.spoke,
        silence.present,
        assign.answered,
        reply.edited,
        relay.edits,
        commands.in_thread,
        board.status,
        transfer.transfer,
        transfer.accept,
        transfer.company,
        transfer.claim,
        transfer.off,
        transfer.seats,
        transfer.care,
        recap.recap,
        flags.agreed,
        flags.told,
        flags.language,
        playbooks.playbook,
        safety.unsafe,
        safety.safe,
        safety.urgent,
        safety.different,
        hold.hold,
        hold.subpoena,
        reveal.ask,
        retain.close,
        retain.redact,
        second.second,
        second.say,
        keywords.by_hand,
        reply.reply,
        block.block,
        tally.tally,
        escort_orders.codeword,
        escort_orders.verify,
        escort_orders.cover,
        escort_orders.unlock,
        relay.relay,
    ),
    (Thread, Tapped): (assign.answered, tally.tapped, transfer.tapped),
    (Thread, Unsaid): (recap.unsaid, transfer.unsaid, reply.unsaid, relay.unsay),
    (Thread, NotHeard): (voice.not_heard,),
    (Thread, Joined): (voice.joined, assign.answered),
    (Thread, Left): (voice.left,),
    (Thread, TimerDue): (
        hold.linger,
        commands.fade,
        assign.unanswered,
        transfer.over,
        block.over,
        silence.due,
        escort.over,
        reply.leave,
        safety.steps_back,
        relay.leave,
        held.forget,
        retain.due,
    ),
    (Thread, Read): (retain.read,),
    (Thread, RevealConfirmed): (reveal.confirmed,),
    (Thread, Assigned): (
        tally.waited,
        voice.assigned,
        assign.given,
    ),
    (Thread, Removed): (voice.removed,),
    (Thread, Listens): (transfer.listens,),
    (Thread, NotAssigned): (transfer.not_assigned,),
    (Thread, Answered): (assign.answered,),
    (Thread, TextedFirst): (cold.texted_first,),
    (Thread, WordChosen): (escort_orders.chosen,),
    (Desk, Said): (
        escort_office.spoken,
        desk.strangers,
        escort_office.taken,
        assign.shows,
        cold.cold,
        commands.at_desk,
        queue.claim,
        board.board,
        duty.duty,
        duty.trust,
        duty.sign_out,
        duty.listen,
        outage.outage,
        desk.time_ok,
        desk.retry,
        hold.subpoena_at_desk,
        reveal.at_desk,
        audit.show,
    ),
    (Desk, Tapped): (assign.shows, queue.tap),
    (Desk, Unsaid): (board.restored, desk_cards.restored),
    (Desk, NotHeard): (escort_office.not_heard, cold.not_heard, desk.not_heard),
    (Desk, Joined): (roster.joined,),
    (Desk, Left): (roster.left, escort_office.gone),
    (Desk, RoomLost): (roster.room_lost,),
    (Desk, Marked): (care.marked,),
    (Desk, Stirred): (care.stirred,),
    (Desk, Answered): (assign.shown,),
    (Desk, ThreadBegun): (cold.begun,),
    (Desk, LevelsSet): (roster.levels,),
    (Desk, IdentityChanged): (duty.identity_changed,),
    (Desk, TimerDue): (commands.fade, escort_office.over, cold.over, flood.cards, queue.ladder),
    (Desk, TextDropped): (block.dropped,),
    (Desk, VoiceWanted): (queue.wanted,),
    (Desk, WordWanted): (escort_office.wanted,),
    (Desk, Offered): (queue.offered,),
    (Desk, OffWanted): (duty.off_wanted,),
    (Desk, Spoke): (duty.spoke,),
    (Desk, ThreadWaits): (
        flood.waits,
        queue.waits,
    ),
    (Desk, AlarmRaised): (desk.alarm, care.weighed),
    (Desk, LetterDied): (desk.letter_died,),
    (Desk, NobodyCalled): (desk.nobody_called,),
    (Desk, ClockJumped): (desk.clock_jumped,),
    (Desk, NotInvited): (desk.not_invited,),
    (Desk, Unheard): (desk.unheard,),
    (Desk, StrayCame): (desk.stray,),
    (Desk, TextsMissing): (desk.missing,),
    (Desk, NotGone): (desk.not_gone,),
    (Desk, ThreadGone): (queue.gone,),
    (Desk, LineRestored): (desk.restored,),
    (Desk, ThreadHeld): (hold.shown,),
    (Desk, RevealAsked): (reveal.asked,),
}


def decide(pack: Pack, facts: Facts, aggregate: A, event: Event) -> Step[A]:
    """Say what follows from an event: the new aggregate and the actions, guarded."""
    before = aggregate
    actions: tuple[Action, ...] = ()
    features = () if retain.asleep(aggregate, event) else TABLE.get((type(aggregate), type(event)), ())
    if features and isinstance(aggregate, Thread):
        aggregate, actions = hold.follow(facts, aggregate)
    for feature in features:
        step: Step[Any] = feature(pack, facts, aggregate, event)
        aggregate = step.aggregate
        actions += step.actions
        if step.consumed:
            break
    if isinstance(aggregate, Desk):
        aggregate, given = assign.live(pack, facts, aggregate)
        aggregate, cared = care.live(pack, facts, before, aggregate)
        aggregate, shown = board.live(pack, facts, aggregate)
        actions += given + cared
        return Step(aggregate, actions + shown + audit.notes(before, aggregate, actions))
    if isinstance(aggregate, Thread):
        if aggregate.voice.epoch and before.voice.epoch and card.card(aggregate) != card.card(before):
            actions += (Edit(place=THREAD, ref="card", body=card.pinned(pack, aggregate)),)
        if aggregate.sending.held != before.sending.held:
            actions += held.keeps(pack, aggregate)
        actions = tuple(guarded for action in actions for guarded in _guard(pack, facts, aggregate, action))
        actions = retain.without_room(aggregate, tuple(a for a in actions if not hold.kept(aggregate, a)))
        actions += audit.notes(before, aggregate, actions)
    return Step(aggregate, actions)


def _guard(pack: Pack, facts: Facts, thread: Thread, action: Action) -> tuple[Action, ...]:
    if not isinstance(action, Text) or guard.may_send(pack, thread, action, facts.now, facts.designations) is None:
        return (action,)
    if event_id := receipts.message_of(action.ref):
        return (Mark(place=THREAD, event_id=event_id, receipt=Receipt.NOT_SENT),)
    return ()
