"""Looking after the people at the desk (practices 32 to 35): how much they carry, and an offer to talk it over.

Rules of this module: counts and times only, never what a conversation was about, nor which one it was; unasked, somebody is
told in their own office and not more often than every few hours; nothing reaches a phone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.actions import DESK, OFFICE, Action, Post
from bot.model.desk import Desk, Facts, Line, Seat, Thread
from bot.model.events import Outcome as Came
from bot.model.events import TextArrived, TextOutcome
from bot.model.feature import Step
from bot.model.thread_desk_events import Alarm, AlarmRaised, Marked, Stirred
from bot.model.transactional_actions import Tell
from bot.sending.delivery_receipts import message_of
from policies.pack import Pack

HOUR: Final = 3_600.0
LONG: Final = 2 * HOUR
"""Seconds of one conversation after which it was a long one."""
SHIFT: Final = 8 * HOUR
"""Seconds on duty after which it is said how long it has been."""
HEAVY: Final = 2
"""Heavy conversations in one shift after which the same is said."""
AGAIN: Final = 4 * HOUR
"""Seconds for which nobody is told unasked a second time."""
MINUTE: Final = 60.0

OFFER: Final = (
    "What you have just carried may stay with you for a while. A supervisor can take a quiet quarter of an hour with you,"
    " now or later: just ask. Nobody else was told of this."
)


def stirs(pack: Pack, facts: Facts, thread: Thread, event: TextArrived | TextOutcome) -> Step[Thread]:
    """Tell the desk that a text came or went, so that the board knows how long it is quiet and whose turn it is."""
    life = thread.life
    # Only what a person said counts as ours, here and in `spoke`: after an automatic answer it is still our turn.
    if isinstance(event, TextOutcome) and (event.outcome is not Came.ACCEPTED or not message_of(event.ref)):
        return Step(thread)
    theirs, spoke = isinstance(event, TextArrived), thread.silence.spoke
    same = theirs == (life.last_inbound >= spoke)
    # The desk does not know a thread before its first text has made it wait there.
    if not life.since or (same and facts.now - max(life.last_inbound, spoke) < MINUTE):
        return Step(thread)
    return Step(thread, (Tell(owner=DESK, event=Stirred(thread=thread.id, at=facts.now, theirs=theirs)),))


def stirred(pack: Pack, facts: Facts, desk: Desk, event: Stirred) -> Step[Desk]:
    """Note when a thread was last heard of."""
    return Step(_changed(desk, event.thread, last=event.at, theirs=event.theirs))


def marked(pack: Pack, facts: Facts, desk: Desk, event: Marked) -> Step[Desk]:
    """Note what a thread is marked with; duress makes it a heavy one for whoever carries it."""
    desk = _changed(desk, event.thread, duress=event.duress)
    return Step(_weigh(desk, event.thread) if event.duress else desk)


def weighed(pack: Pack, facts: Facts, desk: Desk, event: AlarmRaised) -> Step[Desk]:
    """Note that a thread is a heavy one when a supervisor is called into it."""
    if event.alarm is not Alarm.ESCALATED:
        return Step(desk)
    line = next((line for line in desk.threads if line.designation == event.designation), None)
    return Step(desk if line is None else _weigh(desk, line.thread))


def live(pack: Pack, facts: Facts, before: Desk, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """After any event: offer a talk to whoever has just let go of what was heavy, long or broke off; say who has much."""
    now = {line.thread: line.voice for line in desk.threads}
    gone = {
        line.voice
        for line in before.threads
        if line.voice is not None and now.get(line.thread) != line.voice and _stays(pack, facts, line)
    }
    told: tuple[Action, ...] = ()
    seats = []
    for seat in desk.roster:
        words = OFFER if seat.user in gone else _much(pack, facts, before, desk, seat)
        # A clock that was set back is no reason to say it twice.
        if words and (not seat.offered or facts.now - seat.offered >= AGAIN):
            told += (Post(place=OFFICE + seat.user, body=words),)
            seats.append(replace(seat, offered=facts.now))
        else:
            seats.append(seat)
    return (replace(desk, roster=tuple(seats)) if told else desk), told


def _stays(pack: Pack, facts: Facts, line: Line) -> bool:
    """Whether such a conversation may stay with one: heavy, long, or our words were the last and nothing came back."""
    silent = bool(line.last) and not line.theirs and facts.now - line.last >= pack.settings.silence_offer_park
    return line.heavy or facts.now - line.since >= LONG or silent


def _much(pack: Pack, facts: Facts, before: Desk, desk: Desk, seat: Seat) -> str:
    """Say how much somebody carries, when it has just become much; nothing otherwise."""
    was = before.seat(seat.user)
    if was is None or not seat.duty:
        return ""
    count, most, hours = len(desk.held(seat.user)), pack.settings.cap, int((facts.now - seat.since) // HOUR)
    many = count >= most > len(before.held(seat.user))
    heavy = seat.heavy >= HEAVY > was.heavy
    if not (many or heavy or (count and seat.since and hours * HOUR >= SHIFT)):
        return ""
    return (
        f"You have {count} conversation(s) open and {seat.heavy} heavy one(s) behind or before you,"
        f" {hours} h on duty. It may be time to hand one over (!transfer), or for a break. Only you see this."
    )


def _weigh(desk: Desk, thread: str) -> Desk:
    line = next((line for line in desk.threads if line.thread == thread), None)
    if line is None or line.heavy:
        return desk
    roster = tuple(replace(seat, heavy=seat.heavy + 1) if seat.user == line.voice else seat for seat in desk.roster)
    return _changed(replace(desk, roster=roster), thread, heavy=True)


def _changed(desk: Desk, thread: str, **changed: object) -> Desk:
    threads = tuple(replace(line, **changed) if line.thread == thread else line for line in desk.threads)  # type: ignore[arg-type] # fields of Line
    return replace(desk, threads=threads)
