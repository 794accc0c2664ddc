"""More new texters than people can look at: they wait without a card and without a room, and nobody is lost.

Rules of this module: the desk is told once that it is so; the longest waiting get their cards as fast as the pack allows;
`!claim` reaches everybody, with or without a card (practices.md, defaults, "new threads").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.queue_cards import WAIT, claimable
from bot.model.actions import DESK, Post
from bot.model.desk import Desk, Facts, Line
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import ThreadWaits
from bot.model.transactional_actions import SetTimer
from policies.pack import Pack

TIMER: Final = "flood"
EVERY: Final = 60.0
AGAIN: Final = 1800.0
"""Seconds after which a flood is a new one, and told again."""


def waits(pack: Pack, facts: Facts, desk: Desk, event: ThreadWaits) -> Step[Desk]:
    """Queue somebody who came in a flood without a card; tell the desk once, and look again in a minute."""
    if not event.flood:
        return Step(desk)
    line = Line(
        thread=event.thread,
        designation=event.designation,
        since=event.since,
        begun=event.since,
        last=event.since,
        carded=False,
    )
    desk = replace(desk, threads=(*(known for known in desk.threads if known.thread != event.thread), line))
    fresh = not 0 <= facts.now - desk.flood_told < AGAIN
    again = SetTimer(key=TIMER, due=facts.now + EVERY)
    if not fresh:
        return Step(desk, () if _without(desk)[1:] else (again,), consumed=True)
    body = (
        "⚠️ More new texters than usual at once, or one number again and again. They queue without a card and are not "
        "answered by the machine; cards follow as fast as this line allows. !claim takes the longest waiting. !board"
    )
    told = Post(place=DESK, body=body, notice=False, mentions=facts.supervisors)
    return Step(replace(desk, flood_told=facts.now), (told, again), consumed=True)


def cards(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Show the cards of those who have waited longest, as many as a minute allows."""
    if event.key != TIMER:
        return Step(desk)
    waiting = _without(desk)
    now = waiting[: pack.settings.new_threads_per_minute]
    shown = {line.thread for line in now}
    threads = tuple(replace(line, carded=True) if line.thread in shown else line for line in desk.threads)
    posts = tuple(claimable(line) for line in now)
    ladders = tuple(SetTimer(key=f"{WAIT}{line.thread}:0", due=facts.now + pack.settings.unclaimed_on_duty) for line in now)
    again = (SetTimer(key=TIMER, due=facts.now + EVERY),) if len(waiting) > len(now) else ()
    return Step(replace(desk, threads=threads), (*posts, *ladders, *again), consumed=True)


def _without(desk: Desk) -> tuple[Line, ...]:
    return tuple(line for line in desk.waiting if not line.carded)
