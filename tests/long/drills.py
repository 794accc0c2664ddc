"""Every drill, played in a client to its debrief, two at once and over a kill of the bridge (`tests/e2e/played_drills.py`).

And the first evening, in a client of others (`tests/e2e/played_evening.py`).

Run alone: `python -P -m tests.long drills`.
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
    "tests/e2e/played_drills.py",
    "tests/e2e/played_evening.py",
)


def run(minutes: float) -> dict[str, int]:
    """Play them, and return how many tests passed and failed. Raises `subprocess.TimeoutExpired`."""
    return run_tests(minutes, *ARGUMENTS)
