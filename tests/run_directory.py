"""Where a run of the tests keeps its files: in memory where there is plenty, and in a directory that its processes share.

`tests/conftest.py` asks for both; what is made once in a run is in that directory.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only as the parent of what `tempfile` and pytest make, each for us alone
FREE_BYTES: Final = 4 << 30
"""How much room there has to be in it. A whole run takes a part of that, and most of it for seconds."""
AVAILABLE_BYTES: Final = 8 << 30
"""How much memory there has to be besides for the processes: what is in that directory is memory as well."""

_known: Final[list[Path]] = []


def keep_files_in_memory() -> None:
    """Have temporary files of this process, and of those that it starts, in memory, unless TMPDIR says where they go.

    Nothing that a test shows hangs on a disk under its files: a killed process has lost nothing that it had written, and
    what a disk refuses is played (`tests/fakes/fake_disk.py`). The time that a disk takes to write is a sixth of a run.
    """
    if "TMPDIR" not in os.environ and _has_room():
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _has_room() -> bool:
    try:
        there = os.statvfs(MEMORY)
        told = Path("/proc/meminfo").read_text(encoding="ascii").split()
    except OSError:
        return False
    available = int(told[told.index("MemAvailable:") + 1]) * 1024
    runs_programs = not there.f_flag & os.ST_NOEXEC
    return runs_programs and there.f_bavail * there.f_frsize >= FREE_BYTES and available >= AVAILABLE_BYTES


def share(directory: Path) -> None:
    """Say where it is."""
    _known[:] = [directory]


def run_directory() -> Path | None:
    """Return it; None where these are used outside of a run, as by `tests/long`."""
    return _known[0] if _known else None
