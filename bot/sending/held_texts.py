"""Words of the voice that are held: they leave by a second word of the voice, or never.

Rule of this module: what is held is kept for no longer than the message that it stands in, and no more than the last few.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.actions import Action
from bot.model.desk import Facts, Thread
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.thread import Held, Pending, Reason
from bot.model.transactional_actions import DropTimer, SetTimer
from policies.pack import Pack

TIMER: Final = "held"
MOST: Final = 20


def held_back(facts: Facts, words: Pending, reason: Reason) -> Held:
    """Return words of the undo window as words that are held, for a reason."""
    return Held(
        event_id=words.event_id,
        body=words.body,
        author=words.author,
        reason=reason,
        name=words.name,
        edit=words.edit,
        since=facts.now,
        differs=words.differs,
    )


def hold(thread: Thread, words: Held) -> Thread:
    """Keep words that a second word of the voice may still let leave; the last of them."""
    others = tuple(h for h in thread.sending.held if h.event_id != words.event_id)
    return replace(thread, sending=replace(thread.sending, held=(*others, words)[-MOST:]))


def keeps(pack: Pack, thread: Thread) -> tuple[Action, ...]:
    """Return the timer by which what is held is forgotten, when its message goes from the room."""
    times = [words.since for words in thread.sending.held if words.since]
    return (SetTimer(key=TIMER, due=min(times) + pack.settings.message_ttl) if times else DropTimer(key=TIMER),)


def forget(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Forget words that were held for as long as a message stands: nobody remembers what `!again` would say."""
    if event.key != TIMER:
        return Step(thread)
    over = facts.now - pack.settings.message_ttl
    held = tuple(words for words in thread.sending.held if not words.since or words.since > over)
    thread = replace(thread, sending=replace(thread.sending, held=held))
    return Step(thread, keeps(pack, thread), consumed=True)
