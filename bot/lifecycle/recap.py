"""`!recap`: for a device that came later, what it cannot read of before.

The texter's side and ours it reads with keys of ours, which are sent again; colleagues' keys are not ours to send, so the
bridge says their words again, in the same room. Rule of this module: nothing is said again that is gone.
"""

from __future__ import annotations

from typing import Final

from bot.commands.parser import noted, says
from bot.model.actions import RECAP, THREAD, GiveKeys, Recap, Redact
from bot.model.desk import Facts, Thread
from bot.model.events import Said, Unsaid
from bot.model.feature import Step
from policies.pack import Pack

NOT_AGAIN: Final = Redact(place=THREAD, ref=RECAP)
"""What goes with every message that somebody takes out of the room: what is said again may say it."""


def recap(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Send the room's keys once more to whoever asks, and say again what colleagues typed."""
    if says(event, "recap") is None:
        return Step(thread)
    given = GiveKeys(place=THREAD, user=event.sender, again=True)
    return Step(thread, (noted(event), given, Recap(place=THREAD, reply_to=event.event_id)), consumed=True)


def unsaid(pack: Pack, facts: Facts, thread: Thread, event: Unsaid) -> Step[Thread]:
    """Take away what is said again when anybody takes anything back: it may have been one of those words."""
    return Step(thread, (NOT_AGAIN,))
