"""How things stand, in words: the desk's live board and a thread's status. No content, ever.

Rules of this module: the live board is one message, edited in place, at most every two seconds and only when it would say
something else; the word "waiting" stands on cards alone, so that nobody takes the board for one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer, mark_as_note
from bot.display.queue_cards import EDIT, marks
from bot.display.thread_card import localpart, pinned
from bot.model.actions import DESK, Action, EditMessage, PinMessage, SendMessage
from bot.model.desk import Desk, DeskMember, Facts, QueueEntry, Role, Thread
from bot.model.events import MessageRedacted, MessageSent
from bot.model.feature import Step
from bot.model.transactional_actions import SetTimer
from policies.pack import Pack

BOARD: Final = "board"
EDIT_INTERVAL: Final = 2.0
MINUTE: Final = 60.0
STEP_MINUTES: Final = 5
"""Minutes in which open threads are counted: an edit a minute all day would be noise."""
LONG_SHIFT: Final = 8 * 3_600.0
"""Seconds on duty from which on the board says how long it has been."""
MAX_ROWS: Final = 40
"""Threads of each kind on the board: a screen, not a ledger."""


def board(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """Answer `!board`."""
    return Step(desk, answer(facts, event, board_text(pack, facts, desk), formatted=True), consumed=True)


def status(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """Answer `!status`: assignee, last texts, what is still in the undo window."""
    life = thread.lifecycle
    body = "\n".join(
        (
            pinned(pack, thread),
            f"last text in: {describe_duration(facts.now - life.last_inbound) if life.last_inbound else 'none'}",
            f"last text out: {describe_duration(facts.now - life.last_outbound) if life.last_outbound else 'none'}",
            f"in the undo window: {len(thread.sending.pending)}",
        )
    )
    return Step(thread, (mark_as_note(event), *answer(facts, event, body, formatted=True)), consumed=True)


def update_board(pack: Pack, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """Bring the pinned board up to date after any event of the desk, and look again while there are threads."""
    if not desk.roster:
        return desk, ()
    now = board_text(pack, facts, desk)
    later = MINUTE if desk.waiting else STEP_MINUTES * MINUTE
    again: tuple[Action, ...] = (SetTimer(key=BOARD, due=facts.now + later),) if desk.threads else ()
    if now == desk.board:
        return desk, again
    # A clock that was set back is no reason to wait for it to catch up.
    if 0 <= facts.now - desk.board_at < EDIT_INTERVAL:
        return desk, (SetTimer(key=BOARD, due=desk.board_at + EDIT_INTERVAL),)
    first = not desk.board
    desk = replace(desk, board=now, board_at=facts.now)
    if first:
        return desk, (
            SendMessage(place=DESK, ref=BOARD, body=now, formatted=True),
            PinMessage(place=DESK, ref=BOARD),
            *again,
        )
    return desk, (EditMessage(place=DESK, ref=BOARD, body=now, formatted=True), *again)


def restore_board(pack: Pack, facts: Facts, desk: Desk, event: MessageRedacted) -> Step[Desk]:
    """Show the board again that somebody redacted, or its newest edit: nobody may work by an old one."""
    if event.ref == EDIT + BOARD:
        return Step(desk, (EditMessage(place=DESK, ref=BOARD, body=desk.board, formatted=True),))
    return Step(replace(desk, board="") if event.ref == BOARD else desk)


def board_text(pack: Pack, facts: Facts, desk: Desk) -> str:
    """Return the board: who waits how long, who talks with whom, who is here and with how much."""
    waiting = [
        f"{entry.designation}{_marks(facts, desk, entry)} · queued {describe_duration(facts.now - entry.since)}"
        for entry in desk.waiting
    ]
    opened = sorted(
        (entry for entry in desk.threads if entry.assignee is not None),
        key=lambda entry: (not entry.duress, not entry.danger),
    )
    claimed = [
        f"{entry.designation}{_marks(facts, desk, entry)} · with {localpart(entry.assignee or '')}"
        f"{' · offered to all' if entry.offered else ''} · open {_steps(facts.now - entry.opened_at)}{_last(facts, entry)}"
        for entry in opened
    ]
    people = [
        f"{localpart(member.user)}{' (supervisor)' if member.role is Role.SUPERVISOR else ''}"
        f" {len(desk.assigned_to(member.user))}/{pack.settings.cap}{_spoken(member)}{_shift(facts, member)}"
        for member in desk.roster
    ]
    blocked = [f"Dropped from blocked phones: {desk.dropped_texts}"] if desk.dropped_texts else []
    on_hold = sum(entry.thread in desk.on_legal_hold for entry in desk.threads)
    counts = (("duress", sum(entry.duress for entry in desk.threads)), ("on hold", on_hold))
    over = len(set(desk.on_legal_hold) - {entry.thread for entry in desk.threads})
    return "\n".join(
        (
            f"Queue: {len(waiting)}",
            *_few(waiting),
            *(["⚠️ Outage: whoever texts is told that the line is down"] if desk.outage else []),
            f"Open: {len(claimed)}{''.join(f' · {count} {name}' for name, count in counts if count)}",
            *_few(claimed),
            *([f"On hold, their conversation over: {over}"] if over else []),
            *blocked,
            f"Here: {', '.join(people)}",
        )
    )


def describe_duration(seconds: float) -> str:
    """Say a length of time as people do."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h"


def _marks(facts: Facts, desk: Desk, entry: QueueEntry) -> str:
    hands = f" · ⚠️ other hands {_steps(facts.now - entry.other_hands_at)} ago" if entry.other_hands_at else ""
    duress = " · DURESS" if entry.duress else ""
    return f"{marks(entry)}{hands}{duress}{' · ON HOLD' if entry.thread in desk.on_legal_hold else ''}"


def _last(facts: Facts, entry: QueueEntry) -> str:
    """Say whose the last text was and how long ago."""
    return (
        f" · {'theirs' if entry.last_was_inbound else 'ours'} {_steps(facts.now - entry.last_activity)} ago"
        if entry.last_activity
        else ""
    )


def _spoken(member: DeskMember) -> str:
    """Say which languages somebody speaks."""
    return f" · {' '.join(member.languages)}" if member.languages else ""


def _shift(facts: Facts, member: DeskMember) -> str:
    if not member.on_duty:
        return " · off"
    return (
        f" · {describe_duration(facts.now - member.on_duty_since)} on duty"
        if member.on_duty_since and facts.now - member.on_duty_since >= LONG_SHIFT
        else ""
    )


def _steps(seconds: float) -> str:
    """Say a length of time in steps of five minutes, so that a board which nothing happens to is not edited each minute."""
    minutes = int(max(seconds, 0) // 60) // STEP_MINUTES * STEP_MINUTES
    return describe_duration(minutes * MINUTE) if minutes else f"under {STEP_MINUTES} min"


def _few(rows: list[str]) -> list[str]:
    return rows if len(rows) <= MAX_ROWS else [*rows[:MAX_ROWS], f"… and {len(rows) - MAX_ROWS} more"]
