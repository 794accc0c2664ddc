"""More new texters than people can look at: they wait in a crowd, without a card and without a room, and nobody is lost.

Rules of this module: one incident has one card, one reminder, and one call outside in a quarter of an hour, however many
come. It begins when many come within a minute and ends when few have come for some minutes (`flood_begins` and `flood_ends`
of the pack). Once a minute the card is updated and the first of the crowd get cards of their own, a few at
a time: during the flood only those that stand out, afterwards all in their order. `!claim` reaches everybody at any time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.display.queue_cards import CLAIM_REACTION, WAIT, claim_card, flood_card, flood_ref
from bot.display.ringing import on_duty
from bot.model.actions import DESK, Action, EditMessage, PageOnCall, SendMessage
from bot.model.desk import Desk, Facts, QueueEntry
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.flood import CrowdEntry, Flood, calm_since, is_flooding, recent, urgency
from bot.model.thread_desk_events import (
    AlarmKind,
    AlarmRaised,
    DuressFlagChanged,
    OtherHandsChanged,
    ThreadActivity,
    ThreadMarked,
    ThreadParked,
    ThreadQueued,
)
from bot.model.transactional_actions import SetTimer
from bot.staffing import shifts
from bot.wording.notice import notice_for_all, notice_of
from policies.pack import Pack

TIMER: Final = "flood"
LOOK_INTERVAL: Final = 60.0
CARDS_PER_LOOK: Final = 2
REPORT_AGAIN_AFTER: Final = 1800.0
"""Seconds after which the card of another incident calls people once more."""
ASKING: Final = (AlarmKind.CALL, AlarmKind.HELP, AlarmKind.START_ASKS, AlarmKind.LEFT_ALARMED, AlarmKind.TEXT_AFTER_STOP)
"""Alarms that move a thread of the crowd forward and are no message of their own."""
QUIET: Final = (
    AlarmKind.STOPPED,
    AlarmKind.STOPPED_LIVE,
    AlarmKind.RESUMED,
    AlarmKind.OPTED_OUT,
    AlarmKind.CAME_LATE,
    AlarmKind.INFO,
    AlarmKind.LEFT_QUIETLY,
    AlarmKind.LEFT_UNSEEN,
    AlarmKind.UNKNOWN_SEND,
)
"""Alarms of a thread of the crowd that are no message at the desk: the thread says it to the person who claims it."""


def queue_in_crowd(pack: Pack, facts: Facts, desk: Desk, event: ThreadQueued) -> Step[Desk]:
    """Queue a new texter without a card, while many come or when too many came; the first one opens the incident."""
    if event.requeued:
        return Step(desk)
    flood = _count_thread(pack, facts, desk.flood)
    if not (event.rate_limited or flood.active):
        return Step(replace(desk, flood=flood))
    entry = CrowdEntry(
        thread=event.thread,
        designation=event.designation,
        since=event.since,
        danger=event.danger,
        language=event.language,
        other_hands_at=event.other_hands_at,
    )
    flood = replace(flood.with_entry(entry), came=flood.came + 1)
    threads = tuple(known for known in desk.threads if known.thread != event.thread)
    desk = replace(desk, threads=threads, flood=flood)
    return Step(desk, consumed=True) if flood.card else Step(*_open(pack, facts, desk), consumed=True)


def review_flood(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Once a minute: check whether the flood is over, give cards to the first, remind or call once, and update the card."""
    if event.key != TIMER:
        return Step(desk)
    desk = _move_to_crowd(desk)
    if not desk.flood.card:
        return Step(*(_open(pack, facts, desk) if desk.flood.crowd else (desk, ())), consumed=True)
    flood, settings = desk.flood, pack.settings
    calm = calm_since(flood.calm_since, facts.now, came=flood.came - flood.came_before, ends=settings.flood_ends)
    lasts = flood.active and not (calm and facts.now - calm >= settings.flood_calm)
    desk = replace(desk, flood=replace(flood, active=lasts, calm_since=calm, came_before=flood.came))
    desk, cards = _give_cards(pack, facts, desk)
    flood, called = _call(pack, facts, desk)
    body = flood_card(flood)
    ref = flood_ref(flood)
    over = not flood.crowd and not flood.active
    reactions = () if over else (CLAIM_REACTION,)
    edit = (EditMessage(place=DESK, ref=ref, body=body, reactions=reactions),) if body != flood.card else ()
    if over:
        # The next one is another incident: calls for this one do not count for it.
        return Step(replace(desk, flood=Flood(paged_at=flood.paged_at)), (*cards, *edit), consumed=True)
    again = SetTimer(key=TIMER, due=facts.now + LOOK_INTERVAL)
    return Step(replace(desk, flood=replace(flood, card=str(body))), (*cards, *called, *edit, again), consumed=True)


