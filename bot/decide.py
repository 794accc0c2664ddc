"""The decision: a table from aggregate and event to the features that look at it, in order.

Rules of this module: `decide` is total (an event that no feature is listed for changes nothing) and deterministic; a
feature that consumes an event ends the walk; every text that comes out has passed `guard.may_send`, whoever asked for it.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from bot import (
    board,
    card,
    commands,
    desk,
    disclose,
    duty,
    guard,
    keywords,
    queue,
    receipts,
    relay,
    retain,
    roster,
    second,
    transfer,
    voice,
)
from bot.actions import THREAD, Action, Edit, Mark, Receipt, Text
from bot.events import (
    ClockJumped,
    Event,
    IdentityChanged,
    Joined,
    Left,
    LetterDied,
    LevelsSet,
    NotGone,
    NotHeard,
    Read,
    Said,
    StrayCame,
    Tapped,
    TextArrived,
    TextOutcome,
    TimerDue,
    Unsaid,
)
from bot.model import Desk, Facts, Thread
from bot.step import Feature, Step
from bot.told import (
    AlarmRaised,
    Assigned,
    Listens,
    NotAssigned,
    Offered,
    Removed,
    Spoke,
    ThreadGone,
    ThreadWaits,
    VoiceWanted,
)
from policies.pack import Pack

A = TypeVar("A", Thread, Desk)

TABLE: Final[dict[tuple[type, type], tuple[Feature, ...]]] = {
    (Thread, TextArrived): (retain.begins, voice.show, keywords.obey, disclose.greet),
    (Thread, TextOutcome): (receipts.outcome, retain.answered),
    (Thread, Said): (
        voice.strangers,
        retain.spoke,
        relay.edits,
        commands.in_thread,
        board.status,
        transfer.transfer,
        transfer.accept,
        transfer.company,
        transfer.seats,
        transfer.care,
        retain.close,
        retain.redact,
        second.second,
        second.say,
        relay.relay,
    ),
    (Thread, Tapped): (transfer.tapped,),
    (Thread, Unsaid): (transfer.unsaid, relay.unsay),
    (Thread, NotHeard): (voice.not_heard,),
    (Thread, Joined): (voice.joined,),
    (Thread, Left): (voice.left,),
    (Thread, TimerDue): (commands.fade, transfer.over, relay.leave, retain.due),
    (Thread, Read): (retain.read,),
    (Thread, Assigned): (voice.assigned,),
    (Thread, Removed): (voice.removed,),
    (Thread, Listens): (transfer.listens,),
    (Thread, NotAssigned): (transfer.not_assigned,),
    (Desk, Said): (
        desk.strangers,
        commands.at_desk,
        queue.claim,
        board.board,
        duty.duty,
        duty.trust,
        duty.listen,
        desk.time_ok,
    ),
    (Desk, Tapped): (queue.tap,),
    (Desk, NotHeard): (desk.not_heard,),
    (Desk, Joined): (roster.joined,),
    (Desk, Left): (roster.left,),
    (Desk, LevelsSet): (roster.levels,),
    (Desk, IdentityChanged): (duty.identity_changed,),
    (Desk, TimerDue): (commands.fade, queue.ladder),
    (Desk, VoiceWanted): (queue.wanted,),
    (Desk, Offered): (queue.offered,),
    (Desk, Spoke): (duty.spoke,),
    (Desk, ThreadWaits): (queue.waits,),
    (Desk, AlarmRaised): (desk.alarm,),
    (Desk, LetterDied): (desk.letter_died,),
    (Desk, ClockJumped): (desk.clock_jumped,),
    (Desk, NotGone): (desk.not_gone,),
    (Desk, ThreadGone): (queue.gone,),
    (Desk, StrayCame): (desk.stray,),
}


def decide(pack: Pack, facts: Facts, aggregate: A, event: Event) -> Step[A]:
    """Say what follows from an event: the new aggregate and the actions, guarded."""
    before = aggregate
    actions: tuple[Action, ...] = ()
    for feature in () if retain.asleep(aggregate, event) else TABLE.get((type(aggregate), type(event)), ()):
        step: Step[Any] = feature(pack, facts, aggregate, event)
        aggregate = step.aggregate
        actions += step.actions
        if step.consumed:
            break
    if isinstance(aggregate, Desk):
        aggregate, shown = board.live(pack, facts, aggregate)
        return Step(aggregate, actions + shown)
    if isinstance(aggregate, Thread):
        if aggregate.voice.epoch and before.voice.epoch and card.card(aggregate) != card.card(before):
            actions += (Edit(place=THREAD, ref="card", body=card.card(aggregate)),)
        actions = tuple(guarded for action in actions for guarded in _guard(pack, facts, aggregate, action))
        actions = retain.without_room(aggregate, actions)
    return Step(aggregate, actions)


def _guard(pack: Pack, facts: Facts, thread: Thread, action: Action) -> tuple[Action, ...]:
    if not isinstance(action, Text) or guard.may_send(pack, thread, action, facts.now) is None:
        return (action,)
    if event_id := receipts.message_of(action.ref):
        return (Mark(place=THREAD, event_id=event_id, receipt=Receipt.NOT_SENT),)
    return ()
