"""Whether the process that holds a lease certainly runs no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.lease import process_identity
from bridge.lease.process_identity import end_process, is_dead, own_identity
from tests.bridge.lease.leases import TELL, living_process


def test_a_process_is_dead_once_it_has_ended() -> None:
    """Alive while it runs, dead when it was killed."""
    with living_process() as (identity, kill):
        assert not is_dead(identity)
        kill()
        assert is_dead(identity)


def test_a_process_that_nobody_has_asked_for_its_exit_code_is_dead() -> None:
    """The system keeps its id until somebody does."""
    process = subprocess.Popen([sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        identity = process.stdout.readline().strip()
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(identity)
    finally:
        process.communicate()


def test_a_process_of_this_machine_is_ended_though_it_is_frozen() -> None:
    """And no other: not one of another machine, not one that has the same number, not ourselves."""
    with living_process() as (identity, _kill):
        words = identity.split(" ")
        os.kill(int(words[2]), signal.SIGSTOP)
        for other in (["another", *words[1:]], [*words[:3], "1"], own_identity().split(" "), ["", ""]):
            end_process(" ".join(other))
        assert not is_dead(identity)
        assert end_process(identity)
        assert is_dead(identity)
        assert end_process(identity)
    assert not end_process("another boot 1 2")


@pytest.mark.parametrize(
    ("place", "word"),
    [(0, "another-boot"), (1, "4026531836000"), (2, "x"), (2, "-1")],
    ids=["another machine", "another namespace", "no number", "no id"],
)
def test_what_cannot_be_told_is_alive(place: int, word: str) -> None:
    parts = own_identity().split(" ")
    parts[2], parts[3] = "999999999", "1"
    parts[place] = word
    assert not is_dead(" ".join(parts))


def test_an_id_that_was_given_again_is_another_process() -> None:
    """We run under this id, and did not begin at that time."""
    parts = own_identity().split(" ")
    assert not is_dead(" ".join(parts))
    assert is_dead(" ".join([*parts[:3], "1"]))


def test_without_the_system_s_word_nobody_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = own_identity()
    monkeypatch.setattr(process_identity, "PROC", tmp_path)
    assert own_identity() != own_identity()
    assert not is_dead(" ".join([*known.split(" ")[:2], "999999999", "1"]))
    assert not is_dead("")
