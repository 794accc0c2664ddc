"""The tests that are marked `long`: other clients, every page in a browser, long stories on a line.

Run alone: `python -P -m tests.long marked`.
"""

from __future__ import annotations

from typing import Final

from tests.long.postgresql import run_tests

ARGUMENTS: Final = ("-m", "long", "-n", "4", "--dist", "loadfile", "--tb=short", "-rf", "tests")


def run(minutes: float) -> dict[str, int]:
    """Run them, and return the numbers of passed and failed tests. Raises `subprocess.TimeoutExpired`."""
    return run_tests(minutes, *ARGUMENTS)
