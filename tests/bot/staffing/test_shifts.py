"""The calendar at the desk: it asks and calls, puts nobody on duty, and takes nobody out of the on-call chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.decide import decide
from bot.display.queue_cards import WAIT
from bot.model.actions import DESK, OFFICE, PageOnCall, SendMessage
from bot.model.desk import SHIFTS_TIMER, Desk, Facts, QueueEntry, Thread
from bot.model.events import TimerDue
from bot.model.feature import Step
from bot.model.line_incidents import CalendarRead, CalendarUnread
from bot.model.thread_desk_events import ThreadQueued
from bot.model.transactional_actions import SetTimer
from bot.staffing.shifts import DAY, current_calendar
from policies.pack import AssignmentMode, PersonShifts, Shifts, TextName
from policies.shifts.content_lines import CalendarProblem
from tests.bot.examples import arrived, at, at_desk, of, staffed_desk, texts
from tests.bot.strategies import ANA, BEN, EVE, NAMED, NOW, OWNERS, PACK, SUE
from tests.every_row import every_row

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


def test_off_stays_the_persons() -> None:
    """Who was on duty in their shift and says `!off` is not asked to come back in it."""
    pack = calendar()
    desk = decide(pack, at(0), staffed_desk(), LOOK).aggregate
    step = decide(pack, at(5), desk, at_desk("!off"))
    assert asked(step) == []
    assert asked(decide(pack, at(600), step.aggregate, LOOK)) == []
    assert [each.user for each in step.aggregate.roster if not each.on_duty] == [ANA]


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


def test_who_cannot_take_one_more_is_not_called_alone() -> None:
    """With as many threads as the pack lets a person have, `!claim` would refuse them: everybody on duty is called."""
    pack = calendar()
    desk = decide(pack, at(0), staffed_desk(), LOOK).aggregate
    theirs = (QueueEntry(thread=f"{T1}{n}", designation=f"x{n}", since=NOW, assignee=ANA) for n in range(PACK.settings.cap))
    full = replace(desk, threads=tuple(theirs))
    assert called(decide(pack, at(1), full, WAITS)) == [(ANA, BEN, SUE)]


def test_the_person_on_call_is_called_sooner_where_nobody_on_shift_is_on_duty() -> None:
    """In a gap, or with the person on shift off duty, everybody on duty is called and the person on call at once."""
    for pack, desk in ((calendar(), off(staffed_desk(), ANA)), (calendar("@eve:line.example"), staffed_desk())):
        on = tuple(each.user for each in desk.roster if each.on_duty)
        step = decide(pack, at(1), decide(pack, at(0), desk, LOOK).aggregate, WAITS)
        assert called(step) == [on]
        reminder = decide(pack, at(121), step.aggregate, TimerDue(key=f"wait:{T1}:0"))
        assert called(reminder) == [on]
        assert len(of(PageOnCall, reminder)) == 1


def test_the_fourth_night_in_a_row_is_said_to_its_person_alone() -> None:
    """Once in the shift, in their office, ringing nobody; on duty or off; three nights are not said."""
    pack = calendar()
    for desk in (staffed_desk(), off(staffed_desk(), ANA)):
        step = decide(pack, at(0), desk, LOOK)
        posts = [post for post in of(SendMessage, step) if "in a row" in post.body]
        assert [(post.place, post.mentions) for post in posts] == [(OFFICE + ANA, ())]
        again = decide(pack, at(600), step.aggregate, LOOK)
        assert not any("in a row" in post.body for post in of(SendMessage, again))
    local = START.date()
    assert pack.shifts is not None
    for days, said in ((1, False), (2, False), (3, True)):  # the night to come counts as well
        week = replace(pack.shifts.people[0], dates={local - timedelta(days=days): ()})
        rested = replace(pack, shifts=replace(pack.shifts, people=(week,)))
        step = decide(rested, at(0), staffed_desk(), LOOK)
        assert any("in a row" in post.body for post in of(SendMessage, step)) is said


def test_a_thread_that_is_given_away_goes_to_who_is_on_shift() -> None:
    """First, and to the others on duty when none of those on shift may have one more: nobody waits for a calendar."""
    for mode in (AssignmentMode.FIRST, AssignmentMode.LEAST_LOADED):
        pack = calendar(BEN, settings=replace(PACK.settings, assignment=mode, cap=1))
        desk = decide(pack, at(0), staffed_desk(), LOOK).aggregate
        for number, expected in enumerate((BEN, ANA)):
            waits = replace(WAITS, thread=OWNERS[number], designation=NAMED[number])
            desk = decide(pack, at(1 + number), desk, waits).aggregate
            assert desk.threads[-1].assignee == expected


def test_a_flood_calls_everybody_and_the_person_on_call_where_no_shift_is_there() -> None:
    """Its card mentions all on duty; outside is called at once only where nobody who is on shift is on duty."""
    for who, pages in ((ANA, 0), ("@gone:line.example", 1)):
        pack = calendar(who)
        desk = decide(pack, at(0), staffed_desk(), LOOK).aggregate
        step = decide(pack, at(1), desk, replace(WAITS, rate_limited=True))
        assert called(step) == [(ANA, BEN, SUE)]
        assert len(of(PageOnCall, step)) == pages


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


def test_the_desk_looks_again_at_the_next_change() -> None:
    """The timer is due when another set of people is on shift, on the wall's clock, and one timer is set at a time."""
    pack = calendar(periods=((MINUTE + 60, MINUTE + 120),))
    change = (START.replace(second=0, microsecond=0).timestamp()) + 3600
    step = decide(pack, at(0), staffed_desk(), LOOK)
    assert [timer.due for timer in of(SetTimer, step) if timer.key == SHIFTS_TIMER] == [change]
    quiet = decide(pack, at(5), step.aggregate, at_desk("hello"))
    assert [timer for timer in of(SetTimer, quiet) if timer.key == SHIFTS_TIMER] == []
    ahead = decide(pack, at(0, clock_ahead=600.0), staffed_desk(), LOOK)
    assert [timer.due for timer in of(SetTimer, ahead) if timer.key == SHIFTS_TIMER] == [change - 600]


