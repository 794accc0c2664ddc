"""The cards at the desk: a message for each thread that can be claimed, without content.

Rules of this module: an edit reaches the message it was meant for, so each message that becomes a thread's card has a `ref`
of its own; a card that can be claimed bears the raised hand already, and one tap is enough; one that somebody redacted
comes again, for nobody may wait unseen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.thread_card import short
from bot.model.actions import DESK, Action, Edit, Post
from bot.model.desk import Desk, Facts, Line
from bot.model.events import Unsaid
from bot.model.feature import Step
from bot.model.transactional_actions import Settle
from policies.pack import Pack

HAND: Final = "✋"
CARD: Final = "card:"
WAIT: Final = "wait:"
"""Reminders that somebody waits, and the timers that make them: `wait:`, the thread, a colon, the rung."""
EDIT: Final = "edit:"
"""What the bridge puts before the `ref` of a message to name its newest edit."""
WAITING: Final = "waiting"


def ref(line: Line) -> str:
    """Return the name of the message that is the thread's card now."""
    return f"{CARD}{line.thread}{f':{line.cards}' if line.cards else ''}"


def thread_of(name: str) -> str:
    """Return the thread that one of our messages at the desk is about; empty when it is no card and no reminder."""
    kind = next((kind for kind in (CARD, WAIT) if name.startswith(kind)), None)
    return "" if kind is None else name.removeprefix(kind).partition(":")[0]


def claimable(line: Line, how: str = WAITING) -> Post:
    """Return the card of a thread that can be claimed."""
    name = line.designation
    how = f"{short(line.voice)} offers it to everybody" if line.voice is not None else how
    body = f"{HAND} {name} · {how}\nTap {HAND} or say !claim {name}"
    return Post(place=DESK, ref=ref(line), body=body, notice=False, taps=(HAND,))


def taken(line: Line) -> str:
    """Return what a card says once its thread has a voice."""
    return f"{line.designation} · with {short(line.voice or '')}"


def anew(line: Line) -> tuple[Line, tuple[Action, ...]]:
    """Let the thread's next card be a new message; the one before may go."""
    return (replace(line, cards=line.cards + 1), (Settle(ref=ref(line)),)) if line.carded else (line, ())


def settled(line: Line) -> tuple[Action, ...]:
    """Let every card that the thread had go."""
    return tuple(Settle(ref=ref(replace(line, cards=number))) for number in range(line.cards + 1))


def restored(pack: Pack, facts: Facts, desk: Desk, event: Unsaid) -> Step[Desk]:
    """Show a card again that somebody redacted while its thread can be claimed, or its newest edit."""
    name = event.ref.removeprefix(EDIT)
    line = next((line for line in desk.threads if line.carded and ref(line) == name), None)
    if line is None:
        return Step(desk)
    free = line.voice is None or line.offered
    if name != event.ref:
        return Step(desk, (Edit(place=DESK, ref=name, body=claimable(line).body if free else taken(line)),))
    if not free:
        return Step(desk)
    again, gone = anew(line)
    threads = tuple(again if known is line else known for known in desk.threads)
    return Step(replace(desk, threads=threads), (*gone, claimable(again)))
