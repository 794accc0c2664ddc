"""A disk that is full from the n-th file or the n-th commit on.

Rule of this module: it refuses files made by `os.open`, by which all our whole files are written, and commits with SQLite's
own error.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.storage.errors import SQLITE_FULL, Unavailable
from bridge.storage.sqlite_connection import SqliteConnection


def cut_off_at(step: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make the disk full from the n-th file on; the returned list gets a number for each file to be written."""
    files: list[int] = []
    real = os.open

    def full(path: str | Path, flags: int, *words: int, **rest: int) -> int:
        if flags & os.O_CREAT:
            files.append(len(files))
            if len(files) > step:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, flags, *words, **rest)

    monkeypatch.setattr(os, "open", full)
    return files


def cut_off_commits_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the disk full from the n-th commit on, counted over all databases."""
    countdown, execute = [step], SqliteConnection.execute

    def full(self: SqliteConnection, statement: str, /, *values: Any) -> None:
        if statement == "COMMIT":
            countdown[0] -= 1
            if countdown[0] < 0:
                raise Unavailable(SQLITE_FULL)
        execute(self, statement, *values)

    monkeypatch.setattr(SqliteConnection, "execute", full)
