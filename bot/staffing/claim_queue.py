"""Who takes which thread. The desk decides alone and in order, so two claims in one second have one winner.

Rules of this module: a waiting thread is a card of its own at the desk, without content; a claim is refused in a sentence;
whoever waits too long is called out again, to people on duty only, and at last to whoever is on call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import answer, says
from bot.display.queue_cards import HAND, WAIT, anew, claimable, ref, settled, taken, thread_of
from bot.display.thread_card import short
from bot.model.actions import DESK, Action, Edit, Page, Post
from bot.model.desk import Desk, Facts, Line, Role
from bot.model.events import Said, Tapped, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned, How, NotAssigned, Offered, ThreadGone, ThreadWaits, VoiceWanted
from bot.model.transactional_actions import DropTimer, SetTimer, Tell
from policies.pack import Pack

NEXT: Final = 30.0
"""Seconds for which a claim on an empty queue stands."""


def waits(pack: Pack, facts: Facts, desk: Desk, event: ThreadWaits) -> Step[Desk]:
    """Put a thread on the queue and its card on the desk, always as a new message."""
    old = next((known for known in desk.threads if known.thread == event.thread), None)
    others = tuple(known for known in desk.threads if known is not old)
    line = _waiting(old, event)
    if old is not None and old.given:
        # It was given to them unasked, and they did not show themselves: they get no other until they do.
        roster = tuple(replace(seat, away=True) if seat.user == old.voice else seat for seat in desk.roster)
        desk = replace(desk, roster=roster)
    before: tuple[Action, ...] = ()
    if old is not None and old.carded:
        line, over = anew(line)
        before = (Edit(place=DESK, ref=ref(old), body=f"{event.designation} · back in the queue, see below"), *over)
    card = claimable(line, "waiting again: its voice has left" if event.again else "waiting")
    line = replace(line, carded=True)
    ladder = SetTimer(key=f"{WAIT}{event.thread}:0", due=facts.now + pack.settings.unclaimed_on_duty)
    actions: tuple[Action, ...] = (*before, card, ladder)
    desk = replace(desk, threads=(*others, line))
    if (user := _next(pack, facts, desk)) is not None:
        desk, assigned = _assign(pack, facts, desk, user, line, None)
        return Step(desk, (*actions, *assigned))
    return Step(desk, actions)


def gone(pack: Pack, facts: Facts, desk: Desk, event: ThreadGone) -> Step[Desk]:
    """Forget a conversation that is over, and let its card go."""
    timers = tuple(DropTimer(key=f"{WAIT}{event.thread}:{rung}") for rung in range(3))
    roster = tuple(replace(seat, spoke="") if seat.spoke == event.thread else seat for seat in desk.roster)
    over = [line for line in desk.threads if line.thread == event.thread]
    desk = replace(desk, threads=tuple(line for line in desk.threads if line not in over), roster=roster)
    return Step(desk, (*(action for line in over for action in settled(line)), *timers))


def claim(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Take the thread that is named, or whose card is replied to, or the longest waiting; else the next within seconds."""
    if event.place != DESK or (wanted := says(event, "claim")) is None:
        return Step(desk)
    name = wanted.casefold()
    if not name and (thread := thread_of(event.ref)):
        name = next((line.designation for line in desk.threads if line.thread == thread), "that")
    line = next((line for line in desk.waiting if name in ("", line.designation)), None)
    offered = next((line for line in desk.threads if line.offered and line.designation == name), None)
    if (line := line or offered) is not None:
        desk, actions = _assign(pack, facts, desk, event.sender, line, event)
        return Step(desk, actions, consumed=True)
    taken = next((line for line in desk.threads if line.designation == name), None)
    if not name and (why_not := may_not(pack, desk, event.sender)) is not None:
        why = why_not
    elif not name:
        claimers = (*((u, t) for u, t in desk.claimers if u != event.sender), (event.sender, facts.now + NEXT))
        desk = replace(desk, claimers=claimers)
        why = "Nobody is waiting. Whoever comes within the next 30 seconds is yours."
    elif taken is not None and taken.voice is not None:
        why = f"{taken.designation} is with {short(taken.voice)} already."
    else:
        why = "No waiting thread has that designation. !board shows who waits."
    return Step(desk, answer(facts, event, why), consumed=True)


