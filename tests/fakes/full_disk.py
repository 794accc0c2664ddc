"""A disk that is full from some file on.

Rule of this module: what is made by `os.open` is refused, which is how every whole file of ours is written.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest


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