def note_news(
    pack: Pack,
    facts: Facts,
    desk: Desk,
    event: ThreadActivity | ThreadMarked | OtherHandsChanged | DuressFlagChanged | ThreadParked,
) -> Step[Desk]:
    """Record news of a thread without a card; they cause no message at the desk."""
    old = desk.flood.crowd.get(event.thread)
    if old is None:
        return Step(desk)
    new: CrowdEntry | None
    match event:
        case ThreadActivity():
            new = replace(old, texts=old.texts + 1) if event.inbound else old
        case ThreadMarked():
            new = replace(old, danger=event.danger, language=event.language)
        case OtherHandsChanged():
            new = replace(old, other_hands_at=event.other_hands_at)
        case DuressFlagChanged():
            new = replace(old, duress=event.duress)
        case ThreadParked():
            new = None
    flood = desk.flood.without(old.thread) if new is None else desk.flood.with_entry(new)
    return Step(replace(desk, flood=flood), consumed=new is not None)


def note_alarm(pack: Pack, facts: Facts, desk: Desk, event: AlarmRaised) -> Step[Desk]:
    """Let the alarm of a thread without a card move it forward, without a message, unless the alarm must be heard."""
    old = desk.flood.find_by_designation(event.designation)
    if old is None or event.alarm in QUIET:
        return Step(desk, consumed=old is not None)
    asks = event.alarm in ASKING
    new = replace(old, asks=asks or old.asks, danger=old.danger or not asks)
    return Step(replace(desk, flood=desk.flood.with_entry(new)), consumed=asks)


def leave_crowd(desk: Desk, name: str = "") -> Desk:
    """Move the thread of that designation to the queue; without a designation, the first of all if it is in the crowd."""
    if name:
        entry = desk.flood.find_by_designation(name)
    else:
        entry = min(desk.flood.crowd.values(), key=urgency, default=None)
        if entry is not None and desk.waiting and not (entry.in_danger and not desk.waiting[0].urgent):
            entry = None
    return desk if entry is None else _move_to_queue(desk, entry, has_card=False)