def tap(pack: Pack, facts: Facts, desk: Desk, event: Tapped) -> Step[Desk]:
    """Take the thread whose card, or the reminder of which, was tapped with a raised hand."""
    if not event.key.startswith(HAND) or desk.seat(event.sender) is None:
        return Step(desk)
    line = next((line for line in desk.threads if line.thread == thread_of(event.target)), None)
    if line is None:
        return Step(desk)
    if not event.trusted:
        why = f"{short(event.sender)}: verify your device first; until then you could not read {line.designation}."
        return Step(desk, answer(facts, event, why))
    if line.voice is not None and not line.offered:
        if line.voice == event.sender:
            return Step(desk)
        why = f"{short(event.sender)}: {line.designation} is with {short(line.voice)} already."
        return Step(desk, answer(facts, event, why))
    return Step(*_assign(pack, facts, desk, event.sender, line, event))


def wanted(pack: Pack, facts: Facts, desk: Desk, event: VoiceWanted) -> Step[Desk]:
    """Make somebody the voice of a thread that has one, if they may be."""
    line = next((line for line in desk.threads if line.thread == event.thread), None)
    seat = desk.seat(event.user)
    if line is None:
        return Step(desk)
    if line.voice == event.user:
        return Step(desk)
    why = None
    if seat is None:
        why = "they are not at the desk."
    elif event.how is How.CLAIMED and line.voice is not None and not line.offered:
        why = f"{short(line.voice)} was quicker."
    elif event.how is How.TOOK and seat.role is not Role.SUPERVISOR:
        why = "only supervisors take a voice."
    elif not (event.beyond and seat.duty):
        why = may_not(pack, desk, event.user)
    if why is not None:
        return Step(desk, (Tell(owner=line.thread, event=NotAssigned(user=event.user, why=why)),))
    # A thread that waits by now is claimed like any other: `assigned` relies on it to tell what is out of date.
    how = How.CLAIMED if line.voice is None else How.ACCEPTED if event.how is How.CLAIMED else event.how
    return Step(*give(facts, desk, event.user, line, how))


def offered(pack: Pack, facts: Facts, desk: Desk, event: Offered) -> Step[Desk]:
    """Show a thread that its voice offers to everybody, or does no longer."""
    line = next((line for line in desk.threads if line.thread == event.thread), None)
    if line is None or line.voice is None or line.offered == event.open:
        return Step(desk)
    changed, over = anew(replace(line, offered=True)) if event.open else (replace(line, offered=False), ())
    desk = replace(desk, threads=tuple(changed if known is line else known for known in desk.threads))
    if not event.open:
        return Step(desk, (Edit(place=DESK, ref=ref(changed), body=taken(changed)),))
    return Step(desk, (*over, claimable(changed)))


