"""Parses a calendar file into the properties of its entries: the lines of RFC 5545, without their meaning.

Rules of this module: pure; its work and its result are in proportion to the bytes given. Lines are unfolded as bytes,
because a fold may split a character (RFC 5545 §3.1); the unfolded bytes must be UTF-8. Of a calendar's components only
`VEVENT` is given out, without nested components, and of its zones (`VTIMEZONE`) the offsets. The words of a property belong
to the author of the file: no error holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final

MOST_BYTES: Final = 1024 * 1024
"""A calendar of shifts of a hundred people for years has some hundred kilobytes."""
MOST_ENTRIES: Final = 2000
MOST_DEPTH: Final = 8
"""Components inside one another; a calendar has three."""


@unique
class CalendarProblem(Enum):
    """Why a calendar cannot be used. Only the first three come from outside the file."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """The address redirects to another one, or is in a network that is not the public one."""
    LARGE = "large"
    NOT_A_CALENDAR = "not_a_calendar"
    TOO_MUCH = "too_much"
    """More entries, or more repeating, than a calendar of shifts has."""
    EMPTY = "empty"
    """No shift in the coming weeks."""


class CalendarError(Exception):
    """A calendar cannot be used. Its text is the name of the problem, without words of the calendar."""

    def __init__(self, problem: CalendarProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Property:
    """One line: `name` and the names of `params` in capitals; of a parameter with several values the first."""

    name: str
    params: Mapping[str, str] = field(repr=False)
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CalendarContent:
    """A calendar: the properties of each `VEVENT`, in order; by TZID of each `VTIMEZONE` its offsets, as `-0500`."""

    entries: list[list[Property]] = field(repr=False)
    zones: Mapping[str, frozenset[str]] = field(repr=False)


def parse(data: bytes) -> CalendarContent:
    """Parse a calendar. Raises :class:`CalendarError`."""
    if len(data) > MOST_BYTES:
        raise CalendarError(CalendarProblem.LARGE)
    properties: list[list[Property]] = []
    zones: list[tuple[list[str], list[str]]] = []
    within: list[str] = []
    whole = False
    for line in _lines(data):
        each = _property(line)
        if each is None:
            continue
        component = each.value.strip().upper()
        if each.name == "BEGIN":
            if not within and component != "VCALENDAR":
                raise CalendarError(CalendarProblem.NOT_A_CALENDAR)
            within.append(component)
            if within == ["VCALENDAR", "VEVENT"]:
                properties.append([])
            if within == ["VCALENDAR", "VTIMEZONE"]:
                zones.append(([], []))
            if len(within) > MOST_DEPTH or max(len(properties), len(zones)) > MOST_ENTRIES:
                raise CalendarError(CalendarProblem.TOO_MUCH)
        elif each.name == "END":
            if not within or within.pop() != component:
                raise CalendarError(CalendarProblem.NOT_A_CALENDAR)
            whole = whole or not within
        elif within == ["VCALENDAR", "VEVENT"]:
            properties[-1].append(each)
        elif within[:2] == ["VCALENDAR", "VTIMEZONE"] and each.name in ("TZID", "TZOFFSETTO"):
            zones[-1][each.name == "TZOFFSETTO"].append(each.value.strip())
    if within or not whole:  # it ends in the middle, as a file does that is just being written
        raise CalendarError(CalendarProblem.NOT_A_CALENDAR)
    return CalendarContent(properties, {name: frozenset(offsets) for names, offsets in zones for name in names[:1]})


def unescape(value: str) -> str:
    """Return a TEXT value without its backslashes (RFC 5545 §3.3.11)."""
    parts = value.split("\\\\")
    return "\\".join(
        part.replace("\\n", "\n").replace("\\N", "\n").replace("\\,", ",").replace("\\;", ";") for part in parts
    )


def _lines(data: bytes) -> Iterator[str]:
    unfolded = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\n ", b"").replace(b"\n\t", b"")
    try:
        text = unfolded.decode()
    except UnicodeDecodeError:
        raise CalendarError(CalendarProblem.NOT_A_CALENDAR) from None
    yield from text.split("\n")


def _property(line: str) -> Property | None:
    """Parse a line; None for one that is no property, an empty one for instance."""
    head, colon, value = line.partition(":")
    if '"' in head:
        end = _end_of_head(line)
        head, colon, value = line[:end], line[end : end + 1], line[end + 1 :]
    if not colon:
        return None
    name, *params = head.split(";") if '"' not in head else _outside_quotes(head)
    pairs = [param.partition("=") for param in params]
    return Property(name=name.strip().upper(), params={key.upper(): text.strip('"') for key, _, text in pairs}, value=value)


def _end_of_head(line: str) -> int:
    """Return the position of the value's colon: the first one outside quotes; the length of the line without one."""
    quoted = False
    for place, letter in enumerate(line):
        quoted ^= letter == '"'
        if letter == ":" and not quoted:
            return place
    return len(line)


def _outside_quotes(head: str) -> list[str]:
    """Split a head at the semicolons outside quotes."""
    parts, quoted, begin = [], False, 0
    for place, letter in enumerate(head):
        quoted ^= letter == '"'
        if letter == ";" and not quoted:
            parts.append(head[begin:place])
            begin = place + 1
    return [*parts, head[begin:]]
