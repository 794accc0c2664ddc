"""Bridges that can be told where to die: `python -P -m tests.fakes.crashable_bridge CONFIG`.

Rules of this module: what runs is the product's own `main`, given a crash function; the order to die is a file named by
the environment variable `QUIETLINE_TEST_CRASH`, which only this module reads. The file holds the name of a point; it is
gone before the process is, so that whoever starts again lives.

Importing the product is most of what a start costs, so each bridge is a fork of one process that has imported it and done
nothing else. A bridge has its own process id, and shares with the next one nothing but what importing leaves and the seed
of string hashes: no thread, no open file, no random state.
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
        wanted = crash_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    if wanted == point.name:
        crash_file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def fork_at_orders() -> None:
    """Fork at each `START` on standard input, one child after the other: this returns in the child, and there alone.

    Standard output gets the child's process id, a line, and its exit code, another, as `subprocess` tells it. `KILL` and
    the end of the input kill the child that runs; with the end of the input this process ends.
    """
    gc.freeze()  # what was imported is there to the end
    parent = os.getpid()
    while order := os.read(0, 1):
        if order != START:  # to kill one that has ended by itself
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
        ended = os.pidfd_open(child)
        if 0 in select.select([0, ended], [], [])[0]:
            os.kill(child, signal.SIGKILL)
        os.close(ended)
        os.write(1, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
    sys.exit()


def _check_alone() -> None:
    """See that a child gets no thread's lock, and no file but the three standard ones. The listing is a fourth."""
    threads, files = ([path.name for path in Path("/proc/self", name).iterdir()] for name in ("task", "fd"))
    assert len(threads) == 1, "a thread runs: what it holds would be held for ever"
    assert sorted(files) == ["0", "1", "2", "3"], "a file is open, and would be shared"


if __name__ == "__main__":
    gc.set_threshold(20_000)  # before the product is imported, as its own command does
    from bridge.app.main import main

    fork_at_orders()
    sys.exit(main(Path(sys.argv[1]), crash=crash))
