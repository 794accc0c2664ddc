"""What may be logged: event names and fields of ours, and of everybody else that they complained.

Rule: ARCHITECTURE.md, "Invariants", 5.
"""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from bridge.runtime import log
from tests.e2e.stack import ROOT
from tests.every_row import every_row
from tests.fakes.noisy import CASES, SECRET, THIRD_PARTIES


def noise(case: str, level: str = "DEBUG") -> str:
    """Run one complaint in a process of its own, as the bridge is one; returns all that it printed."""
    command = [sys.executable, "-W", "always", "-X", "dev", "-m", "tests.fakes.noisy", case, level]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == ""
    return done.stderr


@every_row("case", CASES)
def test_nothing_of_a_content_is_printed(case: str) -> None:
    """However a library, the interpreter or a thread complains, at DEBUG: the complaint is there, its words are not."""
    printed = noise(case)
    assert printed.strip()
    assert SECRET not in printed
    assert "4711" not in printed


def test_third_parties_are_reduced_to_who_and_how_bad() -> None:
    """Of a foreign record logger and level stay from WARNING on; less than that, and access logs, are dropped.

    What a stranger can cause at the public port is told once an hour.
    """
    lines = [line.split(" ", 2)[2] for line in noise("records").splitlines()]
    assert lines == [
        f"{level} {name or 'root'} (withheld) "
        for name in THIRD_PARTIES
        if name != "aiohttp.access"
        for level in ("WARNING", "ERROR", "CRITICAL")
        for _ in range(1 if name in log.HOURLY_LOGGERS else 2)
    ]


def test_exceptions_are_their_type_and_place() -> None:
    """Of an exception the type is told, and by our own events the place; never its text, at any level."""
    foreign, ours = noise("exceptions").splitlines()
    assert foreign.endswith("ERROR mau (withheld) Told")
    assert "noisy.failed error=Told where=noisy.py:" in ours


@pytest.mark.parametrize("case", ["task", "callback"])
def test_what_a_task_lost_is_told_by_type(case: str) -> None:
    """An exception that nobody fetched from a task or callback goes through the same filter."""
    assert "ERROR asyncio (withheld) Told" in noise(case)


@pytest.mark.parametrize("case", ["thread", "destructor", "uncaught"])
def test_what_nobody_catches_is_told_by_type(case: str) -> None:
    """Threads, destructors and the program itself end with a line of ours instead of a traceback with words."""
    printed = noise(case)
    assert "log.uncaught error=Told where=noisy.py:" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("case", ["warned", "unawaited"])
def test_warnings_go_through_the_filter(case: str) -> None:
    """A warning of Python's is a record like any other: that there was one, and no more."""
    assert "WARNING py.warnings (withheld)" in noise(case)


def test_an_unknown_field_is_a_bug() -> None:
    """A field that is not on the list raises, whatever the level is, and names the field without its value."""
    assert "refused not allowed in a log line: body" in noise("unknown_field", "ERROR")
    with pytest.raises(ValueError, match="body, text"):
        log.event("some.event", logging.DEBUG, text="x", body="y")


def test_an_event_is_a_name_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    """One line: the fixed name, then the fields."""
    caplog.set_level(logging.INFO, logger=log.LOGGER_NAME)
    log.event("some.event", count=3, short_id="ab12")
    assert caplog.messages == ["some.event count=3 short_id=ab12"]


def test_a_stranger_fills_no_log() -> None:
    """Of a thousand refusals one line is left, and other events pass."""
    printed = noise("refusals").splitlines()
    assert [line.split()[-1] for line in printed] == ["webhook.unsigned", "webhook.duplicate", "webhook.duplicate"]