def ladder(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Call out again who waits: people on duty, then supervisors, then whoever is on call."""
    if not event.key.startswith(WAIT):
        return Step(desk)
    thread, _, rung = event.key.removeprefix(WAIT).partition(":")
    line = next((line for line in desk.waiting if line.thread == thread), None)
    if line is None:
        return Step(desk, consumed=True)
    settings = pack.settings
    due = (settings.unclaimed_on_duty, settings.unclaimed_supervisors, settings.unclaimed_on_call)
    step = int(rung)
    on_duty = [seat for seat in desk.roster if seat.duty]
    called = [seat.user for seat in on_duty if step != 1 or seat.role is Role.SUPERVISOR]
    minutes = int((facts.now - line.since) // 60)
    body = f"{HAND} {line.designation} · still waiting, {minutes} min"
    actions: list[Action] = [Post(place=DESK, ref=event.key, body=body, notice=False, mentions=tuple(called), taps=(HAND,))]
    if step == len(due) - 1 or not on_duty:
        actions.append(Page(reason="waiting"))
    if step + 1 < len(due):
        actions.append(SetTimer(key=f"{WAIT}{thread}:{step + 1}", due=facts.now + due[step + 1] - due[step]))
    return Step(desk, tuple(actions), consumed=True)


def _next(pack: Pack, facts: Facts, desk: Desk) -> str | None:
    """Return who gets a thread that has just come: whoever asked for the next one, if they still may."""
    asked = (user for user, until in desk.claimers if until >= facts.now and desk.seat(user) is not None)
    return next((user for user in asked if may_not(pack, desk, user) is None), None)


def may_not(pack: Pack, desk: Desk, user: str) -> str | None:
    """Say why somebody who is here may not have one more thread: off duty, or as many as the cap unless they supervise."""
    seat, cap = desk.seat(user), pack.settings.cap
    if seat is not None and not seat.duty:
        return f"{short(user)} is off duty. !on at the desk changes that."
    if len(desk.held(user)) >= cap and (seat is None or seat.role is not Role.SUPERVISOR):
        return f"{short(user)} has {cap} threads open, which is the most. Somebody else should take this one."
    return None


def _assign(
    pack: Pack, facts: Facts, desk: Desk, user: str, line: Line, event: Said | Tapped | None
) -> tuple[Desk, tuple[Action, ...]]:
    """Give a waiting or offered thread to whoever claims it, unless they have as many as they may have."""
    if line.voice == user:
        return desk, _reply(facts, event, f"{line.designation} is yours already.")
    if (why := may_not(pack, desk, user)) is not None:
        return desk, _reply(facts, event, why)
    how = How.ACCEPTED if line.voice is not None else How.CLAIMED
    desk = replace(desk, claimers=tuple((u, t) for u, t in desk.claimers if u != user and t >= facts.now))
    desk, actions = give(facts, desk, user, line, how)
    told = f"{line.designation} is yours, {short(user)}: accept the invitation."
    return desk, (*actions, *_reply(facts, event, told))


def give(
    facts: Facts, desk: Desk, user: str, line: Line, how: How, *, answer_by: float = 0.0
) -> tuple[Desk, tuple[Action, ...]]:
    """Make somebody the voice of a thread. `answer_by`: they did not ask for it, and have to show themselves until then."""
    tried = line.tried if answer_by else ()
    changed = replace(line, voice=user, since=facts.now, offered=False, carded=True, given=bool(answer_by), tried=tried)
    desk = replace(desk, threads=tuple(changed if known.thread == line.thread else known for known in desk.threads))
    show = Edit if line.carded else Post
    timers = tuple(DropTimer(key=f"{WAIT}{line.thread}:{rung}") for rung in range(3))
    return desk, (
        Tell(owner=line.thread, event=Assigned(voice=user, how=how, answer_by=answer_by, designation=line.designation)),
        show(place=DESK, ref=ref(changed), body=taken(changed)),
        *timers,
    )


def _waiting(old: Line | None, event: ThreadWaits) -> Line:
    """Return the thread as it waits; what is known of it from before stays known."""
    line = old or Line(
        thread=event.thread, designation=event.designation, since=event.since, begun=event.since, last=event.since
    )
    tried = (*line.tried, line.voice) if line.voice is not None and line.voice not in line.tried else line.tried
    return replace(line, since=event.since, voice=None, offered=False, given=False, tried=tried)


def _reply(facts: Facts, event: Said | Tapped | None, body: str) -> tuple[Action, ...]:
    return (Post(place=DESK, body=body),) if event is None else answer(facts, event, body)
