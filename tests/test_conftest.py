"""What all tests stand on."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.conftest import stop_ignoring_signals

REPORT = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_DFL)"


def test_ignored_signals_do_not_reach_the_processes_of_tests() -> None:
    """A suite that runs under `nohup` starts children that hear a hangup, and lives on through one itself."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop_ignoring_signals()
        signal.raise_signal(signal.SIGHUP)
        heard = subprocess.run([sys.executable, "-c", REPORT], capture_output=True, text=True, check=True).stdout
    finally:
        signal.signal(signal.SIGHUP, before)
    assert heard == "True\n"


@pytest.mark.parametrize("package", ["bot.invariants", "bridge.carriers.steps", "e2e.polling", "fakes.bridge_harness"])
def test_what_tests_share_asserts_with_values(package: str) -> None:
    """An `assert` of a module that is no test says what it compared."""
    spec = find_spec(f"tests.{package}")
    assert spec is not None
    assert type(spec.loader).__name__ == "AssertionRewritingHook"
