"""The calendar of shifts at the desk: whom it asks and calls, and the gaps that supervisors hear of.

Rules of this module: the calendar puts nobody on duty, and only people on duty count as present for a phone (practice 29).
A person on shift who is not on duty is asked once in that shift, in their office. They are not asked where they were on
duty in it, so that `!off` holds. The calendar takes nobody out of the on-call chain: it decides who is called first, and
brings the person on call in earlier. Only the person hears of many nights in a row. Nothing here reaches a phone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from bot.model.actions import OFFICE, Action, SendMessage
from bot.model.desk import SHIFTS_TIMER, Desk, DeskMember, Facts, Role
from bot.model.events import Event, TimerDue
from bot.model.feature import Step
from bot.model.line_incidents import CalendarRead, CalendarUnread
from bot.model.transactional_actions import SetTimer
from bot.wording.notice import notice_of
from policies.pack import Pack, Shifts
from policies.shifts.calendar import WEEK, gaps, local_minute, next_change, nights_in_a_row, on_shift, shift_ends

DAY: Final = 86_400.0
MANY_NIGHTS: Final = 4
"""Nights in a row after which a rest is offered, once in each shift."""
MOST_GAPS: Final = 10
"""How many gaps are named in one message; the others are counted."""


def current_calendar(pack: Pack, facts: Facts) -> Shifts | None:
    """Return the calendar in force; None: the agency has none, or its calendar has ended."""
    copy = facts.calendar
    return copy if copy is not None and facts.wall_clock < copy.until else pack.shifts


def on_duty_and_shift(pack: Pack, facts: Facts, roster: Iterable[DeskMember]) -> tuple[str, ...]:
    """Return the people on duty who are on shift; without a calendar, all who are on duty."""
    shifts = current_calendar(pack, facts)
    on = None if shifts is None else on_shift(shifts, facts.wall_clock)
    return tuple(member.user for member in roster if member.on_duty and (on is None or member.user in on))


def follow_calendar(pack: Pack, facts: Facts, desk: Desk, event: Event) -> tuple[Desk, tuple[Action, ...]]:
    """After any event: ask people on shift who are not on duty, report gaps once a day, wait for the next change."""
    shifts = current_calendar(pack, facts)
    if shifts is None:
        return desk, ()
    desk, questions = _ask(shifts, facts, desk)
    desk, gap_notices = _tell_gaps(pack, shifts, facts, desk)
    timer: tuple[Action, ...] = ()
    looked = isinstance(event, CalendarRead) or (isinstance(event, TimerDue) and event.key == SHIFTS_TIMER)
    if desk.shifts_due <= facts.now or looked:
        due = min(next_change(shifts, facts.wall_clock), desk.gaps_told_at + DAY) - facts.clock_ahead
        desk, timer = replace(desk, shifts_due=due), (SetTimer(key=SHIFTS_TIMER, due=due),)
    return desk, questions + gap_notices + timer


def report_calendar(pack: Pack, facts: Facts, desk: Desk, event: CalendarRead) -> Step[Desk]:
    """Tell supervisors which entries of a new calendar name nobody: once, and only if there are any."""
    here = {member.user for member in desk.roster}
    people = () if facts.calendar is None else facts.calendar.people
    strangers = tuple(person.who for person in people if person.who not in here)
    fresh = not set(strangers) <= set(desk.strangers_told)
    desk = replace(desk, strangers_told=strangers)
    actions = _tell_supervisors(desk, notice_of("shifts.calendar_is_back")) if event.recovered else ()
    if facts.calendar is not None and (event.nameless or event.unread or fresh):
        body = notice_of(
            "shifts.calendar_was_read",
            nameless=len(event.nameless) + event.more,
            times="; ".join(local_minute(facts.calendar, moment) for moment in event.nameless) or "-",
            unread=event.unread,
            missing=len(strangers),
        )
        actions += _tell_supervisors(desk, body)
    return Step(desk, actions)


def report_unusable_calendar(pack: Pack, facts: Facts, desk: Desk, event: CalendarUnread) -> Step[Desk]:
    """Tell supervisors that the calendar cannot be used, and what is used in its place."""
    in_place = (
        notice_of("shifts.the_copy_counts", hours=event.hours)
        if event.hours is not None and facts.calendar is not None
        else notice_of("shifts.no_copy_counts")
    )
    body = notice_of(
        "shifts.calendar_cannot_be_used", why=notice_of(f"shifts.calendar_{event.problem.value}"), in_place=in_place
    )
    return Step(desk, _tell_supervisors(desk, body))


def _tell_supervisors(desk: Desk, body: str) -> tuple[Action, ...]:
    supervisors = (member.user for member in desk.roster if member.role is Role.SUPERVISOR)
    return tuple(SendMessage(place=OFFICE + user, body=body) for user in supervisors)


def _ask(shifts: Shifts, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    now, on = facts.wall_clock, on_shift(shifts, facts.wall_clock)
    users = {member.user for member in desk.roster if member.user in on and member.shift_until <= now}
    if not users:
        return desk, ()
    roster = tuple(
        replace(member, shift_until=shift_ends(shifts, member.user, now)) if member.user in users else member
        for member in desk.roster
    )
    body = notice_of("shifts.your_shift_has_begun")
    questions = tuple(
        SendMessage(place=OFFICE + member.user, body=body, notice=False, mentions=(member.user,))
        for member in desk.roster
        if member.user in users and not member.on_duty
    )
    return replace(desk, roster=roster), (*questions, *_offer_rest(shifts, now, users))


def _offer_rest(shifts: Shifts, now: float, users: Iterable[str]) -> tuple[Action, ...]:
    """Tell a person, and nobody else, that the shift which begins is one of many nights in a row."""
    nights = {user: nights_in_a_row(shifts, user, now) for user in sorted(users)}
    return tuple(
        SendMessage(place=OFFICE + user, body=notice_of("shifts.nights_in_a_row", nights=count))
        for user, count in nights.items()
        if count >= MANY_NIGHTS
    )


def _tell_gaps(pack: Pack, shifts: Shifts, facts: Facts, desk: Desk) -> tuple[Desk, tuple[Action, ...]]:
    now = facts.wall_clock
    if 0 <= now - desk.gaps_told_at < DAY:
        return desk, ()
    desk = replace(desk, gaps_told_at=now)
    here = frozenset(member.user for member in desk.roster)
    next_gaps = gaps(shifts, pack.hours, now=now, until=now + WEEK, people=here)
    if not next_gaps:
        return desk, ()
    named = [f"{local_minute(shifts, begin)} / {local_minute(shifts, end)}" for begin, end in next_gaps[:MOST_GAPS]]
    body = notice_of(
        "shifts.nobody_is_on_shift",
        gaps="; ".join(named),
        more=len(next_gaps) - len(named),
        missing=sum(person.who not in here for person in shifts.people),
    )
    return desk, _tell_supervisors(desk, body)
