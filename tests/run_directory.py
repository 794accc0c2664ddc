"""Where a run of the tests keeps its files: in memory if there is enough, and in a directory shared by its processes.

`tests/conftest.py` calls both functions; the directory contains what is made once in a run.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only as the parent of what `tempfile` and pytest make, each for us alone
FREE_BYTES: Final = 4 << 30
"""The least free space, in bytes. A whole run uses a part of it, and most of that only for seconds."""
AVAILABLE_BYTES: Final = 8 << 30
"""The least available memory, in bytes, for the processes besides these files, which are in memory as well."""

_known: Final[list[Path]] = []


def keep_files_in_memory() -> None:
    """Keep temporary files of this process and its children in memory, unless TMPDIR is set.

    No test depends on a disk under its files: a killed process has lost nothing that it had written, and a disk's faults
    are simulated (`tests/fakes/fake_disk.py`). Writes to a disk would take a sixth of a run.
    """
    if "TMPDIR" not in os.environ and _has_room():
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _has_room() -> bool:
    try:
        there = os.statvfs(MEMORY)
        words = Path("/proc/meminfo").read_text(encoding="ascii").split()
    except OSError:
        return False
    available = int(words[words.index("MemAvailable:") + 1]) * 1024
    runs_programs = not there.f_flag & os.ST_NOEXEC
    return runs_programs and there.f_bavail * there.f_frsize >= FREE_BYTES and available >= AVAILABLE_BYTES


def share(directory: Path) -> None:
    """Set the shared directory."""
    _known[:] = [directory]


def run_directory() -> Path | None:
    """Return the shared directory; None outside of a run, as in `tests/long`."""
    return _known[0] if _known else None
