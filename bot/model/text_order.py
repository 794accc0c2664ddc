"""The order in which a person texted, where the order of arrival does not show it: after an outage, or by a late retry.

Rules of this module: times from the carrier are compared with each other exactly. Texts without such a time keep the order
in which they came, except for those so close together that the carrier's retries may have swapped them. Between a text with
and one without such a time, a few minutes prove nothing, because two clocks differ and a text takes a while. An unsure
result is called unsure, and the caller takes the side on which nothing leaves.
"""

from __future__ import annotations

import math
from enum import Enum, unique
from typing import Final

from bot.model.events import TextArrived
from bot.model.thread import Consent, Moment

CLOCK_TOLERANCE: Final = 120.0
"""Seconds by which a carrier's clock and ours may differ. A carrier's time further ahead than that is ignored."""

MAX_SKEW: Final = 60.0
"""Seconds by which the machine's clock and the line's time may differ before the clock is doubted."""


@unique
class TextOrder(Enum):
    """The order of a text that came later and an earlier one, by when they were texted."""

    BEFORE = "before"
    UNSURE = "unsure"
    AFTER = "after"


def moment(event: TextArrived) -> Moment:
    """Return when a text was texted."""
    return (
        Moment(at=event.at, unordered_within=event.unordered_within)
        if event.sent_at is None
        else Moment(at=event.sent_at, from_carrier=True)
    )


def compare(new: Moment, old: Moment | None) -> TextOrder:
    """Compare a text that has just come with an earlier one; without an earlier one it is AFTER."""
    if old is None:
        return TextOrder.AFTER
    apart, unsure = new.at - old.at, 0.0 if new.from_carrier and old.from_carrier else CLOCK_TOLERANCE
    if not (new.from_carrier or old.from_carrier):
        return TextOrder.UNSURE if abs(apart) < new.unordered_within else TextOrder.AFTER
    if abs(apart) <= unsure:
        return TextOrder.UNSURE
    return TextOrder.AFTER if apart > 0 else TextOrder.BEFORE


def newest(new: Moment, old: Moment | None) -> Moment:
    """Return the later one of the two; in doubt the one with the later time."""
    match compare(new, old):
        case TextOrder.AFTER:
            return new
        case TextOrder.BEFORE | TextOrder.UNSURE:
            return max((new, old or new), key=lambda each: each.at)


def is_settled_by_stop(consent: Consent, texted_at: float) -> bool:
    """Whether a STOP, or what a person took for one, is the last that the texter said: no text of theirs needs a person.

    `texted_at`: of the newest text that a person wrote. In doubt it is not: a START that a person has to decide about, or a
    text that may have been texted after the STOP, is looked at.
    """
    stop, start = consent.last_keyword, consent.last_start
    if not consent.stopped or stop is None or consent.text_after_stop:
        return False
    started = start is not None and compare(stop, start) is not TextOrder.AFTER
    return texted_at <= stop.at and not started


def is_ahead(at: float, now: float) -> bool:
    """Whether a stored time is in the future: the clock that stamped it was wrong, and was set since."""
    return at > now + CLOCK_TOLERANCE


def seconds_since(at: float, now: float) -> float:
    """Return the seconds since a stored time; infinity for a time in the future, so that nothing counts as fresh."""
    return math.inf if is_ahead(at, now) else now - at
