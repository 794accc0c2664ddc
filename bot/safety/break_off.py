"""The texter breaks off: what has not left stops at once, and the guard knows of it when somebody writes next.

Rules of this module: nothing here answers a text, and nothing is lost: words that stop are held, and leave by one more word
of their author. It would rather be wrong than missing. What a text means is found by `meaning`; whoever finds another sign
calls `stop_pending`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.language.masked_meaning import meaning
from bot.model.actions import Action
from bot.model.desk import Facts, Thread
from bot.model.events import TextArrived
from bot.model.feature import Step
from bot.sending.undo_window import hold_pending
from policies.keywords import Meaning
from policies.pack import Pack

PLEADED: Final = "the texter may have asked for no more texts just now"


def note_text(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Note when somebody texted; where they may ask for no more texts, stop what has not left.

    What a phone sends by itself (a tapback, "I'm driving") is no text of a person's, and makes no words expected.
    """
    means = meaning(event.body, pack)
    if not means.from_a_person:
        return Step(thread)
    pleads = means.meaning is Meaning.WISH
    newest = event.at >= thread.signs.texted_at
    pleaded = pleads if newest else thread.signs.pleaded
    signs = replace(thread.signs, texted_at=max(event.at, thread.signs.texted_at), pleaded=pleaded)
    thread = replace(thread, signs=signs)
    return Step(*stop_pending(pack, facts, thread, PLEADED)) if pleads else Step(thread)


def stop_pending(pack: Pack, facts: Facts, thread: Thread, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Hold all words that have not left, because of a sign in a text of theirs; `why` is a clause for the room."""
    return hold_pending(pack, facts, thread, why)
