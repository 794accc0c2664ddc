"""What the desk shows of a thread beside its designation: a sign of danger, and a language that is not the line's first.

Rules of this module: marks and no content. Threads with a sign of danger come first, and the desk is called once more when
the sign comes later than the card; with nobody on duty the person on call is called.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.queue_cards import CLAIM_REACTION, WAIT, edited_card
from bot.model.actions import DESK, Action, PageOnCall, SendMessage
from bot.model.desk import Desk, Facts, Thread
from bot.model.feature import Step
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, ThreadMarked
from bot.model.transactional_actions import SendEvent
from bot.wording.notice import notice_for_all, notice_of
from policies.pack import Pack

STOP_ALARMS: Final = (AlarmKind.STOPPED, AlarmKind.STOPPED_LIVE, AlarmKind.STOPPED_BY_STAFF)
TEXT_AFTER_STOP_ALARMS: Final = (AlarmKind.TEXT_AFTER_STOP, AlarmKind.START_ASKS, AlarmKind.RESUMED)


def report_marks(pack: Pack, before: Thread, thread: Thread) -> tuple[Action, ...]:
    """Tell the desk that a thread's marks have changed; it does not know a thread before its first text has queued it."""
    known = before.lifecycle.since and before.lifecycle.state is not ThreadState.PARKED
    if not known or thread.lifecycle.state is ThreadState.PARKED or marks(pack, before) == marks(pack, thread):
        return ()
    danger, language = marks(pack, thread)
    return (SendEvent(owner=DESK, event=ThreadMarked(thread=thread.id, danger=danger, language=language)),)


def marks(pack: Pack, thread: Thread) -> tuple[bool, str]:
    """Return whether there was a sign of danger, and the language unless it is the line's first."""
    language = thread.consent.language
    return thread.silence.danger, "" if language == pack.languages[0] else language


def note_marks(pack: Pack, facts: Facts, desk: Desk, event: ThreadMarked) -> Step[Desk]:
    """Show the marks on the thread's card, and call people on duty when a waiting thread gets a sign of danger."""
    entry = next((entry for entry in desk.threads if entry.thread == event.thread), None)
    if entry is None or (entry.danger, entry.language) == (event.danger, event.language):
        return Step(desk)
    marked = replace(entry, danger=event.danger, language=event.language)
    desk = replace(desk, threads=tuple(marked if known is entry else known for known in desk.threads))
    waits = marked.assignee is None
    actions: tuple[Action, ...] = ()
    if marked.has_card and (waits or marked.offered):
        actions = (edited_card(facts, marked),)
    if waits and marked.danger and not entry.danger:
        body = notice_of("thread_marks.waiting_and_what_they_texted", tap=CLAIM_REACTION, designation=marked.designation)
        called = tuple(member.user for member in desk.roster if member.on_duty)
        ref = f"{WAIT}{marked.thread}:danger"
        actions += (
            SendMessage(place=DESK, ref=ref, body=notice_for_all(body), mentions=called, reactions=(CLAIM_REACTION,)),
            *(() if called else (PageOnCall(reason="waiting"),)),
        )
    return Step(desk, actions)


def note_alarm(pack: Pack, facts: Facts, desk: Desk, event: AlarmRaised) -> Step[Desk]:
    """Record a STOP, until they text again; move a waiting thread with a word for help forward, and show the sign.

    Whoever said STOP is not called for again and again. The alarm itself calls people.
    """
    entry = next((entry for entry in desk.threads if entry.designation == event.designation), None)
    if entry is not None and event.alarm in (*STOP_ALARMS, *TEXT_AFTER_STOP_ALARMS):
        changed = replace(entry, stopped=event.alarm in STOP_ALARMS)
        return Step(replace(desk, threads=tuple(changed if known is entry else known for known in desk.threads)))
    if event.alarm is not AlarmKind.HELP or entry is None or entry.assignee is not None or entry.asks:
        return Step(desk)
    asking = replace(entry, asks=True)
    desk = replace(desk, threads=tuple(asking if known is entry else known for known in desk.threads))
    return Step(desk, (edited_card(facts, asking),) if asking.has_card and not entry.danger else ())
