"""Lines of a calendar file: folds, quotes, components, and what is no calendar."""

from __future__ import annotations

import pytest

from policies.shifts.content_lines import MOST_BYTES, MOST_ENTRIES, CalendarError, CalendarProblem, parse, unescape
from tests.policies.shifts.calendars import HEAD, TAIL, calendar, entry


def problem(data: bytes) -> CalendarProblem:
    with pytest.raises(CalendarError) as caught:
        parse(data)
    assert str(caught.value) == caught.value.problem.value
    return caught.value.problem


def test_a_fold_within_a_letter_is_taken_out_before_the_letters_are_read() -> None:
    """A line may be folded between two bytes of one letter; both kinds of line end and a byte order mark are read."""
    name = "José".encode()
    folded = name[:4] + b"\r\n " + name[4:]
    data = HEAD.encode() + b"BEGIN:VEVENT\r\nSUMMARY:" + folded + b"\r\nEND:VEVENT\r\n" + TAIL.encode()
    assert [each.value for each in parse(data).entries[0]] == ["José"]
    assert parse(b"\xef\xbb\xbf" + data.replace(b"\r\n", b"\n")).entries == parse(data).entries


def test_colons_and_semicolons_in_quotes_are_of_the_parameter() -> None:
    """The value begins behind the first colon outside quotes."""
    (lines,) = parse(calendar(entry('ATTENDEE;CN="a:b;c";ROLE=CHAIR:matrix:u/ana:line.example'))).entries
    attendee = next(each for each in lines if each.name == "ATTENDEE")
    assert attendee.params == {"CN": "a:b;c", "ROLE": "CHAIR"}
    assert attendee.value == "matrix:u/ana:line.example"
    (again,) = parse(calendar(entry('X-A;B="no end:2', "dtstart:20270101"))).entries
    assert [each.name for each in again] == ["SUMMARY", "DTSTART"]


def test_what_stands_inside_or_beside_an_entry_is_not_of_it() -> None:
    """An alarm's and a time zone's lines are nobody's shift."""
    zone = "BEGIN:VTIMEZONE\r\nBEGIN:STANDARD\r\nDTSTART:19701101T020000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    alarm = entry("BEGIN:VALARM", "DURATION:PT1H", "END:VALARM", "UID:1")
    (lines,) = parse(calendar(zone, alarm)).entries
    assert [each.name for each in lines] == ["SUMMARY", "UID"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html><body>please log in</body></html>", id="a page"),
        pytest.param(calendar(entry())[:-9], id="cut off in the middle"),
        pytest.param(calendar(entry()).replace(b"ana", b"\xff\xfe"), id="not UTF-8"),
        pytest.param(b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", id="an entry without a calendar"),
        pytest.param(b"BEGIN:VCALENDAR\r\nEND:VEVENT\r\n", id="an end of something else"),
    ],
)
def test_what_is_no_calendar(data: bytes) -> None:
    """Bytes that are no calendar, or not all of one, are refused as a whole."""
    assert problem(data) is CalendarProblem.NOT_A_CALENDAR


def test_bounds() -> None:
    """Ten megabytes, thousands of entries and components a thousand deep are refused."""
    assert problem(b"x" * 10 * MOST_BYTES) is CalendarProblem.LARGE
    assert problem(calendar(*[entry()] * (MOST_ENTRIES + 1))) is CalendarProblem.TOO_MUCH
    assert problem(b"BEGIN:VCALENDAR\r\n" * 1000) is CalendarProblem.TOO_MUCH


def test_backslashes() -> None:
    """A backslash stands before what it hides, and before itself."""
    assert unescape(r"ana\, ben\; eve\nsue\\n") == "ana, ben; eve\nsue\\n"
