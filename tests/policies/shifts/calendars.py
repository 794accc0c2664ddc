"""Calendar files for tests, made from the lines of their entries."""

from __future__ import annotations

from typing import Final

HEAD: Final = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//plan//EN\r\n"
TAIL: Final = "END:VCALENDAR\r\n"


def entry(*lines: str, who: str = "ana") -> str:
    """Return an entry with that summary and those lines."""
    return "".join(f"{line}\r\n" for line in ("BEGIN:VEVENT", f"SUMMARY:{who}", *lines, "END:VEVENT"))


def calendar(*entries: str) -> bytes:
    """Return a calendar with those entries."""
    return (HEAD + "".join(entries) + TAIL).encode()


def each_day(*, who: str = "ana", start: str = "20260101T080000", end: str = "20260101T160000") -> str:
    """Return an entry that repeats every day, without an end."""
    return entry(f"UID:{who}-{start}", f"DTSTART:{start}", f"DTEND:{end}", "RRULE:FREQ=DAILY", who=who)
