"""Whether bridges that one process forks are processes of their own, which share nothing that is random."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Final

from tests.deploy.processes import is_running
from tests.e2e.stack import ROOT
from tests.fakes.crashable_bridge import KILL, START

CHILD: Final = """
import os, random, signal, ssl, uuid
import apsw, vodozemac
import bridge.app.main
from tests.fakes.crashable_bridge import fork_at_orders

fork_at_orders()
identity = vodozemac.Account().curve25519_key.to_base64()
print(os.getpid(), random.random(), uuid.uuid4(), ssl.RAND_bytes(8).hex(), apsw.randomness(8).hex(), identity, flush=True)
signal.pause()
"""


def test_each_is_a_process_of_its_own() -> None:
    """Three in a row: killed by its id while it is stopped, killed by an order, and ended with the input.

    Each has another process id, and draws other numbers and another Olm identity.
    """
    command, environment = (sys.executable, "-P", "-c", CHILD), {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as forking:
        orders, answers, drawn = forking.stdin, forking.stdout, forking.stderr
        assert orders is not None
        assert answers is not None
        assert drawn is not None

        def start() -> list[str]:
            orders.write(START)
            pid, *drawn_there = drawn.readline().decode().split()
            assert answers.readline().decode() == f"{pid}\n"
            assert is_running(int(pid))
            return [pid, *drawn_there]

        first = start()
        os.kill(int(first[0]), signal.SIGSTOP)
        os.kill(int(first[0]), signal.SIGKILL)
        assert answers.readline() == b"-9\n"
        orders.write(KILL)  # nobody is there
        second = start()
        orders.write(KILL)
        assert answers.readline() == b"-9\n"
        third = start()
        orders.close()
        assert answers.readline() == b"-9\n"
        assert forking.wait() == 0
    assert not is_running(int(third[0]))
    assert [len(set(one)) for one in zip(first, second, third, strict=True)] == [3] * 6
