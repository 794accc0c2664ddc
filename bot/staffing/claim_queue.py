"""The queue of waiting threads. The desk decides alone and in order, so two claims in one second have one winner.

Rules of this module: a waiting thread has a card of its own at the desk, without content. A refused claim gets a sentence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer
from bot.display.queue_cards import (
    CLAIM_REACTION,
    REMINDERS,
    WAIT,
    WAITING,
    assigned_card,
    card_ref,
    claim_card,
    edited_card,
    expire_cards,
    flood_ref,
    next_card,
    thread_of,
)
from bot.display.thread_card import localpart
from bot.model.actions import DESK, Action, EditMessage, SendMessage
from bot.model.desk import Desk, Facts, QueueEntry, Role
from bot.model.events import MessageSent, ReactionAdded
from bot.model.feature import Step
from bot.model.thread_desk_events import (
    Assigned,
    AssignmentKind,
    AssignmentRefused,
    ClaimRequested,
    OfferChanged,
    OtherHandsChanged,
    ThreadParked,
    ThreadQueued,
)
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.staffing.flood import leave_crowd
from bot.wording.notice import notice_of
from policies.pack import Pack

NEXT_SECONDS: Final = 30.0
"""Seconds for which a claim on an empty queue is remembered."""


def queue_thread(pack: Pack, facts: Facts, desk: Desk, event: ThreadQueued) -> Step[Desk]:
    """Put a thread into the queue and its card on the desk, always as a new message."""
    old = next((known for known in desk.threads if known.thread == event.thread), None)
    if event.reopened and old is not None and not old.closing:
        # It waits anyway, because it was closed while it waited, or it has just been claimed.
        return Step(desk)
    others = tuple(known for known in desk.threads if known is not old)
    entry = _queue_entry(old, event)
    if old is not None and old.auto_assigned:
        # They got it unasked, and showed no sign: they get no other until they do.
        roster = tuple(replace(member, away=True) if member.user == old.assignee else member for member in desk.roster)
        desk = replace(desk, roster=roster)
    if event.closing:
        return Step(replace(desk, threads=(*others, entry)))
    before: tuple[Action, ...] = ()
    if old is not None and old.has_card:
        entry, over = next_card(entry)
        before = (
            EditMessage(
                place=DESK,
                ref=card_ref(old),
                body=notice_of("claim_queue.back_in_the_queue_see", designation=event.designation),
                formatted=True,
            ),
            *over,
        )
    card = claim_card(facts, entry, notice_of("claim_queue.waiting_again_its_advocate_has") if event.requeued else WAITING)
    entry = replace(entry, has_card=True)
    ladder = SetTimer(key=f"{WAIT}{event.thread}:0", due=facts.now + pack.settings.unclaimed_on_duty)
    actions: tuple[Action, ...] = (*before, card, ladder)
    desk = replace(desk, threads=(*others, entry))
    if (user := _next_claimer(pack, facts, desk)) is not None:
        desk, assigned = _claim(pack, facts, desk, user, entry, None)
        return Step(desk, (*actions, *assigned))
    return Step(desk, actions)


def forget_thread(pack: Pack, facts: Facts, desk: Desk, event: ThreadParked) -> Step[Desk]:
    """Forget a conversation that is over, and expire its card."""
    timers = tuple(CancelTimer(key=f"{WAIT}{event.thread}:{rung}") for rung in range(REMINDERS))
    roster = tuple(
        replace(member, last_thread="") if member.last_thread == event.thread else member for member in desk.roster
    )
    over = [entry for entry in desk.threads if entry.thread == event.thread]
    desk = replace(desk, threads=tuple(entry for entry in desk.threads if entry not in over), roster=roster)
    return Step(desk, (*(action for entry in over for action in expire_cards(entry)), *timers))


def claim(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """Take the thread that is named or replied to, or the longest waiting; if there is none, the next within seconds."""
    name = command.arguments.casefold()
    if not name and (thread := thread_of(event.ref)):
        name = next((entry.designation for entry in desk.threads if entry.thread == thread), "that")
    if (brought := leave_crowd(desk, name)) is not desk:
        if (why_not := cannot_claim(pack, desk, event.sender)) is not None:
            return Step(desk, answer(facts, event, why_not), consumed=True)
        desk = brought
        name = desk.threads[-1].designation
    entry = next((entry for entry in desk.waiting if name in ("", entry.designation)), None)
    offered = next((entry for entry in desk.threads if entry.offered and entry.designation == name), None)
    if (entry := entry or offered) is not None:
        desk, actions = _claim(pack, facts, desk, event.sender, entry, event)
        return Step(desk, actions, consumed=True)
    other = next((entry for entry in desk.threads if entry.designation == name), None)
    if not name and (why_not := cannot_claim(pack, desk, event.sender)) is not None:
        why = why_not
    elif not name:
        claimers = (*((u, t) for u, t in desk.claimers if u != event.sender), (event.sender, facts.now + NEXT_SECONDS))
        desk = replace(desk, claimers=claimers)
        why = notice_of("claim_queue.nobody_is_waiting_whoever_comes")
    elif other is not None and other.assignee is not None:
        why = notice_of("claim_queue.is_with_already", designation=other.designation, assignee=localpart(other.assignee))
    else:
        why = notice_of("claim_queue.no_waiting_thread_has_that")
    return Step(desk, answer(facts, event, why), consumed=True)


def claim_by_reaction(pack: Pack, facts: Facts, desk: Desk, event: ReactionAdded) -> Step[Desk]:
    """Take the thread whose card, or a reminder of it, got a raised hand."""
    if not event.key.startswith(CLAIM_REACTION) or desk.member(event.sender) is None:
        return Step(desk)
    entry = next((entry for entry in desk.threads if entry.thread == thread_of(event.target)), None)
    to_flood = event.target == flood_ref(desk.flood) and event.trusted
    if entry is None and to_flood and cannot_claim(pack, desk, event.sender) is None:
        # A tap on the card of a flood takes the first who waits, as `!claim` does.
        desk = leave_crowd(desk)
        entry = next(iter(desk.waiting), None)
    if entry is None:
        return Step(desk)
    if not event.trusted:
        why = notice_of(
            "claim_queue.verify_your_device_first_until", sender=localpart(event.sender), designation=entry.designation
        )
        return Step(desk, answer(facts, event, why))
    if entry.assignee is not None and not entry.offered:
        if entry.assignee == event.sender:
            return Step(desk)
        why = notice_of(
            "claim_queue.is_with_already_2",
            sender=localpart(event.sender),
            designation=entry.designation,
            assignee=localpart(entry.assignee),
        )
        return Step(desk, answer(facts, event, why))
    return Step(*_claim(pack, facts, desk, event.sender, entry, event))


def decide_claim(pack: Pack, facts: Facts, desk: Desk, event: ClaimRequested) -> Step[Desk]:
    """Make a person the assignee of a thread that has one, if they may be."""
    entry = next((entry for entry in desk.threads if entry.thread == event.thread), None)
    member = desk.member(event.user)
    if entry is None:
        return Step(desk)
    if entry.assignee == event.user:
        return Step(desk)
    why = None
    if member is None:
        why = notice_of("claim_queue.they_are_not_at_the")
    elif event.how is AssignmentKind.CLAIMED and entry.assignee is not None and not entry.offered:
        why = notice_of("claim_queue.was_quicker", assignee=localpart(entry.assignee))
    elif event.how is AssignmentKind.TAKEN_OVER and member.role is not Role.SUPERVISOR:
        why = notice_of("claim_queue.only_supervisors_take_a_thread")
    elif not (event.over_cap and member.on_duty):
        why = cannot_claim(pack, desk, event.user)
    if why is not None:
        return Step(desk, (SendEvent(owner=entry.thread, event=AssignmentRefused(user=event.user, reason=why)),))
    # A thread that waits by now is claimed like any other: `assigned` relies on it to tell what is out of date.
    how = (
        AssignmentKind.CLAIMED
        if entry.assignee is None
        else AssignmentKind.ACCEPTED
        if event.how is AssignmentKind.CLAIMED
        else event.how
    )
    return Step(*assign(facts, desk, event.user, entry, how))


def show_offer(pack: Pack, facts: Facts, desk: Desk, event: OfferChanged) -> Step[Desk]:
    """Show that a thread's assignee offers it to everybody, or does so no longer."""
    entry = next((entry for entry in desk.threads if entry.thread == event.thread), None)
    if entry is None or entry.assignee is None or entry.offered == event.open:
        return Step(desk)
    changed, over = next_card(replace(entry, offered=True)) if event.open else (replace(entry, offered=False), ())
    desk = replace(desk, threads=tuple(changed if known is entry else known for known in desk.threads))
    if not event.open:
        return Step(desk, (edited_card(facts, changed),))
    return Step(desk, (*over, claim_card(facts, changed)))


