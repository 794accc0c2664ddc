"""Looks after the people at the desk (practices 32 to 35): how much they carry, and an offer of a debriefing.

Rules of this module: counts and times only, never what a conversation was about, nor which one it was. An unrequested offer
goes to the person's own office and not more often than every few hours. Nothing reaches a phone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.actions import DESK, OFFICE, Action, SendMessage
from bot.model.desk import Desk, DeskMember, Facts, QueueEntry, Thread
from bot.model.events import Outcome as Came
from bot.model.events import TextArrived, TextOutcome
from bot.model.feature import Step
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, DuressFlagChanged, ThreadActivity
from bot.model.transactional_actions import SendEvent
from bot.sending.delivery_receipts import event_id_of
from bot.wording.notice import notice_of
from policies.pack import Pack

HOUR: Final = 3_600.0
LONG_CONVERSATION: Final = 2 * HOUR
"""Seconds after which a conversation counts as long."""
LONG_SHIFT: Final = 8 * HOUR
"""Seconds on duty after which the person is told how long it has been."""
MANY_HEAVY: Final = 2
"""Heavy conversations in one shift after which the person is told the same."""
OFFER_AGAIN_AFTER: Final = 4 * HOUR
"""Seconds in which nobody is told unasked a second time."""
MINUTE: Final = 60.0

OFFER: Final = "wellbeing.what_you_have_just_carried"
TALK: Final = notice_of("wellbeing.a_supervisor_can_take_a")
TALK_LATER: Final = notice_of("wellbeing.no_supervisor_is_on_duty")


def report_activity(pack: Pack, facts: Facts, thread: Thread, event: TextArrived | TextOutcome) -> Step[Thread]:
    """Tell the desk that a text came or went, so that the board shows how long the thread is quiet and whose turn it is."""
    life = thread.lifecycle
    # Only what a person said counts as ours, here and in `spoke`: after an automatic answer it is still our turn.
    if isinstance(event, TextOutcome) and (event.outcome is not Came.ACCEPTED or not event_id_of(event.ref)):
        return Step(thread)
    theirs, spoke = isinstance(event, TextArrived), thread.silence.spoke_at
    same = theirs == (life.last_inbound >= spoke)
    # A second text before anybody has read the first: among many strangers it shows who needs an answer.
    second = theirs and not thread.assignment.epoch and life.unseen == 1
    # The desk does not know a thread before its first text has made it wait there.
    if not life.since or (same and not second and facts.now - max(life.last_inbound, spoke) < MINUTE):
        return Step(thread)
    return Step(thread, (SendEvent(owner=DESK, event=ThreadActivity(thread=thread.id, at=facts.now, inbound=theirs)),))


def note_activity(pack: Pack, facts: Facts, desk: Desk, event: ThreadActivity) -> Step[Desk]:
    """Note the last activity of a thread."""
    return Step(_with_entry(desk, event.thread, last_activity=event.at, last_was_inbound=event.inbound))


def note_duress(pack: Pack, facts: Facts, desk: Desk, event: DuressFlagChanged) -> Step[Desk]:
    """Note a thread's duress mark; duress makes it a heavy thread for its assignee."""
    desk = _with_entry(desk, event.thread, duress=event.duress)
    return Step(_mark_heavy(desk, event.thread) if event.duress else desk)


def note_escalation(pack: Pack, facts: Facts, desk: Desk, event: AlarmRaised) -> Step[Desk]:
    """Mark a thread as heavy when a supervisor is called into it."""
    if event.alarm is not AlarmKind.ESCALATED:
        return Step(desk)
    entry = next((entry for entry in desk.threads if entry.designation == event.designation), None)
    return Step(desk if entry is None else _mark_heavy(desk, entry.thread))


def offer_debriefs(pack: Pack, facts: Facts, before: Desk, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """After any event: offer a talk to a person whose heavy, long or broken-off thread just ended; say who carries much."""
    now = {entry.thread: entry.assignee for entry in desk.threads}
    users = {
        entry.assignee
        for entry in before.threads
        if entry.assignee is not None and now.get(entry.thread) != entry.assignee and _is_hard(pack, facts, entry)
    }
    notice: tuple[Action, ...] = ()
    members = []
    for member in desk.roster:
        supervised = any(user != member.user for user in facts.supervisors)
        talk = TALK if supervised else TALK_LATER
        words = notice_of(OFFER, talk=talk) if member.user in users else _workload_notice(pack, facts, before, desk, member)
        # After the clock was set back, do not say it twice.
        if words and (not member.debrief_offered_at or facts.now - member.debrief_offered_at >= OFFER_AGAIN_AFTER):
            notice += (SendMessage(place=OFFICE + member.user, body=words),)
            members.append(replace(member, debrief_offered_at=facts.now))
        else:
            members.append(member)
    return (replace(desk, roster=tuple(members)) if notice else desk), notice


def _is_hard(pack: Pack, facts: Facts, entry: QueueEntry) -> bool:
    """Whether a conversation may stay on a person's mind: heavy, long, or our words were the last and no answer came."""
    silent = (
        bool(entry.last_activity)
        and not entry.last_was_inbound
        and facts.now - entry.last_activity >= pack.settings.silence_offer_park
    )
    return entry.heavy or facts.now - entry.since >= LONG_CONVERSATION or silent


def _workload_notice(pack: Pack, facts: Facts, before: Desk, desk: Desk, member: DeskMember) -> str:
    """Say how much a person carries, when it has just become much; nothing otherwise."""
    was = before.member(member.user)
    if was is None or not member.on_duty:
        return ""
    count, most, hours = (
        len(desk.assigned_to(member.user)),
        pack.settings.cap,
        int((facts.now - member.on_duty_since) // HOUR),
    )
    many = count >= most > len(before.assigned_to(member.user))
    heavy = member.heavy_threads >= MANY_HEAVY > was.heavy_threads
    if not (many or heavy or (count and member.on_duty_since and hours * HOUR >= LONG_SHIFT)):
        return ""
    return notice_of("wellbeing.you_have_conversation_s_open", count=count, heavy_threads=member.heavy_threads, hours=hours)


def _mark_heavy(desk: Desk, thread: str) -> Desk:
    entry = next((entry for entry in desk.threads if entry.thread == thread), None)
    if entry is None or entry.heavy:
        return desk
    roster = tuple(
        replace(member, heavy_threads=member.heavy_threads + 1) if member.user == entry.assignee else member
        for member in desk.roster
    )
    return _with_entry(replace(desk, roster=roster), thread, heavy=True)


def _with_entry(desk: Desk, thread: str, **changed: object) -> Desk:
    threads = tuple(replace(entry, **changed) if entry.thread == thread else entry for entry in desk.threads)  # type: ignore[arg-type] # fields of Line
    return replace(desk, threads=threads)
