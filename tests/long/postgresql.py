"""The tests of the bridge on PostgreSQL in place of SQLite, including the kill tests.

Rules of this module: the server is the tests' own; a test of something that only SQLite has is skipped by its mark
(`sqlite_only`) and counted; failed tests and all other reasons for skips are printed. An unknown reason is a failure: the
test may have been skipped by mistake.

Run alone: `python -P -m tests.long postgresql`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from tests.fakes.database_engine import SQLITE_ONLY, VARIABLE
from tests.fakes.postgres_server import SUPERUSER, bridge_server, running_postgres
from tests.outside_programs import OutsidePrograms

ROOT: Final = Path(__file__).parents[2]
COUNTED: Final = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
ARGUMENTS: Final = ("-n", "4", "--dist", "loadfile", "-o", "addopts=", "-p", "no:cacheprovider", "--tb=short", "-rfEs")
LEFT_OUT: Final = re.compile(r"SKIPPED \[(\d+)\] \S+: (.+)")
KNOWN: Final = ("python-olm exists for", "faketime is not on this machine", "nobody may mount a disk here")
"""The beginnings of known reasons that do not concern the engine: things that this machine lacks."""


def run(minutes: float) -> dict[str, int] | None:
    """Run them, and return the numbers of passed, failed and skipped tests; None if this machine has no PostgreSQL."""
    with running_postgres(OutsidePrograms(missing=[])) as server:
        if server is None:
            return None
        return run_tests(minutes, *ARGUMENTS, "tests/bridge", **{VARIABLE: bridge_server(server).url(SUPERUSER)})


def run_tests(minutes: float, *arguments: str, **environment: str) -> dict[str, int]:
    """Run pytest, print failed tests with their errors, and return the counts by outcome, and of skips by reason.

    Raises `subprocess.TimeoutExpired`.
    """
    result = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60 * minutes,
    )
    lines = result.stdout.splitlines()
    sys.stdout.writelines(f"{line}\n" for line in lines if line.startswith(("FAILED", "ERROR", "E  ", "____")))
    counts = {word.rstrip("s"): int(number) for number, word in COUNTED.findall(lines[-1] if lines else "")}
    reasons = Counter[str]()
    for number, reason in (match.groups() for line in lines if (match := LEFT_OUT.match(line))):
        reasons["sqlite_only" if reason == SQLITE_ONLY else "known" if reason.startswith(KNOWN) else reason] += int(number)
    known = {name: reasons.pop(name, 0) for name in ("sqlite_only", "known")}
    sys.stdout.writelines(f"left out: {number}: {reason}\n" for reason, number in reasons.items())
    counts = {"passed": 0, "failed": 0, "error": 0 if result.returncode in {0, 1} else 1, "skipped": 0} | counts
    return counts | known | {"unknown": counts["skipped"] - sum(known.values())}
