"""How things stand, in words: the desk's live board and a thread's status. No content, ever.

Rules of this module: the live board is one message, edited in place, at most every two seconds and only when it would say
something else; the word "waiting" stands on cards alone, so that nobody takes the board for one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import answer, noted, says
from bot.display.queue_cards import EDIT
from bot.display.thread_card import pinned, short
from bot.model.actions import DESK, Action, Edit, Pin, Post
from bot.model.desk import Desk, Facts, Line, Role, Seat, Thread
from bot.model.events import Said, Unsaid
from bot.model.feature import Step
from bot.model.transactional_actions import SetTimer
from policies.pack import Pack

REF: Final = "board"
EVERY: Final = 2.0
MINUTE: Final = 60.0
STEP: Final = 5
"""Minutes in which open threads are counted: an edit a minute all day would be noise."""
SHIFT: Final = 8 * 3_600.0
"""Seconds on duty from which on the board says how long it has been."""
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
            pinned(pack, thread),
            f"last text in: {ago(facts.now - life.last_inbound) if life.last_inbound else 'none'}",
            f"last text out: {ago(facts.now - life.last_outbound) if life.last_outbound else 'none'}",
            f"in the undo window: {len(thread.sending.pending)}",
        )
    )
    return Step(thread, (noted(event), *answer(facts, event, body)), consumed=True)


def live(pack: Pack, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """Bring the pinned board up to date after any event of the desk, and look again while there are threads."""
    if not desk.roster:
        return desk, ()
    now = text(pack, facts, desk)
    later = MINUTE if desk.waiting else STEP * MINUTE
    again: tuple[Action, ...] = (SetTimer(key=REF, due=facts.now + later),) if desk.threads else ()
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


def restored(pack: Pack, facts: Facts, desk: Desk, event: Unsaid) -> Step[Desk]:
    """Show the board again that somebody redacted, or its newest edit: nobody may work by an old one."""
    if event.ref == EDIT + REF:
        return Step(desk, (Edit(place=DESK, ref=REF, body=desk.board),))
    return Step(replace(desk, board="") if event.ref == REF else desk)


def text(pack: Pack, facts: Facts, desk: Desk) -> str:
    """Return the board: who waits how long, who talks with whom, who is here and with how much."""
    waiting = [f"{line.designation}{_marks(desk, line)} · queued {ago(facts.now - line.since)}" for line in desk.waiting]
    opened = sorted((line for line in desk.threads if line.voice is not None), key=lambda line: not line.duress)
    held = [
        f"{line.designation}{_marks(desk, line)} · with {short(line.voice or '')}"
        f"{' · offered to all' if line.offered else ''} · open {_steps(facts.now - line.begun)}{_last(facts, line)}"
        for line in opened
    ]
    people = [
        f"{short(seat.user)}{' (supervisor)' if seat.role is Role.SUPERVISOR else ''}"
        f" {len(desk.held(seat.user))}/{pack.settings.cap}{_shift(facts, seat)}"
        for seat in desk.roster
    ]
    blocked = [f"Dropped from blocked phones: {desk.dropped}"] if desk.dropped else []
    on_hold = sum(line.thread in desk.holds for line in desk.threads)
    marks = (("duress", sum(line.duress for line in desk.threads)), ("on hold", on_hold))
    over = len(set(desk.holds) - {line.thread for line in desk.threads})
    return "\n".join(
        (
            f"Queue: {len(waiting)}",
            *_few(waiting),
            *(["⚠️ Outage: whoever texts is told that the line is down"] if desk.outage else []),
            f"Open: {len(held)}{''.join(f' · {count} {name}' for name, count in marks if count)}",
            *_few(held),
            *([f"On hold, their conversation over: {over}"] if over else []),
            *blocked,
            f"Here: {', '.join(people)}",
        )
    )


def ago(seconds: float) -> str:
    """Say a length of time as people do."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h"


def _marks(desk: Desk, line: Line) -> str:
    return f"{' · DURESS' if line.duress else ''}{' · ON HOLD' if line.thread in desk.holds else ''}"


def _last(facts: Facts, line: Line) -> str:
    """Say whose the last text was and how long ago."""
    return f" · {'theirs' if line.theirs else 'ours'} {_steps(facts.now - line.last)} ago" if line.last else ""


def _shift(facts: Facts, seat: Seat) -> str:
    if not seat.duty:
        return " · off"
    return f" · {ago(facts.now - seat.since)} on duty" if seat.since and facts.now - seat.since >= SHIFT else ""


def _steps(seconds: float) -> str:
    """Say a length of time in steps of five minutes, so that a board which nothing happens to is not edited each minute."""
    minutes = int(max(seconds, 0) // 60) // STEP * STEP
    return ago(minutes * MINUTE) if minutes else f"under {STEP} min"


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more"]
