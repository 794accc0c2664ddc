"""Their silence, and their coming back: cues to the voice, in the room only (practices 11, 26, 35).

Rules of this module: nothing here makes a text, because whoever holds the phone while she is silent would read it; the
ladder begins when the carrier took words of the voice and ends with any text of theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.desk_board import ago
from bot.language import time_windows
from bot.language.room_notes import for_the_phone
from bot.model.actions import THREAD, Action, Post
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Facts, Thread
from bot.model.events import Outcome, Said, TextArrived, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.transactional_actions import Audit, DropTimer, SetTimer
from bot.safety import inbound_cues
from bot.safety.consent_flags import KINDS
from bot.sending.delivery_receipts import taken
from policies.pack import Pack

TIMER: Final = "silence"
NAGS: Final = (2, 5, 10, 20)
"""After how many exchanges the room hears again that the limits were not given."""


def heard(pack: Pack, facts: Facts, thread: Thread, event: TextArrived) -> Step[Thread]:
    """End the ladder, and tell the room what a person should look at in this text."""
    before = thread.silence
    found, posts = inbound_cues.of(pack, facts, thread, event)
    exchanges = before.exchanges + (before.spoke > before.heard)
    silence = replace(
        before,
        heard=facts.now,
        turn=before.turn if before.heard > before.spoke else _clock(pack, facts),
        rung=0,
        exchanges=exchanges,
        cued=before.cued | found,
        ask=before.ask or inbound_cues.ASK in found,
        answered=before.answered or before.answering,
        answering=False,
    )
    actions: list[Action] = [DropTimer(key=TIMER)] if before.spoke else [] if before.heard else [_audit(first=True)]
    if exchanges > before.exchanges and exchanges in NAGS and not thread.flags.limits:
        told = (
            "They were not told the limits yet, and a disclosure cannot be interrupted: !limits. If you told them in your "
            "own words: !told limits."
        )
        posts = (*posts, Post(place=THREAD, body=told))
    return Step(replace(thread, silence=silence), (*actions, *posts))


def present(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Note words of the voice for the phone: what the line answers by itself next is not the second such text in a row."""
    silence = thread.silence
    if event.sender != thread.voice.holder or not for_the_phone(event) or not (silence.answering or silence.answered):
        return Step(thread)
    return Step(replace(thread, silence=replace(silence, answering=False, answered=False)))


def outcome(pack: Pack, facts: Facts, thread: Thread, event: TextOutcome) -> Step[Thread]:
    """Begin the ladder when the carrier took words of the voice."""
    silence = thread.silence
    if taken(thread, event) is not None:
        first = (_audit(first=False),) if not silence.spoke else ()
        turn = _clock(pack, facts) if silence.heard >= silence.spoke else silence.turn
        thread = replace(thread, silence=replace(silence, spoke=facts.now, turn=turn, rung=0))
        return Step(thread, (*first, SetTimer(key=TIMER, due=facts.now + pack.settings.silence_cues[0])))
    # What the line said by itself: what was said in which order can be shown from the audit (practice 26).
    kind = KINDS.get(event.ref.partition(":")[0])
    if kind is None:
        return Step(thread)
    if event.outcome is Outcome.UNKNOWN:
        return Step(replace(thread, silence=replace(silence, doubt=event.ref)))
    late = event.outcome is Outcome.DELIVERED and silence.doubt == event.ref
    if event.outcome is Outcome.ACCEPTED or late:
        return Step(replace(thread, silence=replace(silence, doubt="")), (Audit(kind=kind),))
    return Step(thread)


def due(pack: Pack, facts: Facts, thread: Thread, event: TimerDue) -> Step[Thread]:
    """Say in the room, once more, that no answer came; at last, that the conversation may be parked."""
    if event.key != TIMER:
        return Step(thread)
    silence, settings = thread.silence, pack.settings
    rungs = (*settings.silence_cues, settings.silence_offer_park)
    over = not silence.spoke or silence.heard > silence.spoke or silence.rung >= len(rungs)
    if over or thread.voice.holder is None or thread.consent.stopped or thread.flags.unsafe:
        return Step(thread, consumed=True)
    last = silence.rung + 1 == len(rungs)
    long = ago(rungs[silence.rung])
    if last:
        seat = facts.seat(thread.voice.holder)
        called = (thread.voice.holder,) if seat is not None and seat.duty else ()
        body = (
            f"No answer for {long}. If it is over for now, !close parks it: nothing reaches the phone. They can come back."
        )
        cue = Post(place=THREAD, body=body, notice=False, mentions=called)
    else:
        body = f"No answer for {long}. Nothing is sent by itself: they may have had to put the phone away."
        cue = Post(place=THREAD, body=body)
    thread = replace(thread, silence=replace(silence, rung=silence.rung + 1))
    again = () if last else (SetTimer(key=TIMER, due=silence.spoke + rungs[silence.rung + 1]),)
    return Step(thread, (cue, *again), consumed=True)


def _clock(pack: Pack, facts: Facts) -> str:
    return f"{time_windows.local(pack, facts.now):%a %H:%M}"


def _audit(*, first: bool) -> Audit:
    return Audit(kind=AuditKind.FIRST_TEXT_IN if first else AuditKind.FIRST_WORDS_OUT)
