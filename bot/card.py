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
        f"language: {consent.language}",
        *(["STOPPED: nothing leaves until they text START"] if consent.stopped else []),
        *(["after the STOP they texted: !reply, once, by a supervisor"] if consent.stopped and consent.after_stop else []),
        *(["the carrier says they opted out: they have to text START"] if consent.vendor_block else []),
        *(["BLOCKED: nothing leaves, nothing is kept"] if consent.blocked_until else []),
        *(["a short code or name: it cannot be answered"] if not thread.answerable else []),
        "!transfer · !escalate · !status · !help · !more",
    ]
    return "\n".join(lines)


def short(user: str) -> str:
    """Return the local part of a Matrix id, as people say it."""
    return user.removeprefix("@").partition(":")[0]
