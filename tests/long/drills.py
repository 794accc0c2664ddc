"""Every drill, played in a client to its debrief, two at once and over a kill of the bridge (`tests/e2e/played_drills.py`).

Run alone: `python -P -m tests.long drills`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.long.postgresql import COUNTED

ROOT: Final = Path(__file__).parents[2]
ARGUMENTS: Final = ("-o", "addopts=", "-p", "no:cacheprovider", "--tb=short", "-rf", "tests/e2e/played_drills.py")


def run(minutes: float) -> dict[str, int]:
    """Play them, and return how many tests passed, failed and could not run. Raises `subprocess.TimeoutExpired`."""
    told = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *ARGUMENTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60 * minutes,
    )
    lines = told.stdout.splitlines()
    sys.stdout.writelines(f"{line}\n" for line in lines if line.startswith(("FAILED", "ERROR")))
    counts = {word.rstrip("s"): int(number) for number, word in COUNTED.findall(lines[-1] if lines else "")}
    return {"passed": 0, "failed": 0, "error": 0 if told.returncode in {0, 1} else 1} | counts
