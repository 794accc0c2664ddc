"""Reads a calendar file (ICS, RFC 5545) as shifts: whose they are, and from when to when, within some weeks.

Rules of this module: pure, its work bounded whatever the file says. An entry is a shift of everybody whom its SUMMARY names
(between commas, semicolons or line ends: a Matrix id of this server, or its localpart, in any case) and of everybody in an
ATTENDEE that is a Matrix URI. Repeated entries are in local time of their zone: an end by DTEND is a local time as well, an
end by DURATION is that long after the start. A start that the clock skips is taken by the offset before the change, one
that comes twice is the first (RFC 5545 §3.3.5). An entry that cannot be read, or that names nobody, is counted and affects
no other entry. No error and no count holds a word of the file.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policies.pack import PersonShifts, Shifts
from policies.shifts import content_lines, repeating
from policies.shifts.content_lines import CalendarError, CalendarProblem, Property
from policies.shifts.repeating import Budget, Unreadable

DAY: Final = 86_400.0
BEHIND: Final = 15 * DAY
"""Seconds before now for which shifts are kept, for nights in a row."""
AHEAD: Final = 35 * DAY
"""Seconds after now for which they are: a copy that was not renewed for so long has no shifts left."""
MOST_SHIFTS: Final = 5000
MOST_WORK: Final = 400_000
"""Days that a file's rules may examine: some tenths of a second of a machine."""
TIME_COSTS: Final = 20
"""A time of an exception or an addition costs as much as so many days."""
LONGEST: Final = timedelta(days=31)
YEARS: Final = range(1971, 2200)
MOST_PEOPLE: Final = 20
"""People that one entry may name; further names are ignored."""
_LOCALPART: Final = re.compile(r"[a-z0-9._=/+-]{1,200}", re.ASCII)
_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)
_DURATION: Final = re.compile(
    r"\+?P(?:(\d{1,3})W|(?:(\d{1,3})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,7})S)?)?)", re.ASCII
)
_ATTENDEE: Final = "matrix:u/"
"""Matrix specification, "URIs": `matrix:u/ana:example.org`."""
_ONCE: Final = ("DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "UID", "SUMMARY", "STATUS")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarShifts:
    """The shifts of a calendar. `nameless`: when each entry that names nobody begins next; `unread`: entries not read.

    `odd`: a digest of each entry of these two kinds (hex).
    """

    shifts: Shifts
    nameless: tuple[float, ...] = ()
    unread: int = 0
    odd: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _When:
    """A local time: `local` without a zone, `zone` its zone; `whole_day` for a date."""

    local: datetime
    zone: ZoneInfo
    whole_day: bool = False

    @property
    def moment(self) -> float:
        return self.local.replace(tzinfo=self.zone).timestamp()

    def within(self, zone: ZoneInfo) -> datetime:
        """Return it as local time of another zone."""
        return self.local if zone.key == self.zone.key else datetime.fromtimestamp(self.moment, zone).replace(tzinfo=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One entry. `wall`: its length in local time; `seconds`: elapsed time that is added to it."""

    uid: str = field(repr=False)
    summary: str = field(repr=False)
    people: frozenset[str] = field(repr=False)
    cancelled: bool
    replaces: float | None
    start: _When
    wall: timedelta
    seconds: float
    rule: repeating.Rule | None
    until: _When | None
    more: tuple[_When, ...]
    left_out: tuple[_When, ...]


def read(data: bytes, *, zone: str, server: str, now: float) -> CalendarShifts:
    """Return the shifts of a calendar file. `zone`: of times without one; `server`: the server of the line's accounts.

    Raises :class:`CalendarError`: the file cannot be used as a whole, or has no shift in the coming weeks.
    """
    own_zone, begin, end = ZoneInfo(zone), now - BEHIND, now + AHEAD
    read_entries: list[_Entry] = []
    odd: list[str] = []
    unread, budget, nameless = 0, Budget(MOST_WORK), []
    content = content_lines.parse(data)
    own_names = _names_of_zone(content.zones, own_zone, now)
    for properties in content.entries:
        try:
            read_entries.append(_entry(_without_zone(properties, own_names), own_zone, server, budget))
        except Unreadable:
            unread += 1
            odd.append("\n".join(each.value for each in properties if each.name in _ONCE))
    replaced = defaultdict[str, set[float]](set)
    for entry in read_entries:
        if entry.replaces is not None and entry.uid:
            replaced[entry.uid].add(entry.replaces)
    cancelled_uids = {entry.uid for entry in read_entries if entry.cancelled and entry.replaces is None and entry.uid}
    spans = defaultdict[str, list[tuple[float, float]]](list)
    count = 0
    for entry in read_entries:
        if entry.cancelled or entry.uid in cancelled_uids:
            continue
        skip = replaced[entry.uid] if entry.replaces is None else set[float]()
        occurrences = list(_spans(entry, skip, begin, end, budget))
        count += len(occurrences)
        if count > MOST_SHIFTS:
            raise CalendarError(CalendarProblem.TOO_MUCH)
        for who in entry.people:
            spans[who] += occurrences
        if not entry.people and (coming := [start for start, over in occurrences if over > now]):
            nameless.append(min(coming))
            odd.append(f"{entry.uid}\n{entry.summary}")
    people = tuple(
        PersonShifts(who=who, week=((),) * 7, dates=MappingProxyType({}), spans=joined)
        for who, occurrences in sorted(spans.items())
        if (joined := _merge_spans(occurrences))
    )
    if not any(over > now for person in people for _, over in person.spans):
        raise CalendarError(CalendarProblem.EMPTY)
    if sum(len(person.spans) for person in people) > MOST_SHIFTS:
        raise CalendarError(CalendarProblem.TOO_MUCH)
    return CalendarShifts(
        shifts=Shifts(timezone=zone, people=people, until=end),
        nameless=tuple(sorted(nameless)),
        unread=unread,
        odd=frozenset(hashlib.sha256(words.encode()).hexdigest()[:32] for words in odd),
    )


def _names_of_zone(zones: Mapping[str, frozenset[str]], zone: ZoneInfo, now: float) -> frozenset[str]:
    """Return the names that the file gives to the line's zone: Outlook writes `Eastern Standard Time`.

    A zone that the file defines is taken for the line's if it has the offsets that the line's has in a year, and no others.
    """
    moments = (datetime.fromtimestamp(now + month * 30.4 * DAY, zone) for month in range(12))
    own = {f"{moment:%z}" for moment in moments}
    return frozenset(name for name, offsets in zones.items() if offsets == own and not _is_known(name))


def _is_known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _without_zone(properties: Sequence[Property], names: frozenset[str]) -> list[Property]:
    """Return the properties with times in these zones as times without one, which are in the line's."""
    return [
        Property(each.name, {key: value for key, value in each.params.items() if key != "TZID"}, each.value)
        if each.params.get("TZID") in names
        else each
        for each in properties
    ]


def _entry(properties: Sequence[Property], zone: ZoneInfo, server: str, budget: Budget) -> _Entry:
    """Read one entry. Raises :class:`Unreadable`, and :class:`CalendarError` when the budget is used up."""
    one: dict[str, Property] = {}
    for each in properties:
        if each.name in _ONCE and one.setdefault(each.name, each) is not each:
            raise Unreadable
    if "DTSTART" not in one or ("DTEND" in one and "DURATION" in one):
        raise Unreadable
    replaced = one.get("RECURRENCE-ID")
    if replaced is not None and "RANGE" in replaced.params:  # this one and all that follow
        raise Unreadable
    start = _one_time(one["DTSTART"], zone)
    wall, seconds = _length(one, start, zone)
    rule = repeating.parse_rule(one["RRULE"].value) if "RRULE" in one else None
    if replaced is not None and rule is not None:
        raise Unreadable
    summary = content_lines.unescape(one["SUMMARY"].value) if "SUMMARY" in one else ""
    return _Entry(
        uid=one["UID"].value.strip() if "UID" in one else "",
        summary=summary,
        people=_people(summary, properties, server),
        cancelled="STATUS" in one and one["STATUS"].value.strip().upper() == "CANCELLED",
        replaces=None if replaced is None else _one_time(replaced, zone).moment,
        start=start,
        wall=wall,
        seconds=seconds,
        rule=rule,
        until=_time(rule.until, start.zone) if rule is not None and rule.until else None,
        more=tuple(_times(properties, "RDATE", zone, budget)),
        left_out=tuple(_times(properties, "EXDATE", zone, budget)),
    )


def _length(one: Mapping[str, Property], start: _When, zone: ZoneInfo) -> tuple[timedelta, float]:
    """Return the length of an entry: in local time, and in elapsed seconds besides."""
    wall, seconds = timedelta(days=1 if start.whole_day else 0), 0.0
    if "DTEND" in one:
        wall = _one_time(one["DTEND"], zone).within(start.zone) - start.local
    elif "DURATION" in one:
        match = _DURATION.fullmatch(one["DURATION"].value.strip().upper())
        if match is None:
            raise Unreadable
        weeks, days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        wall, seconds = timedelta(days=7 * weeks + days), float(3600 * hours + 60 * minutes + rest)
    if not timedelta() < wall + timedelta(seconds=seconds) <= LONGEST:
        raise Unreadable
    return wall, seconds


def _people(summary: str, properties: Iterable[Property], server: str) -> frozenset[str]:
    """Return the accounts on that server that an entry names."""
    named = re.split(r"[,;\n]", summary)
    named += [
        unquote(each.value.strip()[len(_ATTENDEE) :])
        for each in properties
        if each.name == "ATTENDEE" and each.value.strip().lower().startswith(_ATTENDEE)
    ]
    people = []
    for name in named[:MOST_PEOPLE]:
        localpart, colon, where = name.strip().lower().removeprefix("@").partition(":")
        if _LOCALPART.fullmatch(localpart) and (not colon or where == server.lower()):
            people.append(f"@{localpart}:{server}")
    return frozenset(people)


def _spans(entry: _Entry, skip: set[float], begin: float, end: float, budget: Budget) -> Iterator[tuple[float, float]]:
    """Yield the beginning and end of each occurrence that overlaps the time between `begin` and `end`."""
    zone, moments = entry.start.zone, set(skip)
    # A day more on each side, because clocks differ by zone and by season.
    first = datetime.fromtimestamp(begin, zone).date() - entry.wall - timedelta(days=2 + entry.seconds // DAY)
    last = datetime.fromtimestamp(end, zone).date() + timedelta(days=1)
    starts = [entry.start.local, *(each.within(zone) for each in entry.more)]
    if entry.rule is not None:
        repeated = repeating.days(entry.rule, entry.start.local.date(), first=first, last=last, budget=budget)
        starts += [
            local
            for day in repeated
            if not _is_over(entry.until, _When(local := datetime.combine(day, entry.start.local.time()), zone))
        ]
    days = set[date]()
    for each in entry.left_out:
        if each.whole_day and not entry.start.whole_day:
            days.add(each.local.date())
        else:
            moments.add(each.moment)
    for local in starts:
        if local.date() in days:
            continue
        start = _When(local, zone).moment
        over = _When(local + entry.wall, zone).moment + entry.seconds
        if start not in moments and start < over and begin < over and start < end:
            moments.add(start)
            yield start, over


def _is_over(until: _When | None, start: _When) -> bool:
    if until is None:
        return False
    return start.local.date() > until.local.date() if until.whole_day else start.moment > until.moment


def _one_time(each: Property, zone: ZoneInfo) -> _When:
    return _time(each.value, _zone(each, zone))


def _times(properties: Iterable[Property], name: str, zone: ZoneInfo, budget: Budget) -> Iterator[_When]:
    for each in properties:
        if each.name == name:
            named, values = _zone(each, zone), each.value.split(",")
            budget.spend(TIME_COSTS * len(values))
            yield from (_time(value, named) for value in values)


def _zone(each: Property, zone: ZoneInfo) -> ZoneInfo:
    """Return the zone that a property names, or that of the line. Raises :class:`Unreadable` for an unknown one."""
    try:
        return ZoneInfo(each.params["TZID"]) if "TZID" in each.params else zone
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unreadable from None


def _time(text: str, zone: ZoneInfo) -> _When:
    """Read a DATE or DATE-TIME. A leap second is the second before it (RFC 5545 §3.3.12)."""
    match = _TIME.fullmatch(text.strip().upper())
    if match is None or int(match[1]) not in YEARS:
        raise Unreadable
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
        hour, minute, second = (int(part or 0) for part in match.groups()[3:6])
        local = datetime(day.year, day.month, day.day, hour, minute, min(second, 59))  # noqa: DTZ001 - a clock on a wall
    except ValueError:
        raise Unreadable from None
    return _When(local, ZoneInfo("UTC") if match[7] else zone, whole_day=match[4] is None)


def _merge_spans(spans: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return the spans in order; those that overlap or meet are merged."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return tuple(joined)
