"""The first evening, played in another project's client in a browser (`tests/e2e/played_evening.py`).

Run alone: `python -P -m tests.long evening`.
"""

from __future__ import annotations

from typing import Final

from tests.long.postgresql import run_tests

ARGUMENTS: Final = (
    "-o",
    "addopts=",
    "-p",
    "no:cacheprovider",
    "--tb=short",
    "-rf",
    "tests/e2e/played_evening.py",
)


def run(minutes: float) -> dict[str, int]:
    """Play it, and return the numbers of passed and failed tests. Raises `subprocess.TimeoutExpired`."""
    return run_tests(minutes, *ARGUMENTS)
