"""Calls the person on call for what rings nobody at the desk: at once, or when a quarter of an hour is over.

Rules of this module: several incidents within a quarter of an hour are one call. A later one may have happened after the
person on call looked, so it is called for when the quarter is over, unless a person is on duty by then: they have read the
desk. Where that does not help (the desk could not be told), it is called for in any case.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.ringing import on_duty
from bot.model.actions import Action, PageOnCall
from bot.model.desk import Desk, Facts
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.flood import PAGE_INTERVAL
from bot.model.transactional_actions import SetTimer
from policies.pack import Pack

LATER: Final = "page-later"
"""Timer of the desk: call for what happened within a quarter of an hour after a call, unless a person is on duty."""
ANYWAY: Final = "page-anyway"
"""The same, also while people are on duty."""


def page(facts: Facts, desk: Desk, reason: str, *, timer: str = LATER) -> tuple[Desk, tuple[Action, ...]]:
    """Call the person on call; when that was done just now, set the timer."""
    if desk.flood.paged_lately(facts.now):
        return desk, (SetTimer(key=timer, due=desk.flood.paged_at + PAGE_INTERVAL),)
    return replace(desk, flood=replace(desk.flood, paged_at=facts.now)), (PageOnCall(reason=reason),)


def page_later(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Call for what happened since the last call."""
    if event.key not in (LATER, ANYWAY):
        return Step(desk)
    if event.key == LATER and on_duty(desk.roster):
        return Step(desk, consumed=True)
    return Step(*page(facts, desk, "waiting", timer=event.key), consumed=True)
