"""A directory for the files of a run, which stays when the run fails: what went wrong is in its logs."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def failed_run_directory(part: str) -> Iterator[Path]:
    """Make a directory for a block. It is removed at the end; after an exception it stays, and its path is printed."""
    directory = Path(tempfile.mkdtemp(prefix=f"quietline-{part}-"))
    try:
        yield directory
    except BaseException:
        sys.stderr.write(f"{part}: the files of this run are in {directory}\n")
        raise
    shutil.rmtree(directory)
