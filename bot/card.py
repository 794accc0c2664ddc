"""A thread's card: what whoever opens the room must know, in short lines.

Rule of this module: no content, nothing that changes by itself; a feature whose state matters to the voice adds its line
here and nowhere else.
"""

from __future__ import annotations

from bot.model import Thread


def card(thread: Thread) -> str:
    """Return the thread's card: short lines, no content, nothing that changes by itself."""
    life, consent = thread.life, thread.consent
    holder = short(thread.voice.holder) if thread.voice.holder else "nobody"
    taken = f" (taken from {short(thread.voice.before)})" if thread.voice.before else ""
    offer = thread.voice.offer
    last = "theirs, unanswered" if life.last_inbound > life.last_outbound else "ours"
    lines = [
        f"{thread.designation} · {life.state.value}",
        f"voice: {holder}{taken}",
        *([f"offered to {short(offer.to) if offer.to else 'everybody'}"] if offer else []),
        f"last text: {last}",
        *(["closing: soon everything here goes; !reopen takes it back"] if life.closes else []),
        *(["ON HOLD: nothing of this is erased"] if thread.held else []),
        *(["continuing: number and flags are kept longer"] if life.continuing else []),
        f"language: {consent.language}",
        *(["STOPPED: nothing leaves until they text START"] if consent.stopped else []),
        *(["a short code or name: it cannot be answered"] if not thread.answerable else []),
        "!transfer · !escalate · !close · !status · !help · !more",
    ]
    return "\n".join(lines)


def short(user: str) -> str:
    """Return the local part of a Matrix id, as people say it."""
    return user.removeprefix("@").partition(":")[0]
