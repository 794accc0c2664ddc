"""The calendar of shifts at the desk: whom it asks and calls, and the gaps that supervisors hear of.

Rules of this module: the calendar puts nobody on duty, and only people on duty count as present for a phone (practice 29).
A person on shift who is not on duty is asked once in that shift, in their office. They are not asked where they were on
duty in it, so that `!off` holds. The calendar takes nobody out of the on-call chain: it decides who is called first, and
brings the person on call in earlier. Only the person hears of many nights in a row. Nothing here reaches a phone.

A shift is in local time of the line's time zone, as the opening hours are (`policies.hours`): an hour that comes twice
counts twice, and a time that the clock skips is reached at the moment after the skip. Shifts of several people may overlap.
A gap is a time at which the line is open and nobody is on shift.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from heapq import merge
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from bot.model.actions import OFFICE, Action, SendMessage
from bot.model.desk import SHIFTS_TIMER, Desk, DeskMember, Facts, Role
from bot.model.events import Event, TimerDue
from bot.model.feature import Step
from bot.model.line_incidents import CalendarRead, CalendarUnread
from bot.model.transactional_actions import SetTimer
from bot.wording.notice import notice_of
from policies.pack import Hours, Pack, PersonShifts, Shifts

DAY: Final = 86_400.0
WEEK: Final = 7 * DAY
MINUTES_OF_DAY: Final = 1440
NIGHT_ENDS: Final = 300
"""Minute of the day at which the night ends: five in the morning."""
MOST_NIGHTS: Final = 14
"""How far back nights are counted: a person with more is told of this many."""
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


def on_shift(shifts: Shifts, now: float) -> frozenset[str]:
    """Return the people who are on shift at that moment."""
    local = datetime.fromtimestamp(now, ZoneInfo(shifts.timezone))
    return frozenset(person.who for person in shifts.people if _covers(person, local) or _is_within(person.spans, now))


def shift_ends(shifts: Shifts, who: str, now: float) -> float:
    """Return when a person's present shift ends; a week from now if it is not over by then."""
    changes = _moments(shifts, None, now, now + WEEK)
    return next((moment for moment in changes if who not in on_shift(shifts, moment)), now + WEEK)


def next_change(shifts: Shifts, now: float) -> float:
    """Return when the set of people on shift changes next; a week from now if it does not change by then."""
    before = on_shift(shifts, now)
    changes = _moments(shifts, None, now, now + WEEK)
    return next((moment for moment in changes if on_shift(shifts, moment) != before), now + WEEK)


def nights_in_a_row(shifts: Shifts, who: str, now: float) -> int:
    """Return how many nights in a row a person has on shift, counting that of their present shift.

    A night is a day on which they are on shift between 0:00 and `NIGHT_ENDS`. Of a longer shift the next night counts, and
    those after it do not. 0: the shift has no night, or there is no shift now. At most `MOST_NIGHTS`.
    """
    if who not in on_shift(shifts, now):
        return 0
    # A shift that ends at midnight has been on the day before it.
    zone = ZoneInfo(shifts.timezone)
    today, end = (datetime.fromtimestamp(moment, zone).date() for moment in (now, shift_ends(shifts, who, now) - 60))
    last = min(end, today + timedelta(days=1))
    (person,) = (each for each in shifts.people if each.who == who)
    nights = 0
    while nights < MOST_NIGHTS and _has_night(person, last, zone):
        nights, last = nights + 1, last - timedelta(days=1)
    return nights


def gaps(
    shifts: Shifts, hours: Hours, *, now: float, until: float, people: Collection[str]
) -> tuple[tuple[float, float], ...]:
    """Return the spans in which the line is open and none of these people is on shift, in order, until `until`.

    Not beyond the end of the calendar.
    """
    spans: list[tuple[float, float]] = []
    until = min(until, shifts.until)
    for begin, end in () if until <= now else pairwise((now, *_moments(shifts, hours, now, until), until)):
        # Hours with a week have the time zone of the shifts, and others need none.
        if not hours.open_at(datetime.fromtimestamp(begin, ZoneInfo(shifts.timezone))) or on_shift(
            shifts, begin
        ) & frozenset(people):
            continue
        joined = bool(spans) and spans[-1][1] == begin
        spans[-1:] = [(spans[-1][0], end)] if joined else [*spans[-1:], (begin, end)]
    return tuple(spans)


def local_minute(shifts: Shifts, moment: float) -> str:
    """Write a moment in the line's local time: `2027-01-04 08:00`."""
    return f"{datetime.fromtimestamp(moment, ZoneInfo(shifts.timezone)):%Y-%m-%d %H:%M}"


def _covers(person: PersonShifts, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in _periods(person, local.date()))


def _is_within(spans: Sequence[tuple[float, float]], now: float) -> bool:
    place = bisect_right(spans, (now, math.inf)) - 1
    return place >= 0 and now < spans[place][1]


def _has_night(person: PersonShifts, day: date, zone: ZoneInfo) -> bool:
    night = datetime.combine(day, time(), tzinfo=zone)
    begin, end = night.timestamp(), night.replace(hour=NIGHT_ENDS // 60).timestamp()
    return any(start < NIGHT_ENDS for start, _ in _periods(person, day)) or any(
        start < end and begin < over for start, over in person.spans
    )


def _periods(person: PersonShifts, day: date) -> tuple[tuple[int, int], ...]:
    return person.dates.get(day, person.week[day.weekday()])


def _moments(shifts: Shifts, hours: Hours | None, now: float, until: float) -> Iterator[float]:
    """Yield moments after now and before `until`, in order; each at which a shift or the hours change is among them."""
    edges = sorted({edge for person in shifts.people for span in person.spans for edge in span if now < edge < until})
    yield from merge(edges, _moments_of_days(shifts, hours, now, until))


def _moments_of_days(shifts: Shifts, hours: Hours | None, now: float, until: float) -> Iterator[float]:
    zone = ZoneInfo(shifts.timezone)
    day, last = (datetime.fromtimestamp(moment, zone).date() for moment in (now, until))
    while day <= last:
        begin = datetime.combine(day, time(), tzinfo=zone)
        end = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
        if begin.utcoffset() == end.utcoffset():
            periods = [period for person in shifts.people for period in _periods(person, day)]
            periods += hours.on(day) if hours is not None else ()
            minutes = sorted({0, *(minute for period in periods for minute in period if minute < MINUTES_OF_DAY)})
            moments = [begin.timestamp() + 60 * minute for minute in minutes]
        else:  # clocks change: a period may begin or end at the change itself, or come twice
            moments = [float(moment) for moment in range(int(begin.timestamp()), int(end.timestamp()), 60)]
        yield from (moment for moment in moments if now < moment < until)
        day += timedelta(days=1)
