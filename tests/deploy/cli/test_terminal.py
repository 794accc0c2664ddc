"""What `up` says, and that nobody has to listen to it, with stand-ins for the children."""

from __future__ import annotations

import os
import pty
import signal
from typing import TYPE_CHECKING

import pytest

from deploy.stack.up import STOP_ORDER
from tests.deploy.processes import is_running, read_ready_file, run_up
from tests.e2e.polling import STEP_TIMEOUT
from tests.free_ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path


def stopped_in_order(directory: Path, pids: dict[str, int]) -> bool:
    order = (directory / "order").read_text().split()
    return (
        order == list(STOP_ORDER[1:])  # a rehearsal has no canary, which would be the first
        and not (directory / "run" / "ready.json").exists()
        and not any(is_running(pid) for pid in pids.values())
    )


def test_up_says_how_far_it_is(tmp_path: Path) -> None:
    """Progress goes to standard error, what stays to standard output, and the stop is announced."""
    with run_up(tmp_path, free_ports()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "Quietline is ready.\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(STEP_TIMEOUT) == 0
        said = process.stderr.read().splitlines()
    assert said[0].startswith("quietline: starting: waiting for ")
    assert said[-1] == "quietline: stopping"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_reader_that_is_gone_changes_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """When nobody reads any more (`up | tee`, and Ctrl-C ends both), the children end in order and the code is 0."""
    with run_up(tmp_path, free_ports()) as process:
        pids = read_ready_file(tmp_path)["pids"]
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
        process.send_signal(number)
        assert process.wait(STEP_TIMEOUT) == 0
        assert stopped_in_order(tmp_path, pids)


def test_a_terminal_that_is_closed_changes_nothing(tmp_path: Path) -> None:
    """When a terminal is closed while a line moves there, the start goes on, and at the end the children end in order."""
    ours, theirs = pty.openpty()
    with run_up(tmp_path, free_ports(), stderr=theirs) as process:
        os.close(theirs)
        assert os.read(ours, 1)
        os.close(ours)
        pids = read_ready_file(tmp_path)["pids"]
        process.send_signal(signal.SIGHUP)
        assert process.wait(STEP_TIMEOUT) == 0
        assert stopped_in_order(tmp_path, pids)
