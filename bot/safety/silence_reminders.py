"""The texter's silence and return: cues to the assignee, in the room only (practices 11, 26, 35).

Rules of this module: nothing here makes a text, because another holder of the phone would read it. The reminders
begin when the carrier took words of the assignee, and end with any text of the texter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand
from bot.commands.room_notes import is_for_phone
from bot.language import time_windows
from bot.language.codeword_forms import meaning
from bot.model.actions import THREAD, Action, SendMessage
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Facts, Thread
from bot.model.events import MessageSent, Outcome, TextArrived, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.transactional_actions import CancelTimer, RecordAudit, SetTimer
from bot.safety import inbound_cues
from bot.safety.consent_flags import KINDS
from bot.safety.danger_signs import signs_of
from bot.sending.delivery_receipts import first_accepted
from bot.wording.durations import describe_duration
from bot.wording.notice import notice_of
from policies.keywords import Meaning
from policies.pack import Pack
from policies.signs import BREAKS_OFF, DANGERS

TIMER: Final = "silence"
REMIND_LIMITS_AT: Final = (2, 5, 10, 20)
"""After how many exchanges the room hears again that the limits were not given."""


def note_inbound(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """End the reminders, and tell the room what a person should look at in this text."""
    before = thread.silence
    cues, posts = inbound_cues.find_cues(pack, facts, thread, event)
    # A texter who breaks off, is in danger, or may be another person is told no limits now, but at the next exchange.
    exchanges = before.exchanges + (before.spoke_at > before.heard_at)
    remind = exchanges > before.exchanges and exchanges in REMIND_LIMITS_AT and not thread.flags.limits
    if remind and not _may_answer(pack, event):
        exchanges, remind = before.exchanges, False
    silence = replace(
        before,
        heard_at=facts.now,
        turn_since=before.turn_since if before.heard_at > before.spoke_at else _clock(pack, facts),
        cue_count=0,
        exchanges=exchanges,
        cues_shown=before.cues_shown | cues,
        recheck_safety=before.recheck_safety or inbound_cues.ASK in cues,
        auto_replied_before=before.auto_replied_before or before.auto_replied,
        auto_replied=False,
    )
    actions: list[Action] = [CancelTimer(key=TIMER)] if before.spoke_at else [] if before.heard_at else [_audit(first=True)]
    if remind:
        notice = notice_of("silence_reminders.they_were_not_told_the")
        posts = (*posts, SendMessage(place=THREAD, body=notice))
    return Step(replace(thread, silence=silence), (*actions, *posts))


def _may_answer(pack: Pack, event: TextArrived) -> bool:
    """Tell whether a text leaves the assignee room to tell something: it is conversation, by the texter, who stays."""
    talks = meaning(event.body, pack).meaning in (Meaning.CONVERSATION, Meaning.LANGUAGE)
    return talks and not signs_of(pack, event) & (BREAKS_OFF | DANGERS)


def note_message(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
) -> Step[Thread]:
    """Note words of the assignee for the phone.

    After them, the next automatic reply is not the second in a row.
    """
    silence = thread.silence
    if (
        event.sender != thread.assignment.assignee
        or not is_for_phone(event, command)
        or not (silence.auto_replied or silence.auto_replied_before)
    ):
        return Step(thread)
    return Step(replace(thread, silence=replace(silence, auto_replied=False, auto_replied_before=False)))


def note_sent(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Start the reminders when the carrier took words of the assignee."""
    silence = thread.silence
    if first_accepted(thread, event) is not None:
        first = (_audit(first=False),) if not silence.spoke_at else ()
        turn = _clock(pack, facts) if silence.heard_at >= silence.spoke_at else silence.turn_since
        thread = replace(thread, silence=replace(silence, spoke_at=facts.now, turn_since=turn, cue_count=0))
        return Step(thread, (*first, SetTimer(key=TIMER, due=facts.now + pack.settings.silence_cues[0])))
    # What the line said by itself: what was said in which order can be shown from the audit (practice 26).
    kind = KINDS.get(event.ref.partition(":")[0])
    if kind is None:
        return Step(thread)
    if event.outcome is Outcome.UNKNOWN:
        return Step(replace(thread, silence=replace(silence, unknown_ref=event.ref)))
    late = event.outcome is Outcome.DELIVERED and silence.unknown_ref == event.ref
    if event.outcome is Outcome.ACCEPTED or late:
        return Step(replace(thread, silence=replace(silence, unknown_ref="")), (RecordAudit(kind=kind),))
    return Step(thread)


def remind(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Say in the room, once more, that no answer came; at last, that the conversation may be parked.

    Of several that became due at once, as in a downtime, only the last is said.
    """
    if event.key != TIMER:
        return Step(thread)
    silence, settings = thread.silence, pack.settings
    rungs = (*settings.silence_cues, settings.silence_offer_park)
    over = not silence.spoke_at or silence.heard_at > silence.spoke_at or silence.cue_count >= len(rungs)
    if over or thread.assignment.assignee is None or thread.consent.stopped or thread.flags.unsafe:
        return Step(thread, consumed=True)
    if (closes_at := thread.lifecycle.closes_at) > facts.now:
        # Whoever closes expects no answer. When the closing is taken back, the reminders go on.
        return Step(thread, (SetTimer(key=TIMER, due=closes_at),), consumed=True)
    rung = silence.cue_count
    while rung + 1 < len(rungs) and silence.spoke_at + rungs[rung + 1] <= facts.now:
        rung += 1
    last = rung + 1 == len(rungs)
    long = describe_duration(rungs[rung])
    if last:
        member = facts.member(thread.assignment.assignee)
        called = (thread.assignment.assignee,) if member is not None and member.on_duty else ()
        body = notice_of("silence_reminders.no_answer_for_if_it", long=long)
        cue = SendMessage(place=THREAD, body=body, mentions=called)
    else:
        body = notice_of("silence_reminders.no_answer_for_nothing_is", long=long)
        cue = SendMessage(place=THREAD, body=body)
    thread = replace(thread, silence=replace(silence, cue_count=rung + 1))
    again = () if last else (SetTimer(key=TIMER, due=silence.spoke_at + rungs[rung + 1]),)
    return Step(thread, (cue, *again), consumed=True)


def _clock(pack: Pack, facts: Facts) -> str:
    return f"{time_windows.local(pack, facts.wall_clock):%a %H:%M}"


def _audit(*, first: bool) -> RecordAudit:
    return RecordAudit(kind=AuditKind.FIRST_TEXT_IN if first else AuditKind.FIRST_WORDS_OUT)
