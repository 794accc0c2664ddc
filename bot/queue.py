"""Who takes which thread. The desk decides alone and in order, so two claims in one second have one winner.

Rules of this module: a waiting thread is a card of its own at the desk, without content; a claim is refused in a sentence.
"""

from __future__ import annotations

from dataclasses import replace

from bot.actions import DESK, Action, Edit, Post, Tell
from bot.commands import says
from bot.events import Assigned, Said, Tapped, ThreadWaits
from bot.model import Desk, Facts, Line
from bot.step import Step
from bot.voice import short
from policies.pack import Pack

HAND = "✋"
CARD = "card:"


def waits(pack: Pack, facts: Facts, desk: Desk, event: ThreadWaits) -> Step[Desk]:
    """Put a thread on the queue and its card on the desk, always as a new message."""
    line = Line(thread=event.thread, designation=event.designation, since=event.since)
    others = tuple(known for known in desk.threads if known.thread != event.thread)
    ref = CARD + event.thread
    old = (Edit(place=DESK, ref=ref, body=f"{event.designation} · back in the queue, see below"),) if event.again else ()
    how = "waiting again: its voice has left" if event.again else "waiting"
    body = f"{HAND} {event.designation} · {how}\nTap {HAND} or say !claim {event.designation}"
    return Step(replace(desk, threads=(*others, line)), (*old, Post(place=DESK, ref=ref, body=body, notice=False)))


def claim(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Take the named thread, or the longest waiting."""
    if event.place != DESK or (wanted := says(event, "claim")) is None:
        return Step(desk)
    name = wanted.casefold()
    line = next((line for line in desk.waiting if name in ("", line.designation)), None)
    if line is not None:
        desk, actions = _assign(pack, facts, desk, event.sender, line, event.event_id)
        return Step(desk, actions, consumed=True)
    taken = next((line for line in desk.threads if line.designation == name), None)
    if not name:
        why = "Nobody is waiting."
    elif taken is not None and taken.voice is not None:
        why = f"{taken.designation} is with {short(taken.voice)} already."
    else:
        why = "No waiting thread has that designation. !board shows who waits."
    return Step(desk, (Post(place=DESK, body=why, reply_to=event.event_id),), consumed=True)


def tap(pack: Pack, facts: Facts, desk: Desk, event: Tapped) -> Step[Desk]:
    """Take the thread whose card was tapped with a raised hand."""
    if not event.key.startswith(HAND) or not event.target.startswith(CARD) or desk.seat(event.sender) is None:
        return Step(desk)
    line = next((line for line in desk.threads if CARD + line.thread == event.target), None)
    if line is None:
        return Step(desk)
    if not event.trusted:
        why = f"{short(event.sender)}: verify your device first; until then you could not read {line.designation}."
        return Step(desk, (Post(place=DESK, body=why),))
    if line.voice is not None:
        if line.voice == event.sender:
            return Step(desk)
        why = f"{short(event.sender)}: {line.designation} is with {short(line.voice)} already."
        return Step(desk, (Post(place=DESK, body=why),))
    return Step(*_assign(pack, facts, desk, event.sender, line, ""))


def _assign(pack: Pack, facts: Facts, desk: Desk, user: str, line: Line, reply_to: str) -> tuple[Desk, tuple[Action, ...]]:
    if len(desk.held(user)) >= pack.settings.cap:
        why = (
            f"{short(user)} has {pack.settings.cap} threads open, which is the most. Another advocate should take this one."
        )
        return desk, (Post(place=DESK, body=why, reply_to=reply_to),)
    threads = tuple(replace(known, voice=user, since=facts.now) if known is line else known for known in desk.threads)
    return replace(desk, threads=threads), (
        Tell(owner=line.thread, event=Assigned(voice=user)),
        Edit(place=DESK, ref=CARD + line.thread, body=f"{line.designation} · with {short(user)}"),
        Post(place=DESK, body=f"{line.designation} is yours, {short(user)}: accept the invitation.", reply_to=reply_to),
    )
