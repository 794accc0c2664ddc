"""How things stand, in words: the desk's live board and a thread's status. No content, ever.

Rules of this module: the live board is one message, edited in place, at most every two seconds and only when it would say
something else; the word "waiting" stands on cards alone, so that nobody takes the board for one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.actions import DESK, Action, Edit, Pin, Post, SetTimer
from bot.card import card, short
from bot.commands import answer, noted, says
from bot.events import Said
from bot.model import Desk, Facts, Line, Role, Thread
from bot.step import Step
from policies.pack import Pack

REF: Final = "board"
EVERY: Final = 2.0
MINUTE: Final = 60.0
SHOWN: Final = 40
"""Threads of each kind on the board: a screen, not a ledger."""


def board(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Answer `!board`."""
    if says(event, "board") is None:
        return Step(desk)
    return Step(desk, answer(facts, event, text(pack, facts, desk)), consumed=True)


def status(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Answer `!status`: voice, last texts, what is still in the undo window."""
    if says(event, "status") is None:
        return Step(thread)
    life = thread.life
    body = "\n".join(
        (
            card(thread),
            f"last text in: {ago(facts.now - life.last_inbound) if life.last_inbound else 'none'}",
            f"last text out: {ago(facts.now - life.last_outbound) if life.last_outbound else 'none'}",
            f"in the undo window: {len(thread.sending.pending)}",
        )
    )
    return Step(thread, (noted(event), *answer(facts, event, body)), consumed=True)


def live(pack: Pack, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """Bring the pinned board up to date after any event of the desk, and look again while somebody waits."""
    if not desk.roster:
        return desk, ()
    now = text(pack, facts, desk)
    again: tuple[Action, ...] = (SetTimer(key=REF, due=facts.now + MINUTE),) if desk.waiting else ()
    if now == desk.board:
        return desk, again
    # A clock that was set back is no reason to wait for it to catch up.
    if 0 <= facts.now - desk.board_at < EVERY:
        return desk, (SetTimer(key=REF, due=desk.board_at + EVERY),)
    first = not desk.board
    desk = replace(desk, board=now, board_at=facts.now)
    if first:
        return desk, (Post(place=DESK, ref=REF, body=now), Pin(place=DESK, ref=REF), *again)
    return desk, (Edit(place=DESK, ref=REF, body=now), *again)


def text(pack: Pack, facts: Facts, desk: Desk) -> str:
    """Return the board: who waits how long, who talks with whom, who is here and with how much."""
    waiting = [f"{line.designation} · queued {ago(facts.now - line.since)}{_held(desk, line)}" for line in desk.waiting]
    held = [
        f"{line.designation} · with {short(line.voice)}{' · offered to all' if line.offered else ''}{_held(desk, line)}"
        for line in desk.threads
        if line.voice is not None
    ]
    people = [
        f"{short(seat.user)}{' (supervisor)' if seat.role is Role.SUPERVISOR else ''}"
        f" {len(desk.held(seat.user))}/{pack.settings.cap}{'' if seat.duty else ' · off'}"
        for seat in desk.roster
    ]
    over = len(set(desk.holds) - {line.thread for line in desk.threads})
    return "\n".join(
        (f"Queue: {len(waiting)}", *_few(waiting), f"Open: {len(held)}", *_few(held), f"Here: {', '.join(people)}")
        + ((f"On hold, their conversation over: {over}",) if over else ())
    )


def ago(seconds: float) -> str:
    """Say a length of time as people do."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h"


def _held(desk: Desk, line: Line) -> str:
    return " · ON HOLD" if line.thread in desk.holds else ""


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more"]