def test_without_a_calendar_nothing_of_it_happens() -> None:
    """No question, no timer, and everybody on duty is called."""
    step = decide(PACK, at(0), off(staffed_desk(), ANA), LOOK)
    assert asked(step) == []
    assert of(SetTimer, step) == []
    assert called(decide(PACK, at(1), step.aggregate, WAITS)) == [(BEN, SUE)]


def test_a_calendar_promises_nothing_to_a_phone() -> None:
    """With a person on shift and nobody on duty the phone hears that nobody is there (practice 29)."""
    pack = calendar()
    desk = decide(pack, at(0), off(staffed_desk(), ANA, BEN, SUE), LOOK).aggregate
    step = decide(pack, at(5, roster=desk.roster), Thread(id=T1, designation=NAMED[0]), arrived("hello", seconds=5))
    assert texts(step) == [PACK.say(TextName.UNAVAILABLE, "en")]


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


def test_another_calendar_is_looked_at_at_once() -> None:
    """Whose shift it is by the new one is asked, and the timer waits for its next change."""
    desk = decide(PACK, with_copy(0, copied(ANA)), off(staffed_desk(), BEN), LOOK).aggregate
    changed = replace(copied(), people=(replace(copied().people[0], spans=((NOW - DAY, NOW + 500.0),)),))
    step = decide(PACK, with_copy(60, changed), desk, CalendarRead())
    assert asked(step) == [BEN]
    assert [timer.due for timer in of(SetTimer, step) if timer.key == SHIFTS_TIMER] == [NOW + 500]


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


@every_row("problem", CalendarProblem)
def test_a_calendar_that_cannot_be_used_is_told_to_supervisors_and_changes_nothing(problem: CalendarProblem) -> None:
    """Why, and what counts in its place; nobody at the desk is rung, and who is called stays as it was."""
    facts = with_copy(0, copied())
    desk = decide(PACK, facts, replace(staffed_desk(), gaps_told_at=NOW), LOOK).aggregate
    step = decide(PACK, facts, desk, CalendarUnread(problem=problem, hours=30))
    assert "A copy counts that is 30 hours old." in offices(step)[SUE]
    assert set(offices(step)) == {SUE}
    assert [post for post in of(SendMessage, step) if post.mentions] == []
    assert called(decide(PACK, facts, step.aggregate, WAITS)) == [(BEN,)]
    bare = decide(PACK, at(0), staffed_desk(), CalendarUnread(problem=problem))
    assert "no copy" in offices(bare)[SUE]
    assert called(decide(PACK, at(0), bare.aggregate, WAITS)) == [(ANA, BEN, SUE)]


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
