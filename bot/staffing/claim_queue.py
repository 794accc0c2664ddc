"""The queue of waiting threads. The desk decides alone and in order, so two claims in one second have one winner.

Rules of this module: a waiting thread has a card of its own at the desk, without content. A refused claim gets a sentence.
For a thread that waits too long, people on duty are called again, and at last the person on call; and so on, until a person
takes it.
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
    marks,
    next_card,
    thread_of,
)
from bot.display.ringing import on_duty
from bot.display.thread_card import localpart
from bot.model.actions import DESK, Action, EditMessage, PageOnCall, SendMessage
from bot.model.desk import Desk, Facts, QueueEntry, Role
from bot.model.events import MessageSent, ReactionAdded, TimerDue
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
from bot.staffing import shifts
from bot.staffing.alarms import page
from bot.staffing.flood import leave_crowd
from bot.wording.notice import notice_of
from policies.pack import Pack

NEXT_SECONDS: Final = 30.0
"""Seconds for which a claim on an empty queue is remembered."""
CALL_STANDS: Final = 60.0
"""Seconds for which a call covers the next texter as well, while a texter who waited then still waits."""


def queue_thread(pack: Pack, facts: Facts, desk: Desk, event: ThreadQueued) -> Step[Desk]:
    """Put a thread into the queue and its card on the desk, always as a new message."""
    old = next((known for known in desk.threads if known.thread == event.thread), None)
    others = tuple(known for known in desk.threads if known is not old)
    entry = _queue_entry(old, event)
    if old is not None and old.auto_assigned:
        # They got it unasked, and showed no sign: they get no other until they do.
        roster = tuple(replace(member, away=True) if member.user == old.assignee else member for member in desk.roster)
        desk = replace(desk, roster=roster)
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


def call_again(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Call again for a waiting thread: people on duty, then supervisors, then the person on call, and then all again."""
    if not event.key.startswith(WAIT):
        return Step(desk)
    thread, _, rung = event.key.removeprefix(WAIT).partition(":")
    entry = next((entry for entry in desk.waiting if entry.thread == thread), None)
    if entry is None:
        return Step(desk, consumed=True)
    if desk.flood.active and not entry.urgent:
        # The card of the flood calls for all of them: theirs waits until it is over. A sign of danger does not wait for it.
        return Step(desk, (SetTimer(key=event.key, due=facts.now + CALL_STANDS),), consumed=True)
    settings = pack.settings
    due = (settings.unclaimed_on_duty, settings.unclaimed_supervisors, settings.unclaimed_on_call)
    step = int(rung)
    again = step >= len(due)
    if again and entry.stopped:
        # Whoever said STOP expects nobody: they are called for again only if they text once more.
        return Step(desk, (SetTimer(key=event.key, due=facts.now + settings.unclaimed_again),), consumed=True)
    people = [member for member in desk.roster if member.on_duty]
    called = [member.user for member in people if step != 1 or member.role is Role.SUPERVISOR or not facts.supervisors]
    minutes = int((facts.now - entry.since) // 60)
    body = notice_of(
        "claim_queue.still_waiting_min",
        tap=CLAIM_REACTION,
        designation=entry.designation,
        minutes=minutes,
        marks=marks(entry),
    )
    reminder = SendMessage(place=DESK, ref=event.key, body=body, mentions=tuple(called), reactions=(CLAIM_REACTION,))
    # While nobody is on duty, hours of reminders would only hide what else is new at the desk.
    actions: list[Action] = [] if again and not called else [reminder]
    # The person on call is needed at once when nobody who is on shift is on duty, or all of them showed no sign just now.
    absent = not shifts.on_duty_and_shift(pack, facts, (member for member in people if not member.away))
    may_page = not desk.flood.paged_lately(facts.now) if again else desk.flood.may_page(facts.now)
    if (step >= len(due) - 1 or absent) and may_page:
        actions.append(PageOnCall(reason="waiting"))
        desk = replace(desk, flood=replace(desk.flood, paged_at=facts.now))
    after = due[step + 1] - due[step] if step + 1 < len(due) else settings.unclaimed_again
    actions.append(SetTimer(key=f"{WAIT}{thread}:{min(step + 1, REMINDERS - 1)}", due=facts.now + after))
    return Step(desk, tuple(actions), consumed=True)


def call_people(pack: Pack, facts: Facts, before: Desk, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """After any event: call people on duty to a thread that has just begun to wait, or to be offered to everybody.

    With a calendar of shifts people on shift are called first, and everybody on duty at the first reminder. The card itself
    is a notice and rings nobody. Several that come at once cause one call, unless there is a sign of danger. With nobody on
    duty a sign of danger calls the person on call at once, and everything else does so at the first reminder.
    """
    free = {entry.thread for entry in before.threads if _is_free(entry)}
    now = [entry for entry in desk.threads if _is_free(entry)]
    fresh = 0 <= facts.now - desk.called_at < CALL_STANDS
    standing = fresh and any(entry.thread in free for entry in now)
    calls, is_called = list[Action](), False
    for entry in now:
        if entry.thread in free or (standing and not entry.danger):
            continue
        everybody = entry.danger or entry.offered
        on_shift = () if everybody else shifts.on_duty_and_shift(pack, facts, desk.roster)
        people = tuple(user for user in on_shift if cannot_claim(pack, desk, user) is None)
        called = tuple(user for user in people or on_duty(desk.roster) if user != entry.assignee)
        if not called:
            if entry.danger:
                desk, paged = page(facts, desk, "waiting")
                calls += paged
            continue
        standing = is_called = True
        why = (
            notice_of("claim_queue.is_offered_to_everybody")
            if entry.offered
            else notice_of("claim_queue.has_come_to_the_queue")
        )
        body = notice_of(
            "claim_queue.tap_or_claim",
            tap=CLAIM_REACTION,
            designation=entry.designation,
            marks=marks(entry),
            why=why,
        )
        ref = f"{WAIT}{entry.thread}:new{entry.past_cards}"
        calls.append(SendMessage(place=DESK, ref=ref, body=body, mentions=called, reactions=(CLAIM_REACTION,)))
    return replace(desk, called_at=facts.now) if is_called else desk, tuple(calls)


def _is_free(entry: QueueEntry) -> bool:
    """Tell whether a thread has a card and anybody can claim it."""
    return entry.has_card and (entry.assignee is None or entry.offered)


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
        other_hands_at=event.other_hands_at,
        danger=event.danger or entry.danger,
        language=event.language or entry.language,
    )


def _reply(facts: Facts, event: MessageSent | ReactionAdded | None, body: str) -> tuple[Action, ...]:
    return (SendMessage(place=DESK, body=body),) if event is None else answer(facts, event, body)
