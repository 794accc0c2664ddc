"""The one card of a flood: how many wait without a card of their own, and what helps.

Rule of this module: counts and no content; it is edited with the other news of the flood, once a minute.
"""

from __future__ import annotations

from typing import Final

from bot.model.flood import Flood

FLOOD: Final = "flood:"


def flood_ref(flood: Flood) -> str:
    """Return the name of the incident's card."""
    return f"{FLOOD}{flood.begun_at:.0f}"


def flood_card(flood: Flood) -> str:
    """Return what the card says."""
    danger = sum(entry.in_danger for entry in flood.crowd)
    more = sum(entry.stands_out and not entry.in_danger for entry in flood.crowd)
    marks = [f"{danger} ⚠️"] if danger else []
    marks += [f"{more} wrote more than once or ask for a person"] if more else []
    waiting = f"{len(flood.crowd)} wait without a card{': ' + ', '.join(marks) if marks else ''}"
    if not flood.crowd and not flood.active:
        return f"The many new texters are over: {flood.came} came, and none of them waits without a card."
    begun = (
        "⚠️ Many new texters at once, or one number again and again" if flood.active else "⚠️ Many new texters came at once"
    )
    rest = " Supervisors: !close-rest closes the conversations of those who wrote once." if not flood.active else ""
    return (
        f"{begun}. {flood.came} came, {waiting}.\n"
        "They get no card each, and most no answer from the machine; nobody is lost. !claim takes the next: signs of danger"
        f" (⚠️) first, then who wrote more than once, then the longest waiting. !board names the first.{rest}"
    )
