"""Words that wait to leave when the line begins again with another number: the phone would get them from a stranger.

Words that are said afterwards are asked about by the guard (`Doubt.OTHER_NUMBER`), and those that wait at the carrier are
refused there.
"""

from __future__ import annotations

from typing import Final

from bot import guard
from bot.model.desk import Facts, Thread
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.hold_signs import Doubt
from bot.sending import reply_after_stop, undo_window
from policies.pack import Pack

TIMERS: Final = frozenset({undo_window.TIMER, reply_after_stop.TIMER})


def hold_waiting(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Hold what waits, unless its author has answered that doubt, or the phone may get the text from anybody."""
    if event.key not in TIMERS or not facts.number_gone or Doubt.OTHER_NUMBER in thread.signs.answered:
        return Step(thread)
    spared = frozenset(words.event_id for words in thread.sending.pending if not guard.is_asked_about(pack, words.body))
    thread, actions = undo_window.hold_pending(
        facts, thread, guard.FROM_OTHER_NUMBER, told=frozenset({Doubt.OTHER_NUMBER}), spared=spared
    )
    return Step(thread, actions)
