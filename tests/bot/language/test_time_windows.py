"""Safe times: how people say them, and which moments they hold (practice 2)."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bot.language import time_windows
from bot.model.thread import ConsentFlags
from tests.bot.examples import held, said, then, words
from tests.every_row import every_row

NEW_YORK = ZoneInfo("America/New_York")


def read(spans: str) -> ConsentFlags:
    """Return flags with these safe times."""
    flags = time_windows.with_safe_times(ConsentFlags(), spans)
    assert flags is not None, spans
    return flags


@every_row(
    ("spans", "shown"),
    [
        ("9-15", "9:00-15:00"),
        ("9am-3pm", "9:00-15:00"),
        ("12am - 12pm", "0:00-12:00"),
        ("weekdays 9 to 15", "Mon-Fri 9:00-15:00"),
        ("weekdays 9 to 3", "Mon-Fri 9:00-15:00"),
        ("weekdays 9am-3", "Mon-Fri 9:00-15:00"),
        ("weekdays 12pm-3", "Mon-Fri 12:00-15:00"),
        ("10-2", "10:00-14:00"),
        ("9pm-3", "21:00-3:00"),
        ("9pm-11", "21:00-23:00"),
        ("9pm-12", "21:00-0:00"),
        ("11pm-7", "23:00-7:00"),
        ("9am-11", "9:00-11:00"),
        ("9am-9", "9:00-21:00"),
        ("1-3pm", "13:00-15:00"),
        ("weekdays 9-11am 1:30-3pm", "Mon-Fri 9:00-11:00, Mon-Fri 13:30-15:00"),
        ("11-1pm", "11:00-13:00"),
        ("12-3pm", "12:00-15:00"),
        ("9-11pm", "21:00-23:00"),
        ("9-9pm", "9:00-21:00"),
        ("12:30-2", "12:30-14:00"),
        ("10-2am", "22:00-2:00"),
        ("12-2am", "0:00-2:00"),
        ("13-3pm", "13:00-15:00"),
        ("13-3am", "13:00-3:00"),
        ("13-03", "13:00-3:00"),
        ("20-6", "20:00-6:00"),
        ("20-12pm", "20:00-12:00"),
        ("01-03", "1:00-3:00"),
        ("3-15", "3:00-15:00"),
        ("1am-3am", "1:00-3:00"),
        ("weekdays 9-15, sat 20-22", "Mon-Fri 9:00-15:00, Sat 20:00-22:00"),
        ("Mon wed Fri 09-12 13-15", "Mon Wed Fri 9:00-12:00, Mon Wed Fri 13:00-15:00"),
        ("fri-mon 22-2", "Mon Fri-Sun 22:00-2:00"),
        ("lunes-viernes 9 a 15", "Mon-Fri 9:00-15:00"),
        ("lunes a viernes de 9 a 15", "Mon-Fri 9:00-15:00"),
        ("de lunes a viernes, de 9 a 3", "Mon-Fri 9:00-15:00"),
        ("entre semana 9-15, los s\u00e1bados de 20 a 22", "Mon-Fri 9:00-15:00, Sat 20:00-22:00"),
        ("del lunes al viernes, de 9 a 15", "Mon-Fri 9:00-15:00"),
        ("fines de semana 10-11am", "Sat-Sun 10:00-11:00"),
        ("el fin de semana desde las 10am hasta las 11am", "Sat-Sun 10:00-11:00"),
        ("d\u00edas laborables del 9-15", "Mon-Fri 9:00-15:00"),
        ("dias laborables 9-15", "Mon-Fri 9:00-15:00"),
        ("on mon 09-10", "Mon 9:00-10:00"),
        ("mon to fri from 9 to 15", "Mon-Fri 9:00-15:00"),
        ("weekend 10am-11", "Sat-Sun 10:00-11:00"),
        ("9-10am sun 11-12pm", "9:00-10:00, Sun 11:00-12:00"),
    ],
)
def test_safe_times_are_read_as_people_say_them(spans: str, shown: str) -> None:
    """Days stand before their spans; what was read is said back, in the room too."""
    assert time_windows.describe(read(spans)) == shown
    assert f"Safe to text: {shown}." in words(then(held(), said(f"!agreed times {spans}")))


@every_row(
    "spans",
    [
        "",
        "weekdays",
        "9-15 mon",
        "monday 9",
        "13pm-2pm",
        "9-9",
        "mon-foo 9-10",
        "09-10 " * 6,
        "1-3",
        "weekdays 9-11 3-5",
        "2-1",
        "7-9",
        "9-12",
        "10:30-11",
        "9-15 6-8",
        "13-3",
        "weekdays 14:30-4",
        "20-9",
        "22-12",
    ],
)
def test_what_cannot_be_read_is_refused(spans: str) -> None:
    """Nothing is guessed: whoever says "1 to 3" means the afternoon, and by the clock it is the night; "7 to 9" is both."""
    assert time_windows.with_safe_times(ConsentFlags(), spans) is None


@every_row(
    ("day", "hour", "safe"),
    [(15, 21, False), (15, 23, True), (16, 1, True), (16, 2, False), (16, 23, False), (17, 1, False), (15, 1, False)],
)
def test_a_day_over_midnight_is_that_on_which_it_begins(day: int, hour: int, safe: bool) -> None:
    """Friday 22-2 is Friday night and the two hours after it: neither Friday's first hours nor Saturday night.

    15 January 2027 is a Friday.
    """
    assert time_windows.is_safe(read("fri 22-2"), datetime(2027, 1, day, hour, tzinfo=NEW_YORK)) == safe


def test_daylight_saving_moves_no_agreed_hour() -> None:
    """The clock on the wall counts: in the night that has 1:30 twice both are safe, and 2:30 need not be there.

    In New York clocks go back on 7 November 2027 at 6:00 UTC, and forward on 14 March 2027 at 7:00 UTC.
    """
    flags = read("sun 01-02")
    for utc_hour in (5, 6):
        moment = datetime(2027, 11, 7, utc_hour, 30, tzinfo=UTC).astimezone(NEW_YORK)
        assert (moment.hour, time_windows.is_safe(flags, moment)) == (1, True)
    assert not time_windows.is_safe(flags, datetime(2027, 11, 7, 7, 30, tzinfo=UTC).astimezone(NEW_YORK))
    spring = read("sun 02-03")
    moments = [datetime(2027, 3, 14, hour, 30, tzinfo=UTC).astimezone(NEW_YORK) for hour in (6, 7)]
    assert [moment.hour for moment in moments] == [1, 3]
    assert not any(time_windows.is_safe(spring, moment) for moment in moments)
    assert time_windows.is_safe(read("sun 03-04"), moments[1])
