"""More new texters than people can look at: they wait without a card and without a room, and nobody is lost.

Rules of this module: one message at the desk says so. The longest waiting get their cards as fast as the pack allows.
`!claim` reaches every thread, with or without a card (practices.md, "Defaults").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.queue_cards import WAIT, claim_card
from bot.display.ringing import who_decides
from bot.model.actions import DESK, SendMessage
from bot.model.desk import Desk, Facts, QueueEntry
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import ThreadQueued
from bot.model.transactional_actions import SetTimer
from bot.wording.notice import notice_of
from policies.pack import Pack

TIMER: Final = "flood"
CARD_INTERVAL: Final = 60.0
REPORT_AGAIN_AFTER: Final = 1800.0
"""Seconds after which a flood is a new one, and told again."""


def queue_without_card(pack: Pack, facts: Facts, desk: Desk, event: ThreadQueued) -> Step[Desk]:
    """Queue somebody who came in a flood without a card; tell the desk once, and look again in a minute."""
    if not event.rate_limited:
        return Step(desk)
    entry = QueueEntry(
        thread=event.thread,
        designation=event.designation,
        since=event.since,
        opened_at=event.since,
        last_activity=event.since,
        has_card=False,
        other_hands_at=event.other_hands_at,
        danger=event.danger,
        language=event.language,
    )
    desk = replace(desk, threads=(*(known for known in desk.threads if known.thread != event.thread), entry))
    fresh = not 0 <= facts.now - desk.rate_limit_reported_at < REPORT_AGAIN_AFTER
    again = SetTimer(key=TIMER, due=facts.now + CARD_INTERVAL)
    if not fresh:
        return Step(desk, () if _without_card(desk)[1:] else (again,), consumed=True)
    body = notice_of("new_thread_limit.more_new_texters_than_usual")
    notice = SendMessage(place=DESK, body=body, mentions=who_decides(facts))
    return Step(replace(desk, rate_limit_reported_at=facts.now), (notice, again), consumed=True)


def show_cards(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Show the cards of those who have waited longest, as many as a minute allows."""
    if event.key != TIMER:
        return Step(desk)
    waiting = _without_card(desk)
    now = waiting[: pack.settings.new_threads_per_minute]
    shown = {entry.thread for entry in now}
    threads = tuple(replace(entry, has_card=True) if entry.thread in shown else entry for entry in desk.threads)
    posts = tuple(claim_card(facts, entry) for entry in now)
    ladders = tuple(
        SetTimer(key=f"{WAIT}{entry.thread}:0", due=facts.now + pack.settings.unclaimed_on_duty) for entry in now
    )
    again = (SetTimer(key=TIMER, due=facts.now + CARD_INTERVAL),) if len(waiting) > len(now) else ()
    return Step(replace(desk, threads=threads), (*posts, *ladders, *again), consumed=True)


def _without_card(desk: Desk) -> tuple[QueueEntry, ...]:
    return tuple(entry for entry in desk.waiting if not entry.has_card)
