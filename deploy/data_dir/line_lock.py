"""The lock of a line's data directory, for a command that needs the line stopped.

Rule of this module: it is the lock that a bridge takes (`bridge/app/main.py`). The file belongs to the owner of the
directory, whoever ran the command, because the next bridge must open it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from deploy.data_dir.atomic_files import give_to_owner
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class LineRuns(SetupError):  # noqa: N818 - an answer, not a failure
    """A bridge runs on that directory."""

    def __init__(self, where: Path | str) -> None:
        super().__init__([f"{where}: the line runs; stop it first"])


@contextlib.contextmanager
def line_stopped(data: Path) -> Iterator[None]:
    """Lock a data directory against bridges during the block. Raises `LineRuns` while one runs, `OSError`."""
    # No link is followed: by a link the directory's owner could make root open or create a file elsewhere. With
    # `O_NONBLOCK` a pipe in its place is not waited for.
    how = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    lock = os.open(data / "lock", how, 0o600)
    try:
        give_to_owner(lock, data / "lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LineRuns(data) from None
        yield
    finally:
        os.close(lock)
