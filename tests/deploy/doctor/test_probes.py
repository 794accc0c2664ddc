"""Questions that are asked at once: what one does keeps no other back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence

from deploy.doctor.probes import Probe, ask_all, in_thread
from deploy.inspect.check_report import CheckResult
from tests.deploy.processes import ROOT

WELL = CheckResult(name="well", ok=True, what="is well")
NEVER_ENDING = """
import asyncio, threading
from deploy.doctor.probes import Probe, ask_all, of_thread
probe = Probe(names=("stuck",), ask=of_thread(threading.Event().wait), do="Do.")
print([row.what for row in asyncio.run(ask_all([probe], seconds=0.2))])
"""


async def well() -> Sequence[CheckResult]:
    return [WELL]


async def test_a_question_without_an_answer_keeps_no_other_back() -> None:
    """One waits for ever, one blocks a thread for ever, one breaks, one is answered: all four have their rows."""
    blocked = threading.Event()

    async def waits() -> Sequence[CheckResult]:
        await asyncio.Event().wait()
        return []

    async def breaks() -> Sequence[CheckResult]:
        raise KeyError("+15555550123")

    async def blocks() -> Sequence[CheckResult]:
        await in_thread(blocked.wait)
        return []

    probes = [
        Probe(names=("waits", "as well"), ask=waits, do="Look."),
        Probe(names=("blocks",), ask=blocks, do="Look."),
        Probe(names=("breaks",), ask=breaks, do="Look."),
        Probe(names=("well",), ask=well, do="Look."),
    ]
    rows = {row.name: row for row in await ask_all(probes, seconds=0.2)}
    assert not blocked.is_set()
    blocked.set()
    assert rows.keys() == {"waits", "as well", "blocks", "breaks", "well"}
    assert rows["well"] == WELL
    for name in rows.keys() - {"well"}:
        assert (rows[name].ok, rows[name].do) == (False, "Look.")
    assert rows["waits"].what == rows["blocks"].what == "gave no answer within 0.2 seconds"
    assert rows["breaks"].what == "could not be looked at (KeyError)"


def test_the_program_ends_with_a_thread_that_does_not() -> None:
    """Neither `asyncio.run` nor the interpreter waits for a thread that hangs on a disk or a name."""
    command = [sys.executable, "-P", "-c", NEVER_ENDING]
    process = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert (process.returncode, process.stdout) == (0, "['gave no answer within 0.2 seconds']\n"), process.stderr