def _open(pack: Pack, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """Open an incident: its card calls people on duty, unless another incident called them just now.

    Everybody on duty is called, on shift or not: a flood is more than a shift can handle. The person on call is called at
    once if nobody who is on shift is on duty.
    """
    flood = replace(desk.flood, begun_at=facts.now, calm_since=0.0, reminded=False)
    body = flood_card(flood)
    flood = replace(flood, card=str(body))
    is_reported = 0 <= facts.now - desk.rate_limit_reported_at < REPORT_AGAIN_AFTER
    called = () if is_reported else on_duty(desk.roster)
    card = SendMessage(place=DESK, ref=flood_ref(flood), body=body, mentions=called, reactions=(CLAIM_REACTION,))
    flood, paged = (flood, ()) if shifts.on_duty_and_shift(pack, facts, desk.roster) else _page(facts, flood)
    reported = desk.rate_limit_reported_at if is_reported else facts.now
    desk = replace(desk, flood=flood, rate_limit_reported_at=reported)
    return desk, (card, *paged, SetTimer(key=TIMER, due=facts.now + LOOK_INTERVAL))


def _count_thread(pack: Pack, facts: Facts, flood: Flood) -> Flood:
    """Count a new thread, and say whether that begins a flood."""
    if flood.active:
        return flood
    arrivals = (*recent(flood.arrivals, facts.now), facts.now)
    begins = is_flooding(arrivals, facts.now, begins=pack.settings.flood_begins)
    return replace(flood, active=begins, arrivals=() if begins else arrivals, calm_since=0.0)


def _give_cards(pack: Pack, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    """Give cards to the first of the crowd, as long as few threads with a card wait."""
    free = pack.settings.flood_cards - sum(entry.has_card for entry in desk.waiting)
    first = desk.flood.first(min(CARDS_PER_LOOK, max(free, 0)))
    actions: tuple[Action, ...] = ()
    for entry in first:
        if desk.flood.active and not entry.stands_out:
            continue
        desk = _move_to_queue(desk, entry, has_card=True)
        ladder = SetTimer(key=f"{WAIT}{entry.thread}:0", due=facts.now + pack.settings.unclaimed_on_duty)
        actions += (claim_card(facts, desk.threads[-1]), ladder)
    return desk, actions


def _call(pack: Pack, facts: Facts, desk: Desk) -> tuple[Flood, tuple[Action, ...]]:
    """Remind people on duty once of an incident, and call the person on call when it lasts."""
    flood, settings = desk.flood, pack.settings
    lasted, actions = facts.now - flood.begun_at, tuple[Action, ...]()
    if not flood.crowd:
        return flood, ()
    if lasted >= settings.unclaimed_on_duty and not flood.reminded:
        flood = replace(flood, reminded=True)
        body = notice_for_all(notice_of("flood_card.still", waiting=len(flood.crowd)))
        actions = (SendMessage(place=DESK, ref=f"{flood_ref(flood)}:again", body=body, mentions=on_duty(desk.roster)),)
    paged = flood.paged_at >= flood.begun_at
    absent = not shifts.on_duty_and_shift(pack, facts, desk.roster)
    if (lasted >= settings.unclaimed_on_call or absent) and (flood.active or not paged):
        flood, page = _page(facts, flood)
        actions += page
    return flood, actions


def _page(facts: Facts, flood: Flood) -> tuple[Flood, tuple[Action, ...]]:
    if not flood.may_page(facts.now):
        return flood, ()
    return replace(flood, paged_at=facts.now), (PageOnCall(reason="waiting"),)


def _move_to_crowd(desk: Desk) -> Desk:
    """Move threads that waited without a card before there was a crowd into the crowd."""
    stray = [entry for entry in desk.threads if entry.assignee is None and not entry.has_card]
    if not stray:
        return desk
    crowd = {
        entry.thread: CrowdEntry(
            thread=entry.thread,
            designation=entry.designation,
            since=entry.since,
            danger=entry.danger,
            duress=entry.duress,
            language=entry.language,
            other_hands_at=entry.other_hands_at,
        )
        for entry in stray
    }
    flood = replace(desk.flood, crowd={**desk.flood.crowd, **crowd})
    return replace(desk, threads=tuple(entry for entry in desk.threads if entry not in stray), flood=flood)


def _move_to_queue(desk: Desk, entry: CrowdEntry, *, has_card: bool) -> Desk:
    """Move a thread of the crowd to the queue, as its last entry."""
    queued = QueueEntry(
        thread=entry.thread,
        designation=entry.designation,
        since=entry.since,
        opened_at=entry.since,
        last_activity=entry.since,
        has_card=has_card,
        danger=entry.danger,
        duress=entry.duress,
        asks=entry.asks,
        language=entry.language,
        other_hands_at=entry.other_hands_at,
    )
    return replace(desk, flood=desk.flood.without(entry.thread), threads=(*desk.threads, queued))
