"""The tests of the bridge on PostgreSQL in place of SQLite, those that kill it among them.

Rules of this module: the server is the tests' own; a test that asks of SQLite what PostgreSQL has not is left out by its
mark (`sqlite_only`) and counted; whatever failed is named.

Run alone: `python -P -m tests.long postgresql`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fakes.database_engine import VARIABLE
from tests.fakes.postgres_server import SUPERUSER, bridge_server, running_postgres
from tests.outside_programs import OutsidePrograms

ROOT: Final = Path(__file__).parents[2]
COUNTED: Final = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
ARGUMENTS: Final = ("-n", "4", "--dist", "loadfile", "-o", "addopts=", "-p", "no:cacheprovider", "--tb=short", "-rf")


def run(minutes: float) -> dict[str, int] | None:
    """Run them, and return how many passed, failed and were left out; None where PostgreSQL is not on this machine."""
    with running_postgres(OutsidePrograms(missing=[])) as found:
        if found is None:
            return None
        return run_tests(minutes, *ARGUMENTS, "tests/bridge", **{VARIABLE: bridge_server(found).url(SUPERUSER)})


def run_tests(minutes: float, *arguments: str, **environment: str) -> dict[str, int]:
    """Run pytest, name what failed, and return the counts by outcome. Raises `subprocess.TimeoutExpired`."""
    told = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60 * minutes,
    )
    lines = told.stdout.splitlines()
    sys.stdout.writelines(f"{line}\n" for line in lines if line.startswith(("FAILED", "ERROR")))
    counts = {word.rstrip("s"): int(number) for number, word in COUNTED.findall(lines[-1] if lines else "")}
    return {"passed": 0, "failed": 0, "error": 0 if told.returncode in {0, 1} else 1, "skipped": 0} | counts
