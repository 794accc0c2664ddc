"""The lane in which an action waits, and its transport.

Rule of this module: order holds within a lane of an owner, and nothing in one lane waits for another. Each office has a
lane of its own, so that an office that cannot be made delays neither the desk nor another office. Keys for a person in a
thread have a lane of their own as well: no message waits for them. So have answers to people at the desk, where the cards
or reminders of fifty texters may be posted at the same time; but a list of devices waits for a confirmation before it.
"""

from __future__ import annotations

from bot.model.actions import (
    DESK,
    OFFICE,
    THREAD,
    Action,
    EditMessage,
    EraseMessage,
    Lane,
    PageOnCall,
    RedactEvent,
    RedactMessage,
    RevealNumber,
    SendMessage,
    SendRecap,
    SendSms,
    ShareRoomKeys,
    ShowAudit,
    ShowReceipt,
    SignOut,
    TextFromHandset,
)


def route(action: Action) -> tuple[str, str]:
    """Return the lane and the transport of a row."""
    match action:
        case SendMessage(place=place) if place.startswith(OFFICE):
            return f"{Lane.OFFICES.value}:{place.removeprefix(OFFICE)}", "matrix"
        case SendMessage(place=place, reply_to=command) | ShowAudit(place=place, reply_to=command) if place == DESK:
            return (Lane.ANSWERS if command else Lane.CONVERSATION).value, "matrix"
        case ShareRoomKeys(place=place, user=user) if place == THREAD:
            return f"{Lane.CARDS.value}:{user}", "matrix"
    lane, transport = _default_route(action)
    return lane.value, transport


def _default_route(action: Action) -> tuple[Lane, str]:
    match action:
        case SendSms():
            return Lane.CONVERSATION, "carrier"
        case PageOnCall():
            return Lane.CONVERSATION, "page"
        case TextFromHandset():
            return Lane.CONVERSATION, "handset"
        case ShowReceipt() | RedactEvent():
            return Lane.RECEIPTS, "matrix"
        case EditMessage() | RevealNumber():
            return Lane.CARDS, "matrix"
        # An action that repeats words keeps its order with those that remove words.
        case RedactMessage() | EraseMessage() | SendRecap() | SignOut():
            return Lane.CLEANUP, "matrix"
    return Lane.CONVERSATION, "matrix"
