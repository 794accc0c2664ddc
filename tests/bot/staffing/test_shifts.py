"""The calendar at the desk: it asks and calls, puts nobody on duty, and takes nobody out of the on-call chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.decide import decide
from bot.display.queue_cards import WAIT
from bot.model.actions import DESK, OFFICE, PageOnCall, SendMessage
from bot.model.desk import SHIFTS_TIMER, Desk, Facts
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.line_incidents import CalendarRead
from bot.model.thread_desk_events import ThreadQueued
from bot.staffing.shifts import DAY, current_calendar
from policies.pack import PersonShifts, Shifts
from tests.bot.examples import at, of, staffed_desk
from tests.bot.strategies import ANA, BEN, EVE, NAMED, NOW, OWNERS, PACK, SUE

T1 = OWNERS[0]
LOOK = TimerDue(key=SHIFTS_TIMER)
WAITS = ThreadQueued(thread=T1, designation=NAMED[0], since=NOW)
ALL_DAY = ((0, 1440),)
START = datetime.fromtimestamp(NOW, UTC)
MINUTE = START.hour * 60 + START.minute


def calendar(who: str = ANA, periods: tuple[tuple[int, int], ...] = ALL_DAY, **changed: Any) -> Any:
    """Return the usual pack with a calendar: that person, every day."""
    shifts = Shifts(timezone="UTC", people=(PersonShifts(who=who, week=(periods,) * 7, dates={}),))
    hours = replace(PACK.hours, always=True, timezone="UTC")
    return replace(PACK, shifts=shifts, hours=hours, **changed)


def off(desk: Desk, *users: str) -> Desk:
    return replace(desk, roster=tuple(replace(each, on_duty=each.user not in users) for each in desk.roster))


def asked(step: Step[Any]) -> list[str]:
    """Return whom a step rings in their offices."""
    return [
        post.place.removeprefix(OFFICE) for post in of(SendMessage, step) if post.place.startswith(OFFICE) and post.mentions
    ]


def called(step: Step[Any]) -> list[tuple[str, ...]]:
    """Return whom the messages at the desk mention."""
    return [post.mentions for post in of(SendMessage, step) if post.place == DESK and post.mentions]


def test_a_person_on_shift_who_is_off_duty_is_asked_once_and_stays_off() -> None:
    """The office rings once in a shift; nobody is put on duty; the next shift asks again."""
    pack = calendar(periods=((MINUTE, MINUTE + 60),))
    desk = off(staffed_desk(), ANA, BEN)
    step = decide(pack, at(0), desk, LOOK)
    assert asked(step) == [ANA]
    assert [each.on_duty for each in step.aggregate.roster] == [False, False, True]
    again = decide(pack, at(60), step.aggregate, LOOK)
    assert asked(again) == []
    assert asked(decide(pack, at(DAY), again.aggregate, LOOK)) == [ANA]


def test_those_on_shift_are_called_first_and_the_others_at_the_reminder() -> None:
    """A thread that comes calls who is on shift; a sign of danger and the reminder call everybody on duty."""
    pack = calendar()
    desk = decide(pack, at(0), staffed_desk(), LOOK).aggregate
    step = decide(pack, at(1), desk, WAITS)
    assert called(step) == [(ANA,)]
    assert called(decide(pack, at(1), desk, replace(WAITS, danger=True))) == [(ANA, BEN, SUE)]
    reminder = decide(pack, at(121), step.aggregate, TimerDue(key=f"wait:{T1}:0"))
    assert called(reminder) == [(ANA, BEN, SUE)]
    assert of(PageOnCall, reminder) == []


def test_the_person_on_call_is_called_sooner_where_nobody_on_shift_is_on_duty() -> None:
    """In a gap, or with the person on shift off duty, everybody on duty is called and the person on call at once."""
    for pack, desk in ((calendar(), off(staffed_desk(), ANA)), (calendar("@eve:line.example"), staffed_desk())):
        on = tuple(each.user for each in desk.roster if each.on_duty)
        step = decide(pack, at(1), decide(pack, at(0), desk, LOOK).aggregate, WAITS)
        assert called(step) == [on]
        reminder = decide(pack, at(121), step.aggregate, TimerDue(key=f"wait:{T1}:0"))
        assert called(reminder) == [on]
        assert len(of(PageOnCall, reminder)) == 1


def test_supervisors_hear_of_gaps_once_a_day_in_their_office() -> None:
    """Their office says when nobody is on shift, in the line's time, once a day; without a gap nothing is said."""
    pack = calendar(periods=((0, 1380),))
    first = decide(pack, at(0), staffed_desk(), LOOK)
    day = f"{START:%Y-%m-%d}"
    posts = [post for post in of(SendMessage, first) if post.place.startswith(OFFICE) and "in a row" not in post.body]
    assert [post.place for post in posts] == [OFFICE + SUE]
    assert f"{day} 23:00 / " in posts[0].body
    assert posts[0].mentions == ()
    assert not [post for post in of(SendMessage, decide(pack, at(3600), first.aggregate, LOOK)) if post.place != DESK]
    assert [post for post in of(SendMessage, decide(pack, at(DAY), first.aggregate, LOOK)) if post.place == OFFICE + SUE]
    full = calendar()
    assert not [post for post in of(SendMessage, decide(full, at(0), staffed_desk(), LOOK)) if post.place == OFFICE + SUE]
    nobody = decide(calendar("@eve:line.example"), at(0), staffed_desk(), LOOK)
    assert "not at the desk: 1." in next(post.body for post in of(SendMessage, nobody) if post.place == OFFICE + SUE)


