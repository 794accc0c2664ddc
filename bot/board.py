"""How things stand, in words: the desk's board and a thread's status. No content, ever."""

from __future__ import annotations

from bot.actions import THREAD, Mark, Post, Receipt
from bot.commands import says
from bot.events import Said
from bot.model import Desk, Facts, Thread
from bot.step import Step
from bot.voice import card, short
from policies.pack import Pack


def board(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Answer `!board`: who waits how long, who talks with whom, who is here."""
    if says(event, "board") is None:
        return Step(desk)
    waiting = [f"{line.designation} · waiting {ago(facts.now - line.since)}" for line in desk.waiting]
    held = [
        f"{line.designation} · with {short(line.voice)} for {ago(facts.now - line.since)}"
        for line in desk.threads
        if line.voice is not None
    ]
    here = ", ".join(short(seat.user) for seat in desk.roster)
    body = "\n".join((f"Waiting: {len(waiting)}", *waiting, f"Open: {len(held)}", *held, f"Here: {here}"))
    return Step(desk, (Post(place=event.place, body=body, reply_to=event.event_id),), consumed=True)


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
    note = Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOTE)
    return Step(thread, (note, Post(place=THREAD, body=body, reply_to=event.event_id)), consumed=True)


def ago(seconds: float) -> str:
    """Say a length of time as people do."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h"
