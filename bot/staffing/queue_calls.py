"""Who is called to a waiting thread: people on duty at once, and again for as long as nobody takes it.

Rules of this module: for a thread that waits too long, people on duty are called again, and at last the person on call; and
so on, until a person takes it. Several that come at once cause one call; reminders that are due at once are posted one a
second.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.queue_cards import CLAIM_REACTION, REMINDERS, WAIT, marks
from bot.display.ringing import on_duty
from bot.model.actions import DESK, Action, PageOnCall, SendMessage
from bot.model.desk import Desk, Facts, QueueEntry, Role
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.flood import PAGE_INTERVAL
from bot.model.transactional_actions import SetTimer
from bot.staffing import shifts
from bot.staffing.alarms import page
from bot.staffing.claim_queue import cannot_claim
from bot.wording.notice import notice_of
from policies.pack import Pack

CALL_STANDS: Final = 60.0
"""Seconds for which a call covers the next texter as well: at the desk while a texter who waited then still waits."""
REMINDER_INTERVAL: Final = 1.0
"""Seconds between two reminders of different threads: with fifty at once, an answer at the desk would wait for them."""


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
    if not entry.urgent and 0 <= facts.now - desk.reminded_at < REMINDER_INTERVAL / 2:
        # Each of those that are due together gets a second of its own, in the order of the queue.
        turn = desk.reminded_at + REMINDER_INTERVAL * (1 + desk.waiting.index(entry))
        return Step(desk, (SetTimer(key=event.key, due=turn),), consumed=True)
    settings = pack.settings
    due = (settings.unclaimed_on_duty, settings.unclaimed_supervisors, settings.unclaimed_on_call)
    step = int(rung)
    again = step >= len(due)
    if again and entry.stopped:
        # Whoever said STOP expects nobody: they are called for again only if they text once more, and then within minutes.
        return Step(desk, (SetTimer(key=event.key, due=facts.now + settings.unclaimed_on_call),), consumed=True)
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
    desk = replace(desk, reminded_at=facts.now if actions else desk.reminded_at)
    # The person on call is needed at once when nobody who is on shift is on duty, or all of them showed no sign just now.
    absent = not shifts.on_duty_and_shift(pack, facts, (member for member in people if not member.away))
    # A page names nobody: a second one within the minute says nothing new.
    is_covered = desk.flood.paged_lately(facts.now, within=PAGE_INTERVAL if again else CALL_STANDS)
    may_page = desk.flood.may_page(facts.now) and not is_covered
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
            "claim_queue.tap_or_claim", tap=CLAIM_REACTION, designation=entry.designation, marks=marks(entry), why=why
        )
        ref = f"{WAIT}{entry.thread}:new{entry.past_cards}"
        calls.append(SendMessage(place=DESK, ref=ref, body=body, mentions=called, reactions=(CLAIM_REACTION,)))
    return replace(desk, called_at=facts.now) if is_called else desk, tuple(calls)


def _is_free(entry: QueueEntry) -> bool:
    """Tell whether a thread has a card and anybody can claim it."""
    return entry.has_card and (entry.waits or entry.offered)
