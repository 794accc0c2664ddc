"""Calls people to texts that the assignee of a thread has not read: a claimed thread can be forgotten like a waiting one.

Rules of this module: a text is unread until the assignee says anything in the room, or their client reports that it, or
something behind it, was shown (`retention.note_read`). The assignee and supervisors are called first (the person on
call, if nobody else is on duty), then the person on call as well, and all of them again until a person acts. While the
conversation is closing, or the last that the texter said is STOP, nobody is called.
"""

from __future__ import annotations

from typing import Final

from bot.model.actions import THREAD, SendMessage
from bot.model.desk import Facts, Thread
from bot.model.events import MessageRead, TextArrived, TimerDue
from bot.model.feature import Step, raise_alarm
from bot.model.text_order import is_settled_by_stop
from bot.model.thread_desk_events import AlarmKind, Assigned
from bot.model.transactional_actions import CancelTimer, SetTimer
from bot.wording.notice import notice_of
from policies.pack import Pack

FIRST: Final = "unread"
AGAIN: Final = "unread-again"


def start_timer(pack: Pack, facts: Facts, thread: Thread, event: TextArrived | Assigned | MessageRead) -> Step[Thread]:
    """Wait until the assignee reads: from the first text that they have not read, or from when they got the thread."""
    assignee, unseen = thread.assignment.assignee, thread.lifecycle.unseen
    match event:
        case Assigned():
            begins = assignee == event.assignee
        case MessageRead():
            begins = assignee == event.user  # they read earlier texts
        case _:
            begins = unseen == 1
    if assignee is None or not unseen or not begins:
        return Step(thread)
    return Step(thread, (SetTimer(key=FIRST, due=facts.now + pack.settings.unclaimed_on_call), CancelTimer(key=AGAIN)))


def call_reader(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Call the assignee, and people at the desk, to texts that nobody has read."""
    if event.key not in (FIRST, AGAIN):
        return Step(thread)
    life, assignee, settings = thread.lifecycle, thread.assignment.assignee, pack.settings
    if assignee is None or not life.unseen:
        return Step(thread, consumed=True)
    if life.closes_at or is_settled_by_stop(thread.consent, thread.signs.texted_at):
        # A text that takes that back, or one after the STOP, is called for within minutes.
        return Step(thread, (SetTimer(key=event.key, due=facts.now + settings.unclaimed_on_call),), consumed=True)
    first = event.key == FIRST
    kind = AlarmKind.UNREAD if first else AlarmKind.STILL_UNREAD
    # The room calls the assignee: at the desk others are needed, or a person outside where there are none.
    alarm = raise_alarm(thread, kind, by=assignee)
    notice = SendMessage(place=THREAD, body=notice_of("unread_texts.not_read_yet"), mentions=(assignee,))
    later = SetTimer(key=AGAIN, due=facts.now + (settings.unclaimed_on_call if first else settings.unclaimed_again))
    return Step(thread, (notice, alarm, later), consumed=True)
