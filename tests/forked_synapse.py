"""Starts of Synapse that do not import it again: a supervisor gets a fork of a process that has.

To import Synapse is four fifths of a start, and a run starts a hundred. Where this is in use, what a supervisor starts as
Synapse is forked by `tests/synapse_template.py`; everything else is started as ever, also what a test starts by a
command line of its own: `./quietline up`, Synapse's own command, workers.

Rules of this module: the process id is Synapse's own; kill, stop and exit code are the kernel's. What differs from a child
of a supervisor: its parent is the template, which kills it when the supervisor's end of the connection closes.

`python -P -m tests.forked_synapse VERB…` is `./quietline VERB…` with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from deploy.stack import supervisor
from deploy.stack.supervisor import ROOT, child_environment
from deploy.stack.synapse_config import MODULE

SOCKET: Final = "QUIETLINE_TEST_SYNAPSE"
"""How `up` is told where the template listens; only this module reads it."""
WRAPPER: Final = (sys.executable, "-P", "-m", "deploy.stack.child")
ROOM_FOR_TITLE: Final = 2048


class Template:
    """The process that forks, started with the first order. `path`: where another process has its template."""

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def path(self) -> str:
        """Where it listens."""
        if self._path is None:
            self._path = str(Path(tempfile.mkdtemp(prefix="synapse-")) / "socket")
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                listener.bind(self._path)
                listener.listen()
                self._process = subprocess.Popen(
                    [*WRAPPER[:3], "tests.synapse_template", str(listener.fileno()), "-" * ROOM_FOR_TITLE],
                    cwd=ROOT,
                    env=child_environment(),
                    stdin=subprocess.PIPE,  # it ends with us
                    pass_fds=[listener.fileno()],
                    start_new_session=True,  # Ctrl-C is for the tests, which end all in order
                )
        return self._path

    def end(self) -> None:
        """End it, and all that it forked. It takes its socket away, also when it ends because we do."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = self._path = None

    def cpu_seconds(self) -> float:
        """Return what it has used, and those of its children that have ended: they are not children of ours."""
        if self._process is None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    async def fork(self, *words: str, environment: dict[str, str], directory: Path, umask: int, output: int) -> Fork:
        """Have it fork. `words`: process id file, module and arguments. Raises `OSError` when it is gone."""
        order = {"words": words, "environment": environment, "directory": str(directory), "umask": umask}
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.setblocking(False)
        try:
            connection.connect(self.path)
            socket.send_fds(connection, [json.dumps(order).encode()], [output])
            told = await asyncio.get_running_loop().sock_recv(connection, 16)
        except BaseException:
            connection.close()
            raise
        if not told:
            raise ConnectionResetError
        return Fork(connection, int(told))


class Fork:
    """What a supervisor needs of `asyncio.subprocess.Process`. Signals go by the parent, as it alone knows who lives."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection, self.pid = connection, pid
        self.returncode: int | None = None

    async def wait(self) -> int:
        """Return the exit code. It may be asked once at a time."""
        if self.returncode is None:
            told = await asyncio.get_running_loop().sock_recv(self._connection, 16)
            self.returncode = int(told or -signal.SIGKILL)  # a template that is gone took its children along
            self._connection.close()
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        try:
            self._connection.send(str(int(number)).encode())
        except OSError:
            raise ProcessLookupError from None


TEMPLATE: Final = Template(os.environ.pop(SOCKET, None))


def is_used() -> bool:
    """Whether supervisors of this process start a fork."""
    return supervisor.create_process is create_process


def use() -> None:
    """Have the supervisors of this process start a fork where they would start Synapse."""
    if sys.platform == "linux":
        vars(supervisor)["create_process"] = create_process


async def create_process(*command: str, env: dict[str, str], cwd: Path, umask: int, stdout: int, **rest: Any) -> Any:
    """Start what a supervisor starts. What it gives besides is known here, or a fork would be without it."""
    if (*command[:4], *command[6:7]) != (*WRAPPER, MODULE):
        return await asyncio.create_subprocess_exec(*command, env=env, cwd=cwd, umask=umask, stdout=stdout, **rest)
    assert rest == {"stdin": asyncio.subprocess.DEVNULL, "stderr": stdout, "start_new_session": True}
    return await TEMPLATE.fork(*command[5:], environment=env, directory=cwd, umask=umask, output=stdout)


def command(*words: str) -> tuple[list[str], dict[str, str]]:
    """Return what to start in place of `./quietline VERB…`, and its environment."""
    return [*WRAPPER[:3], "tests.forked_synapse", *words], {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        SOCKET: TEMPLATE.path,
    }


if __name__ == "__main__":
    use()
    runpy.run_module("deploy", run_name="__main__", alter_sys=True)
