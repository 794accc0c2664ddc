"""The guard of the phone: may this text leave, now, for this thread?

Rules of this module: it is asked last over every text of a decision and once more right before the carrier is; it answers
None for yes, or a sentence that tells a person why not and what to do; it never looks at who asks. A new reason to stay
silent is added here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from policies.pack import Pack

from bot.actions import Origin, Text
from bot.model import Thread
from policies.segments import segments

STOPPED: Final = "the texter said STOP. Nothing leaves until they text START."
UNANSWERABLE: Final = "this sender is a short code or a name; it cannot be answered."
LATE: Final = "it could not leave for more than five minutes. Say it again if it still fits."
OTHER_VOICE: Final = "the voice has changed since it was said."

MATRIX_WORDS: Final = re.compile(
    r"@[a-z0-9._=/+\-]+:[a-z0-9.\-\[\]:]+|[!#$][a-z0-9_\-]{3,}:[a-z0-9.\-]+|matrix\s*\.\s*to|matrix:[a-z]|[!$][A-Za-z0-9_\-]{43}",
    re.IGNORECASE,
)
"""Matrix ids (user, room, alias, event) and links, however they are spaced or cased."""


def may_send(pack: Pack, thread: Thread, text: Text, now: float) -> str | None:
    """Say why this text may not leave now, or None if it may."""
    if not thread.answerable:
        return UNANSWERABLE
    if thread.consent.stopped and text.origin is not Origin.STOP_ANSWER:
        return STOPPED
    if text.origin is Origin.VOICE and text.epoch != thread.voice.epoch:
        return OTHER_VOICE
    if now - text.since > pack.settings.late_after_seconds:
        return LATE
    return None


def leaks(pack: Pack, body: str, designations: Iterable[str]) -> str | None:
    """Say what in an advocate's words must not reach a phone, or None (the leak firewall, DESIGN section 3)."""
    if MATRIX_WORDS.search(body):
        return "it holds a Matrix address or link. Take that out and say it again."
    words = f" {' '.join(re.findall(r'[a-z]+', body.casefold()))} "
    if any(f" {designation} " in words for designation in designations):
        return "it names another thread. Take that out and say it again."
    found = segments(body)
    if found.count > pack.settings.max_segments:
        return f"it is {found.count} texts long, more than {pack.settings.max_segments}. Say it in shorter messages."
    return None
