"""The rows of `quietline check` about times: the line's zone, and the calendar of shifts, the pack's or a file or URL.

Rules of this module: the calendar is read once, as the bridge reads it, and nothing is stored; no row contains a person, an
entry or a URL. A URL without an answer is to be checked again before the first text; a wrong answer is a fault.
"""

from __future__ import annotations

import asyncio
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bridge.shift_calendar.source import source_of
from deploy.inspect.check_report import CheckResult, warning
from policies.load import ZONE_UNSAID
from policies.shifts import calendar_file
from policies.shifts.content_lines import CalendarError, CalendarProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.config.sections import Config
    from bridge.shift_calendar.source import Source
    from policies.pack import Pack
    from policies.shifts.calendar_file import CalendarShifts

PROBLEMS: Final[Mapping[CalendarProblem, tuple[str, str]]] = MappingProxyType(
    {
        CalendarProblem.UNREACHABLE: (
            "cannot be reached",
            "Can the account that runs the bridge read the file? Does the address answer with it, over https?",
        ),
        CalendarProblem.REFUSED: (
            "its address leads to another one, or not into the public network",
            "Give the address at which the file itself is; where it is in a network of your own, give a file.",
        ),
        CalendarProblem.LARGE: ("is larger than 1 MiB", "Export the coming months alone."),
        CalendarProblem.NOT_A_CALENDAR: (
            "is no calendar, or only a part of one",
            "Export it in the form ICS (iCalendar), in UTF-8.",
        ),
        CalendarProblem.TOO_MUCH: (
            "has more than a calendar of shifts has",
            "Export the shifts alone, of the coming months.",
        ),
        CalendarProblem.EMPTY: (
            "has no shift of anybody in the coming weeks",
            "Do the titles of its entries name people as deploy/docs/shifts.md says?",
        ),
    }
)


def check_zone(config: Config, pack: Pack) -> Iterator[CheckResult]:
    """Warn of a line whose hours name no time zone: what a texter says of their day is then taken for UTC."""
    if pack.hours.always and pack.hours.timezone == ZONE_UNSAID and not config.line.rehearsal:
        what = f"the pack's hours name no time zone: safe times, times on cards and quiet hours are in {ZONE_UNSAID}"
        do = "Write `timezone: America/New_York`, or what the line's is, beside `always: true` in the agency's pack."
        yield warning("clock", what, do)


def check_shifts(config: Config, pack: Pack) -> Iterator[CheckResult]:
    """Whether the people of the pack's calendar, if there is one, are on the staff. No row names a person."""
    if pack.shifts is None:
        return
    staff = {member.mxid for member in config.line.staff}
    unknown = [number for number, person in enumerate(pack.shifts.people) if person.who not in staff]
    rows = ", ".join(f"shifts.people.{number}" for number in unknown)
    what = f"not on the staff: {rows}" if unknown else "everybody of the calendar is on the staff"
    do = "Correct `who`, or add the account with `quietline staff add`; a shift of nobody counts as a gap."
    yield CheckResult(name="calendar", ok=not unknown, what=what, do=do if unknown else "")


async def check_calendar(config: Config, pack: Pack) -> list[CheckResult]:
    """Read the agency's calendar file or URL, if it has one, and count titles that name no member of staff."""
    if config.line.calendar is None:
        return []
    return [await judge(source_of(config.line.calendar), config, pack)]


async def judge(source: Source, config: Config, pack: Pack) -> CheckResult:
    """Read a calendar and judge it."""
    zone = pack.hours.timezone if pack.shifts is None else pack.shifts.timezone
    try:
        data = await source.read()
        calendar = await asyncio.to_thread(
            calendar_file.read, data, zone=zone, server=config.homeserver.server_name, now=time.time()
        )
    except CalendarError as error:
        what, do = PROBLEMS[error.problem]
        unheard = error.problem is CalendarProblem.UNREACHABLE and source.is_outside
        return CheckResult(name="calendar", ok=unheard, asked=not unheard, what=what, do=do)
    return _of_people(calendar, {member.mxid for member in config.line.staff})


def _of_people(calendar: CalendarShifts, staff: set[str]) -> CheckResult:
    strangers = sum(person.who not in staff for person in calendar.shifts.people)
    counts = {
        "people who are not on the staff": strangers,
        "entries of nobody": len(calendar.nameless),
        "entries that cannot be read": calendar.unread,
    }
    wrong = ", ".join(f"{name}: {count}" for name, count in counts.items() if count)
    what = f"has shifts of {len(calendar.shifts.people)} people in the coming weeks"
    do = "Correct the titles, or add accounts with `quietline staff add`: a shift of nobody counts as a gap (shifts.md)."
    ok = strangers < len(calendar.shifts.people)  # otherwise it is another line's calendar, or no line's
    return CheckResult(
        name="calendar",
        ok=ok,
        warning=ok and bool(wrong),
        what=f"{what}; {wrong}" if wrong else what,
        do=do if wrong else "",
    )
