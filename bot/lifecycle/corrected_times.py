"""Corrects times of a thread or of the desk that come from a wrong clock, once the clock is right.

Rules of this module: only a time further ahead than possible is corrected, by the seconds by which that clock was ahead; a
time from the right clock stays as it is. The time of words that wait to leave is never corrected: their age is not known,
so they are held, and their author is asked (design.md, "Rules of the phone").
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from bot.model.desk import Desk, Facts, Thread
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.line_incidents import TimesAhead
from bot.model.text_order import CLOCK_TOLERANCE
from bot.model.transactional_actions import Suppress, SuppressionReason
from bot.sending import reply_after_stop
from bot.sending.undo_window import TIMER, send_due
from policies.pack import Pack

A = TypeVar("A", Thread, Desk)
MINUTES: Final = 3600.0
DAYS: Final = 90 * 86_400.0
DUE: Final = {
    **dict.fromkeys(("until", "due", "send_at", "closes_at", "answer_by", "long_undo_until", "reveal_until"), MINUTES),
    **dict.fromkeys(("claimers",), MINUTES),
    **dict.fromkeys(("blocked_until", "shift_until", "shifts_due"), DAYS),
}
"""How many seconds ahead of now a future time can be, by the name of its field. All other times are in the past."""
ENDS: Final = frozenset({"since", "closes_at", "held_since", "blocked_until"})
"""Times at which something ends: after a clock that was behind they are made later. Other past times stay as they are."""
KEPT: Final = frozenset({"said_at"})
"""Times that are never corrected, so that the age of their words stays unknown."""


def correct_thread(pack: Pack, facts: Facts, thread: Thread, event: TimesAhead) -> Step[Thread]:
    """Hold what waits to leave, and correct the times of a thread; a block ends when it would have ended.

    Also when the clock was wrong by less than makes words late: by the right one their undo window would be over at once.
    """
    step = send_due(pack, facts, _with_unknown_age(thread), TimerDue(key=TIMER))
    reply = reply_after_stop.send(pack, facts, step.aggregate, TimerDue(key=reply_after_stop.TIMER))
    back = _correct(reply.aggregate, facts, event)
    until = back.consent.blocked_until
    changed = until != thread.consent.blocked_until
    block = (Suppress(reason=SuppressionReason.BLOCK, until=until),) if changed else ()
    return Step(back, (*step.actions, *reply.actions, *block))


def correct_desk(pack: Pack, facts: Facts, desk: Desk, event: TimesAhead) -> Step[Desk]:
    """Correct the times of the desk."""
    return Step(_correct(desk, facts, event))


def _with_unknown_age(thread: Thread) -> Thread:
    """Return a thread with a time that no clock has shown for its waiting words: they are held like all of the future."""
    pending = tuple(replace(words, said_at=math.inf) for words in thread.sending.pending)
    reply = thread.consent.reply
    consent = thread.consent if reply is None else replace(thread.consent, reply=replace(reply, said_at=math.inf))
    return replace(thread, sending=replace(thread.sending, pending=pending), consent=consent)


def _correct(aggregate: A, facts: Facts, event: TimesAhead) -> A:
    seconds = event.seconds
    return make_times_earlier(aggregate, facts.now, seconds) if seconds > 0 else make_times_later(aggregate, -seconds)


def make_times_later(aggregate: A, seconds: float) -> A:
    """Return the aggregate with every time at which something ends so many seconds later; 0 is no time."""
    later: A = _with_later_deadlines(aggregate, "", seconds)
    return later


def make_times_earlier(aggregate: A, now: float, seconds: float) -> A:
    """Return the aggregate with every time that is further ahead of `now` than possible earlier by so many seconds.

    A time that would still be too far ahead becomes the latest possible one.
    """
    back: A = _with_past_times(aggregate, now + CLOCK_TOLERANCE, now, seconds)
    return back


def _with_past_times(value: Any, latest: float, now: float, seconds: float) -> Any:
    """Return a value of an aggregate with its times corrected. `latest`: the greatest possible time."""
    match value:
        case bool() | int():
            return value
        case float():
            return min(latest, value - seconds) if value > latest else value
        case tuple():
            items = tuple(_with_past_times(each, latest, now, seconds) for each in value)
            return value if items == value else items
        case _ if is_dataclass(value):
            changes = {}
            for each in fields(value):
                if each.name in KEPT:
                    continue
                old = getattr(value, each.name)
                new = _with_past_times(old, now + DUE.get(each.name, CLOCK_TOLERANCE), now, seconds)
                if new is not old:
                    changes[each.name] = new
            return replace(value, **changes) if changes else value  # type: ignore[type-var]  # it is one: `is_dataclass`
        case _:
            return value


def _with_later_deadlines(value: Any, name: str, seconds: float) -> Any:
    match value:
        case float():
            return value + seconds if value and name in ENDS else value
        case tuple():
            return tuple(_with_later_deadlines(each, name, seconds) for each in value)
        case _ if is_dataclass(value):
            changes = {
                each.name: _with_later_deadlines(getattr(value, each.name), each.name, seconds) for each in fields(value)
            }
            return replace(value, **changes)  # type: ignore[type-var]  # it is one: `is_dataclass`
        case _:
            return value