def note_other_hands(pack: Pack, facts: Facts, desk: Desk, event: OtherHandsChanged) -> Step[Desk]:
    """Note that another person may have a phone, or no longer has it, and show it on a card that can be claimed."""
    entry = next((entry for entry in desk.threads if entry.thread == event.thread), None)
    if entry is None:
        return Step(desk)
    changed = replace(entry, other_hands_at=event.other_hands_at)
    desk = replace(desk, threads=tuple(changed if known is entry else known for known in desk.threads))
    if not changed.has_card or (changed.assignee is not None and not changed.offered):
        return Step(desk)
    # A card tells the age at the time of writing: for the same sign again the words would mostly be the same.
    if entry.other_hands_at and changed.other_hands_at:
        return Step(desk)
    return Step(desk, (edited_card(facts, changed),))


def _next_claimer(pack: Pack, facts: Facts, desk: Desk) -> str | None:
    """Return who gets a new thread: the person who asked for the next one, if they still may."""
    users = (user for user, until in desk.claimers if until >= facts.now and desk.member(user) is not None)
    return next((user for user in users if cannot_claim(pack, desk, user) is None), None)


def cannot_claim(pack: Pack, desk: Desk, user: str) -> str | None:
    """Say why a member may not have one more thread: off duty, or at the cap and no supervisor."""
    member, cap = desk.member(user), pack.settings.cap
    if member is not None and not member.on_duty:
        return notice_of("claim_queue.is_off_duty_on_at", user=localpart(user))
    if len(desk.assigned_to(user)) >= cap and (member is None or member.role is not Role.SUPERVISOR):
        return notice_of("claim_queue.has_threads_open_which_is", user=localpart(user), cap=cap)
    return None


