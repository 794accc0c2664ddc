"""Bridges that a test kills at a named point: `python -P -m tests.fakes.crashable_bridge CONFIG`.

Rules of this module: the product's own `main` runs, with a crash function. The order to die is the file named by the
environment variable `QUIETLINE_TEST_CRASH`, which only this module reads. The file contains the name of a point; it is
deleted before the process dies, so that the next start survives.

Importing the product is most of the cost of a start, so each bridge is a fork of one process that has only imported it. A
bridge has its own process id, and shares with the next one only the imported modules and the seed of string hashes: no
thread, no open file, no random state.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.stack.child import die_with_parent

if TYPE_CHECKING:
    from bridge.runtime.crash_points import CrashPoint

CRASH_FILE: Final = "QUIETLINE_TEST_CRASH"
START: Final = b"s"
KILL: Final = b"k"


def crash(point: CrashPoint) -> None:
    """Die here if this is the point of the order."""
    crash_file = Path(os.environ[CRASH_FILE])
    try:
        point_name = crash_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    if point_name == point.name:
        crash_file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def fork_at_orders() -> None:
    """Fork at each `START` on standard input, one child after the other; return only in the child.

    Standard output gets two lines: the child's process id and its exit code in the form of `subprocess`. `KILL` kills the
    running child; the end of the input kills it and ends this process.
    """
    gc.freeze()  # imported objects live until the end
    parent = os.getpid()
    while order := os.read(0, 1):
        if order != START:  # a KILL for a child that has already ended
            continue
        _check_alone()
        child = os.fork()
        if child == 0:
            die_with_parent(parent)
            os.dup2(2, 1)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.close(nothing)
            return
        os.write(1, f"{child}\n".encode())
        pidfd = os.pidfd_open(child)
        if 0 in select.select([0, pidfd], [], [])[0]:
            os.kill(child, signal.SIGKILL)
        os.close(pidfd)
        os.write(1, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
    sys.exit()


def _check_alone() -> None:
    """Check that a child gets no thread's lock, and only the three standard files. The listing opens a fourth."""
    threads, files = ([path.name for path in Path("/proc/self", name).iterdir()] for name in ("task", "fd"))
    assert len(threads) == 1, "a thread runs: what it holds would be held for ever"
    assert sorted(files) == ["0", "1", "2", "3"], "a file is open, and would be shared"


if __name__ == "__main__":
    gc.set_threshold(20_000)  # before the product is imported, as its own command does
    from bridge.app.main import main
    from tests.fakes import cheap_hash  # noqa: F401 - it has its effect

    fork_at_orders()
    sys.exit(main(Path(sys.argv[1]), crash=crash))
