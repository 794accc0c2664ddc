"""The measured time that people wait for an answer at this desk: the greeting names no other time (practice 29).

Rules of this module: a wait lasts from the first text to a person's first answer. It counts only where the greeting
promised a person: the line was open, and a person was on duty. A day and minutes are kept, never of which thread. The
greeting names a time within which most were answered lately, and which nobody who waits now has exceeded; otherwise it
names none.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from bot.model.desk import Desk, Facts, QueueEntry
from bot.model.feature import Step
from bot.model.thread_desk_events import ThreadActivity, ThreadQueued
from policies.hours import open_at
from policies.pack import Pack

DAY: Final = 86_400.0
MINUTE: Final = 60.0
KEPT: Final = 20
"""Waits that are kept, the newest last."""
LEAST: Final = 5
"""With fewer waits nothing is known about what is usual."""
LATELY: Final = 28
"""Days after which a wait does not count any more."""
MOST: Final = 0.8
"""The fraction of the waits that are no longer than the named time."""
STEPS: Final = (5, 10, 15, 20, 30, 45, 60)
"""Minutes that the greeting may name; for longer waits it names no time."""


def begin(pack: Pack, facts: Facts, desk: Desk, event: ThreadQueued) -> Step[Desk]:
    """Start to measure a new thread, if the answer to its first text promised a person."""
    promised = facts.staffed and not facts.outage and open_at(pack.hours, facts.wall_clock)
    return Step(_start_measurement(desk, event.thread, event.since) if promised and not event.requeued else desk)


def end(pack: Pack, facts: Facts, desk: Desk, event: ThreadActivity) -> Step[Desk]:
    """Record how long it took until a person's first words left."""
    entry = next((entry for entry in desk.threads if entry.thread == event.thread), None)
    if event.inbound or entry is None or not entry.measured_from:
        return Step(desk)
    wait = (int(event.at // DAY), max(0, math.ceil((event.at - entry.measured_from) / MINUTE)))
    return Step(replace(_start_measurement(desk, event.thread, 0.0), waits=(*desk.waits, wait)[-KEPT:]))


def usual_minutes(desk: Desk, now: float) -> int:
    """Return the minutes within which people are usually answered here, as the greeting may name them; 0: unknown."""
    lately = sorted(minutes for day, minutes in desk.waits if 0 <= now // DAY - day <= LATELY)
    if len(lately) < LEAST or desk.flood.active or desk.flood.crowd:
        return 0
    waiting = [now - (entry.measured_from or entry.since) for entry in desk.threads if _waits(entry)]
    longest_now = max(waiting, default=0.0) / MINUTE
    needed = max(lately[math.ceil(len(lately) * MOST) - 1], longest_now)
    return next((step for step in STEPS if needed <= step), 0)


def _waits(entry: QueueEntry) -> bool:
    # Also texters who were promised nobody, and threads assigned unasked to a person who has not answered.
    return entry.waits or (entry.auto_assigned and entry.measured_from > 0)


def _start_measurement(desk: Desk, thread: str, since: float) -> Desk:
    threads = tuple(replace(entry, measured_from=since) if entry.thread == thread else entry for entry in desk.threads)
    return replace(desk, threads=threads)
