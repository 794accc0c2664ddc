"""`quietline status --watch`: live on a terminal, plain lines elsewhere, ended by Ctrl-C."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rich.console import Console

from deploy.cli import watch as watch_module
from deploy.cli.watch import cached_probe, watch_line
from deploy.inspect.check_report import CheckReport, CheckResult
from tests.deploy.processes import ROOT

UP = CheckResult(name="bridge", ok=True, what="answers")
DOWN = CheckResult(name="bridge", ok=False, what="does not answer", do="Wait.")
CARRIER = CheckResult(name="carrier", ok=True, what="takes our login")


def looking(*results: CheckResult) -> Callable[[], Awaitable[CheckReport]]:
    """Say one after another how the bridge is, beside a carrier that is well; then Ctrl-C."""
    remaining = list(results)

    async def look() -> CheckReport:
        if not remaining:
            raise KeyboardInterrupt
        return CheckReport(checks=(remaining.pop(0), CARRIER))

    return look


@pytest.mark.parametrize(("last", "well"), [(UP, True), (DOWN, False)])
def test_elsewhere_than_on_a_terminal_only_changes_are_written(last: CheckResult, well: bool) -> None:
    """The first report is whole; what says the same again is not said again; the last look is the answer."""
    out = io.StringIO()
    first = DOWN if last is UP else UP
    assert watch_line(looking(first, first, last), console=Console(file=out, width=20), interval=0.0) is well
    said = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    up, down = ["ok  bridge: answers"], ["NOT bridge: does not answer", "    Wait."]
    carrier = ["ok  carrier: takes our login"]
    assert said == ([*down, *carrier, *up] if last is UP else [*up, *carrier, *down])
    assert "\x1b" not in out.getvalue()


def test_on_a_terminal_one_screen_is_drawn_over_itself() -> None:
    """The alternate screen is entered once and left at the end, and is never cleared in between: that would flicker."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=20, legacy_windows=False)
    assert not watch_line(looking(UP, DOWN), console=console, interval=0.0)
    written = out.getvalue()
    assert (written.count("\x1b[?1049h"), written.count("\x1b[?1049l")) == (1, 1)
    assert written.index("does not answer") > written.index("answers")
    assert "NOT well" in written
    assert "Wait." in written
    between = written[written.index("looking") : written.index("\x1b[?1049l")]
    assert "\x1b[2J" not in between


async def test_a_carrier_is_asked_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that stands open all day is not a login every two seconds."""
    calls: list[int] = []

    async def ask() -> list[CheckResult]:
        calls.append(1)
        return [CARRIER]

    again = cached_probe(ask)
    assert [await again() for _ in range(3)] == [[CARRIER]] * 3
    assert len(calls) == 1
    monkeypatch.setattr(watch_module, "ASK_INTERVAL", 0.0)
    await again()
    assert len(calls) == 2


def test_it_ends_with_ctrl_c_on_a_real_terminal(tmp_path: Path) -> None:
    """The terminal is as it was before, no trace of the program is printed, and the exit code says how it was."""
    ours, theirs = pty.openpty()
    (tmp_path / "config.yaml").touch()
    command = (sys.executable, "-P", "-m", "deploy", "status", "--watch", "--data", str(tmp_path))
    environment = {**os.environ, "TERM": "xterm-256color"}
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while b"Ctrl-C ends" not in shown:
            assert select.select([ours], [], [], 60)[0], shown
            shown += os.read(ours, 4096)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 1
        while select.select([ours], [], [], 0.2)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:
                break
    finally:
        running.kill()
        running.wait()
        os.close(ours)
    assert b"nothing is ready" in shown
    assert shown.rindex(b"\x1b[?1049l") > shown.index(b"nothing is ready")
    assert b"Traceback" not in shown


def test_a_watch_is_for_a_person() -> None:
    """With --json it is a usage error."""
    command = (sys.executable, "-P", "-m", "deploy", "status", "--watch", "--json")
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 2