def copied(who: str = BEN, *, until: float = NOW + 30 * DAY) -> Shifts:
    """Return the copy of a calendar file in which that person is on shift all the time."""
    person = PersonShifts(who=who, week=((),) * 7, dates={}, spans=((NOW - DAY, NOW + 40 * DAY),))
    return Shifts(timezone="UTC", people=(person,), until=until)


def with_copy(seconds: float, copy: Shifts | None) -> Facts:
    """Return the usual facts at that time with that copy."""
    return replace(at(seconds), calendar=copy)


def offices(step: Step[Any]) -> dict[str, str]:
    """Return what is said in each office."""
    return {
        post.place.removeprefix(OFFICE): str(post.body) for post in of(SendMessage, step) if post.place.startswith(OFFICE)
    }


def test_the_copy_counts_then_the_pack_then_nobody() -> None:
    """A copy of the calendar file comes before the pack's shifts, which count when it says nothing any more."""
    pack, copy = calendar(), copied(until=NOW + 100)
    assert current_calendar(pack, with_copy(0, copy)) is copy
    assert current_calendar(pack, with_copy(100, copy)) is pack.shifts
    assert current_calendar(PACK, with_copy(100, copy)) is None
    for facts, people in ((with_copy(1, copy), [(BEN,)]), (with_copy(200, copy), [(ANA,)])):
        desk = decide(pack, facts, staffed_desk(), LOOK).aggregate
        assert called(decide(pack, facts, desk, replace(WAITS, since=facts.now))) == people
    facts = with_copy(200, copy)
    assert called(decide(PACK, facts, staffed_desk(), replace(WAITS, since=facts.now))) == [(ANA, BEN, SUE)]


def test_supervisors_are_told_once_what_counts_as_nobody() -> None:
    """Entries of nobody with their times, those not read, and people who are not at the desk; no name of the file."""
    facts = with_copy(0, copied(EVE))
    step = decide(PACK, facts, replace(staffed_desk(), gaps_told_at=NOW), CalendarRead(nameless=(NOW,), more=2, unread=1))
    bodies = offices(step)
    assert set(bodies) == {SUE}
    assert "nobody who can be at this desk: 3 (the first begin: 2027-01-15 08:00)" in bodies[SUE]
    assert "cannot be read: 1" in bodies[SUE]
    assert "not at the desk: 1." in bodies[SUE]
    assert "eve" not in bodies[SUE]
    again = decide(PACK, facts, step.aggregate, CalendarRead())
    assert offices(again) == {}
    assert set(offices(decide(PACK, facts, again.aggregate, CalendarRead(recovered=True)))) == {SUE}


@given(edges=st.lists(st.floats(-9e4, 9e4), max_size=8, unique=True).map(sorted), who=st.sampled_from((ANA, BEN, EVE)))
def test_no_calendar_shortens_the_chain(edges: list[float], who: str) -> None:
    """Whatever a calendar says, somebody on duty is called, and the last reminder calls all and the person on call."""
    person = PersonShifts(
        who=who,
        week=((),) * 7,
        dates={},
        spans=tuple((NOW + a, NOW + b) for a, b in zip(edges[::2], edges[1::2], strict=False)),
    )
    facts = replace(at(1), calendar=Shifts(timezone="UTC", people=(person,), until=NOW + DAY), on_call=True)
    step, plain = (
        decide(PACK, facts, staffed_desk(), WAITS),
        decide(PACK, bare := replace(facts, calendar=None), staffed_desk(), WAITS),
    )
    assert called(step) != []
    pages = [0, 0]
    for rung in range(3):
        event = TimerDue(key=f"{WAIT}{T1}:{rung}")
        facts, bare = replace(facts, now=facts.now + 1), replace(bare, now=bare.now + 1)
        step, plain = decide(PACK, facts, step.aggregate, event), decide(PACK, bare, plain.aggregate, event)
        assert [set(people) for people in called(step)] == [set(people) for people in called(plain)] != []
        pages = [pages[0] + len(of(PageOnCall, step)), pages[1] + len(of(PageOnCall, plain))]
    assert pages[0] >= pages[1] == 1
