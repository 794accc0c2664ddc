"""The texter breaks off: words that have not left stop at once, and the guard knows of it when a person writes next.

Rules of this module: nothing here answers a text, and nothing is lost: stopped words are held, and leave by one more word
of their author. A wrong stop is better than a missed one. `meaning` finds what a text means; the phrases of the pack find
signs (`danger_signs`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.language import time_windows
from bot.language.codeword_forms import meaning
from bot.model.actions import DESK, Action
from bot.model.desk import Facts, Thread
from bot.model.events import TextArrived
from bot.model.feature import Step, raise_alarm
from bot.model.hold_signs import Doubt
from bot.model.thread_desk_events import AlarmKind, OtherHandsChanged
from bot.model.transactional_actions import SendEvent
from bot.safety.danger_signs import cue_signs, signs_of
from bot.sending.undo_window import hold_pending
from bot.wording.notice import notice_of
from policies.keywords import Meaning
from policies.pack import Pack
from policies.signs import BREAKS_OFF, Sign

OTHER_PERSON: Final = frozenset({Sign.OTHER_HANDS, Sign.THIRD_PARTY})
"""Signs that the phone keeps: the next person who writes to it is asked first."""
SIGN: Final = notice_of("break_off.somebody_else_may_have_the")
LEAVING: Final = notice_of("break_off.they_may_have_to_break")
PLEADED: Final = notice_of("break_off.the_texter_may_have_asked")


def note_text(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """Note when a person texted, and report signs; when they may ask for no more texts, stop what has not left.

    A message that a phone sends by itself (a tapback, "I'm driving") is no text of a person's, and makes no words expected.
    """
    means = meaning(event.body, pack)
    if not means.from_a_person:
        return Step(thread)
    sign: tuple[Action, ...] = ()
    text_signs = signs_of(pack, event)
    thread, cues = cue_signs(pack, facts, thread, text_signs)
    if text_signs & OTHER_PERSON:
        thread, sign = note_other_hands(pack, facts, thread)
    pleads = means.meaning is Meaning.WISH
    newest = event.at >= thread.signs.texted_at
    leaves = Sign.LEAVING in text_signs
    pleaded, leaving = (pleads, leaves) if newest else (thread.signs.pleaded, thread.signs.leaving)
    answered_doubts = thread.signs.answered - ({Doubt.LEAVING} if newest else set())
    signs = replace(
        thread.signs,
        texted_at=max(event.at, thread.signs.texted_at),
        pleaded=pleaded,
        leaving=leaving,
        broke_off_at=max(event.at, thread.signs.broke_off_at) if pleads or leaves else thread.signs.broke_off_at,
        answered=answered_doubts,
        verify_refused=() if newest else thread.signs.verify_refused,
    )
    thread = replace(thread, signs=signs)
    if not (pleads or text_signs & BREAKS_OFF):
        return Step(thread, cues)
    why, doubt = (PLEADED, Doubt.PLEA) if pleads else (SIGN, Doubt.OTHER_HANDS) if sign else (LEAVING, Doubt.LEAVING)
    thread, stopped = hold_pending(facts, thread, why, told=frozenset({doubt}))
    return Step(thread, (*cues, *sign, *stopped))


def note_other_hands(pack: Pack, facts: Facts, thread: Thread, *, alarm: bool = True) -> tuple[Thread, tuple[Action, ...]]:
    """Note a sign that another person has the phone: on the card, the board and the queue card, until `!safe`.

    The sign belongs to the phone, and goes over into its next conversation. The next person who writes to the phone is
    asked first. The first sign alarms the desk, unless the caller does that (`alarm` false).
    """
    first = not thread.flags.other_hands_at
    seen_at = f"{time_windows.local(pack, facts.wall_clock):%Y-%m-%d %H:%M}"
    flags = replace(thread.flags, other_hands_at=facts.now, other_hands_seen=seen_at)
    signs = replace(thread.signs, answered=thread.signs.answered - {Doubt.OTHER_HANDS})
    thread = replace(thread, flags=flags, signs=signs)
    loud = (raise_alarm(thread, AlarmKind.OTHER_HANDS),) if alarm and first else ()
    return thread, (tell_desk(thread), *loud)


def clear_other_hands(thread: Thread) -> tuple[Thread, tuple[Action, ...]]:
    """Note that a person knows that the texter has the phone."""
    thread = replace(thread, flags=replace(thread.flags, other_hands_at=0.0, other_hands_seen=""))
    return thread, (tell_desk(thread),)


def tell_desk(thread: Thread) -> SendEvent:
    """Tell the desk whether there is a sign of other hands."""
    return SendEvent(owner=DESK, event=OtherHandsChanged(thread=thread.id, other_hands_at=thread.other_hands_at))
