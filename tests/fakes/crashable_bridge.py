"""A bridge that can be told where to die: `python -P -m tests.fakes.crashable_bridge CONFIG`.

Rules of this module: it is the product's own `main`, given a crash function; the order to die is a file named by the
environment variable `QUIETLINE_TEST_CRASH`, which only this module reads. The file holds the name of a point; it is gone
before the process is, so that whoever starts again lives.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bridge.runtime.crash_points import CrashPoint

CRASH_FILE: Final = "QUIETLINE_TEST_CRASH"


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


if __name__ == "__main__":
    gc.set_threshold(20_000)  # before the product is imported, as its own command does
    from bridge.app.main import main

    sys.exit(main(Path(sys.argv[1]), crash=crash))
