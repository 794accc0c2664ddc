"""A disk that is full from some file on, or from some commit on.

Rule of this module: what is made by `os.open` is refused, which is how every whole file of ours is written; and what SQLite
has to keep is refused as it refuses it itself.
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
    """Let the disk be full from the n-th file on; the list gets a number for each file that was to be written."""
    asked: list[int] = []
    real = os.open

    def full(path: str | Path, flags: int, *words: int, **rest: int) -> int:
        if flags & os.O_CREAT:
            asked.append(len(asked))
            if len(asked) > step:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, flags, *words, **rest)

    monkeypatch.setattr(os, "open", full)
    return asked


def cut_off_commits_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full from the n-th commit on, of whichever database."""
    left, execute = [step], SqliteConnection.execute

    def full(self: SqliteConnection, statement: str, /, *values: Any) -> None:
        if statement == "COMMIT":
            left[0] -= 1
            if left[0] < 0:
                raise Unavailable(SQLITE_FULL)
        execute(self, statement, *values)

    monkeypatch.setattr(SqliteConnection, "execute", full)