def _claim(
    pack: Pack, facts: Facts, desk: Desk, user: str, entry: QueueEntry, event: MessageSent | ReactionAdded | None
) -> tuple[Desk, tuple[Action, ...]]:
    """Give a waiting or offered thread to the person who claims it, unless they are at the cap."""
    if entry.assignee == user:
        return desk, _reply(facts, event, notice_of("claim_queue.is_yours_already", designation=entry.designation))
    if (why := cannot_claim(pack, desk, user)) is not None:
        return desk, _reply(facts, event, why)
    how = AssignmentKind.ACCEPTED if entry.assignee is not None else AssignmentKind.CLAIMED
    desk = replace(desk, claimers=tuple((u, t) for u, t in desk.claimers if u != user and t >= facts.now))
    desk, actions = assign(facts, desk, user, entry, how)
    if isinstance(event, ReactionAdded):
        # The card that they tapped says so, and their invitation comes: the desk needs no third message.
        return desk, actions
    notice = notice_of("claim_queue.is_yours_accept_the_invitation", designation=entry.designation, user=localpart(user))
    return desk, (*actions, *_reply(facts, event, notice))


def assign(
    facts: Facts, desk: Desk, user: str, entry: QueueEntry, how: AssignmentKind, *, answer_by: float = 0.0
) -> tuple[Desk, tuple[Action, ...]]:
    """Make a person the assignee of a thread.

    `answer_by`: they got it unasked, and have to show a sign until then.
    """
    tried = entry.tried_users if answer_by else ()
    changed = replace(
        entry,
        assignee=user,
        since=facts.now,
        offered=False,
        has_card=True,
        auto_assigned=bool(answer_by),
        tried_users=tried,
        closing=False,
    )
    desk = replace(desk, threads=tuple(changed if known.thread == entry.thread else known for known in desk.threads))
    show = EditMessage if entry.has_card else SendMessage
    timers = tuple(CancelTimer(key=f"{WAIT}{entry.thread}:{rung}") for rung in range(REMINDERS))
    return desk, (
        SendEvent(
            owner=entry.thread, event=Assigned(assignee=user, how=how, answer_by=answer_by, designation=entry.designation)
        ),
        show(place=DESK, ref=card_ref(changed), body=assigned_card(changed), formatted=True),
        *timers,
    )


def _queue_entry(old: QueueEntry | None, event: ThreadQueued) -> QueueEntry:
    """Return the entry of a waiting thread; what is known of it from before stays known."""
    entry = old or QueueEntry(
        thread=event.thread,
        designation=event.designation,
        since=event.since,
        opened_at=event.since,
        last_activity=event.since,
    )
    tried = (
        (*entry.tried_users, entry.assignee)
        if entry.assignee is not None and entry.assignee not in entry.tried_users
        else entry.tried_users
    )
    return replace(
        entry,
        since=event.since,
        assignee=None,
        offered=False,
        auto_assigned=False,
        tried_users=tried,
        closing=event.closing,
        other_hands_at=event.other_hands_at,
        danger=event.danger or entry.danger,
        language=event.language or entry.language,
    )


def _reply(facts: Facts, event: MessageSent | ReactionAdded | None, body: str) -> tuple[Action, ...]:
    return (SendMessage(place=DESK, body=body),) if event is None else answer(facts, event, body)
