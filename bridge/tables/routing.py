"""In which lane an action waits, and by which way it leaves.

Rule of this module: order holds within a lane of an owner, and nothing in one lane waits for another. Each office has a
lane of its own, so that one that does not come to be holds up neither the desk nor another office; and so have keys that
somebody is given in a thread, for which no word waits.
"""

from __future__ import annotations

from bot.model.actions import (
    OFFICE,
    THREAD,
    Action,
    Edit,
    Erase,
    GiveKeys,
    Lane,
    Mark,
    Page,
    Post,
    Recap,
    Redact,
    RedactSaid,
    Reveal,
    SignOut,
    Text,
)


def way_of(action: Action) -> tuple[str, str]:
    """Return the lane and the way of a row."""
    match action:
        case Post(place=place) if place.startswith(OFFICE):
            return f"{Lane.OFFICES.value}:{place.removeprefix(OFFICE)}", "matrix"
        case GiveKeys(place=place, user=user) if place == THREAD:
            return f"{Lane.CARDS.value}:{user}", "matrix"
    lane, way = _of_kind(action)
    return lane.value, way


def _of_kind(action: Action) -> tuple[Lane, str]:
    match action:
        case Text():
            return Lane.CONVERSATION, "carrier"
        case Page():
            return Lane.CONVERSATION, "page"
        case Mark() | RedactSaid():
            return Lane.RECEIPTS, "matrix"
        case Edit() | Reveal():
            return Lane.CARDS, "matrix"
        # What repeats words waits behind whatever takes words away, and before what comes afterwards.
        case Redact() | Erase() | Recap() | SignOut():
            return Lane.CLEANUP, "matrix"
    return Lane.CONVERSATION, "matrix"
