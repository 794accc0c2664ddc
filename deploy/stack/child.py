"""The wrapper in which every child process runs: it ties the child's life to its parent's.

Rules of this module: a child ends when its parent is gone; a child holds a lock on its process id file while it lives, so
when the file is not locked, the process id in it is not valid.

`python -P -m deploy.stack.child PARENT PID_FILE MODULE [ARGUMENT…]`: the module then runs in this same process.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import os
import resource
import runpy
import signal
import sys
import threading
import time
from typing import Final

PR_SET_PDEATHSIG: Final = 1
LOCK_TIMEOUT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.25


def die_with_parent(parent: int) -> None:
    """Make the kernel kill this process when its parent dies; when the kernel cannot, watch the parent.

    Ends the process at once when the parent is already gone: it may have died before this call.
    """
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            _watch_parent(parent)
    else:
        _watch_parent(parent)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def disable_core_dumps() -> None:
    """Make the kernel write no core file when this process or a child of it crashes: the file would contain words."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def lock_pid_file(pid_file: str) -> int:
    """Lock the process id file and write our id to it. Return the descriptor, which must stay open.

    Raises `TimeoutError` when another process still holds it after five seconds.
    """
    descriptor = os.open(pid_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise TimeoutError("another copy still runs")
        time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _watch_parent(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, lock the file, and run the module."""
    parent, pid_file, module, *rest = arguments
    disable_core_dumps()
    die_with_parent(int(parent))
    try:
        lock_pid_file(pid_file)
    except TimeoutError:
        sys.exit("Another copy of this child still runs and does not end; it is started again later.")
    # Imported modules stay in memory; searching them for garbage repeatedly costs a tenth of a start.
    gc.set_threshold(20_000)
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
