"""A directory for the files of a run, which is kept when the run fails, because its logs show the cause."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def failed_run_directory(part: str) -> Iterator[Path]:
    """Make a directory for a block. It is deleted at the end; after an exception it is kept, and its path is printed."""
    directory = Path(tempfile.mkdtemp(prefix=f"quietline-{part}-"))
    try:
        yield directory
    except BaseException:
        sys.stderr.write(f"{part}: the files of this run are in {directory}\n")
        raise
    shutil.rmtree(directory)
