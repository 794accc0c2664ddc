"""Held texts: words of the assignee that leave by a second command of the assignee, or never.

Rule of this module: a held text is kept for no longer than the message that it is in, and only the last few are kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.actions import Action
from bot.model.desk import Facts, Thread
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.retention import retention_of
from bot.model.thread import HeldReason, HeldText, PendingText
from bot.model.transactional_actions import CancelTimer, SetTimer
from policies.pack import Pack

TIMER: Final = "held"
MAX_HELD: Final = 20


def held_text_of(facts: Facts, words: PendingText, reason: HeldReason) -> HeldText:
    """Return words of the undo window as held words, for a reason."""
    return HeldText(
        event_id=words.event_id,
        body=words.body,
        author=words.author,
        reason=reason,
        name=words.name,
        edit_event_id=words.edit_event_id,
        held_since=facts.now,
        differs=words.differs,
    )


def hold_text(thread: Thread, words: HeldText) -> Thread:
    """Keep words that a second command of the assignee may still let leave; the last few of them."""
    others = tuple(h for h in thread.sending.held if h.event_id != words.event_id)
    return replace(thread, sending=replace(thread.sending, held=(*others, words)[-MAX_HELD:]))


def expiry_timer(pack: Pack, thread: Thread) -> tuple[Action, ...]:
    """Return the timer at which held words are forgotten, when their message leaves the room."""
    times = [words.held_since for words in thread.sending.held if words.held_since]
    return (
        SetTimer(key=TIMER, due=min(times) + retention_of(pack, thread).message_ttl) if times else CancelTimer(key=TIMER),
    )


def expire(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Forget words that were held as long as a message is kept: nobody remembers what `!again` would send."""
    if event.key != TIMER:
        return Step(thread)
    over = facts.now - retention_of(pack, thread).message_ttl
    held_texts = tuple(words for words in thread.sending.held if not words.held_since or words.held_since > over)
    thread = replace(thread, sending=replace(thread.sending, held=held_texts))
    return Step(thread, expiry_timer(pack, thread), consumed=True)
