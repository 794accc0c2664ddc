"""The directory that all processes of one run of the tests share, for what is made once in it (`tests/conftest.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_known: Final[list[Path]] = []


def share(directory: Path) -> None:
    """Say where it is."""
    _known[:] = [directory]


def run_directory() -> Path | None:
    """Return it; None where these are used outside of a run, as by `tests/long`."""
    return _known[0] if _known else None
