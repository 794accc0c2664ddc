"""The one card of a flood: how many wait without a card of their own, and what helps.

Rule of this module: counts and no content; it is edited with the other news of the flood, once a minute.
"""

from __future__ import annotations

from typing import Final

from bot.model.flood import Flood
from bot.wording.notice import joined, loud, notice_of

FLOOD: Final = "flood:"


def flood_ref(flood: Flood) -> str:
    """Return the name of the incident's card."""
    return f"{FLOOD}{flood.begun_at:.0f}"


def flood_card(flood: Flood) -> str:
    """Return what the card says."""
    danger = sum(entry.in_danger for entry in flood.crowd.values())
    more = sum(entry.stands_out and not entry.in_danger for entry in flood.crowd.values())
    marks = [f"{danger} ⚠️"] if danger else []
    marks += [notice_of("flood_card.stand_out", more=more)] if more else []
    if not flood.crowd and not flood.active:
        return loud(notice_of("flood_card.over", came=flood.came))
    card = notice_of(
        "flood_card.many",
        begun=notice_of("flood_card.come") if flood.active else notice_of("flood_card.came"),
        came=flood.came,
        waiting=len(flood.crowd),
        marks=joined("", (": ", joined(", ", marks))) if marks else "",
        rest="" if flood.active else notice_of("flood_card.close_rest"),
    )
    # It calls people on duty, so everybody has to understand it.
    return loud(card)
