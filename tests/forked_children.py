"""Starts of a line's processes without importing their modules again: a start forks a process that has imported them.

Importing is four fifths of a start, and a run starts about a hundred processes of each kind. When this module is in use,
processes of `MODULES` that a supervisor starts, and `up` itself, are forked by a template of that kind
(`tests/child_template.py`). All others are started by their commands: the canary, workers, and commands of a test itself,
such as `./quietline up`.

Rules of this module: the process id is the child's own; the kernel performs kills and stops and gives the exit code. One
difference remains: the child's parent is the template, which kills it when the client's connection closes. No kind imports
what only another one needs. A missing template fails no start: its owner starts another one, and other processes start the
child's own command. All processes of a run have the templates of the one that started them.

`python -P -m tests.forked_children VERB…` is `./quietline VERB…` with this module in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bridge.runtime.program import ROOT
from deploy.stack import supervisor
from deploy.stack.supervisor import child_environment
from deploy.stack.synapse_config import MODULE as SYNAPSE

SOCKETS: Final = "QUIETLINE_TEST_TEMPLATES"
"""The environment variable with the address of each template, for `up` and for the processes of a run; only this module
reads it."""
PYTHON: Final = (sys.executable, "-P", "-m")
WRAPPER: Final = "deploy.stack.child"
ROOM_FOR_TITLE: Final = 2048
HOMESERVER: Final = (SYNAPSE,)
BRIDGE: Final = ("deploy", "bridge")
CARRIER: Final = ("deploy.rehearsal",)
UP: Final = ("deploy", "up")
MODULES: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    HOMESERVER: (SYNAPSE, "quietline_synapse.resource", "deploy.stack.synapse_log", "tests.fakes.cheap_homeserver"),
    BRIDGE: ("deploy.__main__", "bridge.app.main", "deploy.backup.rotation", "tests.fakes.cheap_hash"),
    CARRIER: ("deploy.rehearsal.__main__",),
    UP: ("deploy.__main__", "deploy.stack.up"),
}
"""By the beginning of a child's command: the module that it runs as `__main__`, then further modules, which together import
nearly everything that a start needs. Unlike one of its own command, a bridge has a cheap hash in place of the slow one, and
a homeserver counts nothing of its own work."""


class Template:
    """The process that forks children of one kind, started with the first order.

    `modules`: the modules to import. `path`: the socket of another process's template. `environment`: of its forks, for
    variables that Python reads at its start.
    """

    def __init__(
        self,
        modules: tuple[str, ...],
        path: str | None = None,
        environment: Callable[[], dict[str, str]] = child_environment,
    ) -> None:
        self.modules, self._path, self._environment = modules, path, environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def path(self) -> str:
        """Return the path of its socket."""
        if self._process is not None and self._process.poll() is not None:
            self.end()  # it was killed
        if self._path is None:
            self._path = str(Path(tempfile.mkdtemp(prefix="template-")) / "socket")
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                listener.bind(self._path)
                listener.listen()
                words = ("tests.child_template", str(listener.fileno()), "-" * ROOM_FOR_TITLE, *self.modules)
                self._process = subprocess.Popen(
                    [*PYTHON, *words],
                    cwd=ROOT,
                    env=self._environment(),
                    stdin=subprocess.PIPE,  # it ends with this process
                    stdout=subprocess.DEVNULL,  # no terminal, as for a supervisor's child
                    pass_fds=[listener.fileno()],
                    start_new_session=True,  # Ctrl-C must reach only the tests, which end everything in order
                )
        return self._path

    @property
    def pid(self) -> int | None:
        """Return its process id, while it runs and belongs to this process."""
        return None if self._process is None else self._process.pid

    def end(self) -> None:
        """End it and its forks. It deletes its socket, also when it ends because this process ends."""
        if self._process is not None and self._path is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            if (place := Path(self._path)).exists():  # it was killed
                place.unlink()
                place.parent.rmdir()
            self._process = self._path = None

    async def fork(self, *words: str | None, environment: dict[str, str], directory: Path, umask: int, output: int) -> Fork:
        """Make it fork and run `python -P -m WORDS…`; None: its own process id. Raises `OSError` when it has ended."""
        order = {"words": words, "environment": environment, "directory": str(directory), "umask": umask}
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.setblocking(False)
        try:
            connection.connect(self.path)
            socket.send_fds(connection, [json.dumps(order).encode()], [output])
            reply = await asyncio.get_running_loop().sock_recv(connection, 16)
        except BaseException:
            connection.close()
            raise
        if not reply:
            connection.close()
            raise ConnectionResetError
        return Fork(connection, int(reply))


class Fork:
    """The used part of `asyncio.subprocess.Process`. Signals go through the parent, which knows whether the child lives."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection, self.pid = connection, pid
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(connection, self._hear)

    @property
    def returncode(self) -> int | None:
        """Return the exit code; None until it is known."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Return the exit code."""
        return await asyncio.shield(self._ended)

    def _hear(self) -> None:
        reply = b""
        with contextlib.suppress(ConnectionResetError):
            reply = self._connection.recv(16)
        self._loop.remove_reader(self._connection)
        self._connection.close()
        self._ended.set_result(int(reply or -signal.SIGKILL))  # a template that has ended has killed its children

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        try:
            self._connection.send(str(int(number)).encode())
        except OSError:
            raise ProcessLookupError from None


class Templates:
    """One template of each kind. `message`: another process's sockets by the beginnings of commands, as JSON."""

    def __init__(self, message: str | None = None) -> None:
        paths = {} if message is None else json.loads(message)
        self.of: Final = {
            kind: Template(modules, paths.get(" ".join(kind)), up_environment if kind == UP else child_environment)
            for kind, modules in MODULES.items()
        }

    def tell(self) -> str:
        """Return their sockets for another process; they import nothing before the first request for a fork."""
        return json.dumps({" ".join(kind): template.path for kind, template in self.of.items()})

    def for_command(self, command: tuple[str, ...]) -> Template | None:
        """Return the template for a child's command: a module and its arguments."""
        return next((template for kind, template in self.of.items() if command[: len(kind)] == kind), None)

    def end(self) -> None:
        """End them and their forks."""
        for template in self.of.values():
            template.end()


def up_environment() -> dict[str, str]:
    """Return the environment of `./quietline up`."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


TEMPLATES: Final = Templates(os.environ.pop(SOCKETS, None))


def share() -> None:
    """Let the processes of this run, which start later, use the templates of this one."""
    os.environ[SOCKETS] = TEMPLATES.tell()


def is_used() -> bool:
    """Whether supervisors of this process start forks."""
    return supervisor.create_process is create_process


def use() -> None:
    """Make the supervisors of this process start a fork in place of each command whose modules a template imports."""
    if sys.platform == "linux":
        vars(supervisor)["create_process"] = create_process


async def create_process(*command: str, env: dict[str, str], cwd: Path, umask: int, stdout: int, **rest: Any) -> Any:
    """Start a supervisor's child. All arguments that a supervisor gives are named here, so that a fork gets them too."""
    template = TEMPLATES.for_command(command[6:]) if command[:4] == (*PYTHON, WRAPPER) else None
    if template is not None:
        assert rest == {"stdin": asyncio.subprocess.DEVNULL, "stderr": stdout, "start_new_session": True}
        try:
            return await template.fork(
                WRAPPER, None, *command[5:], environment=env, directory=cwd, umask=umask, output=stdout
            )
        except OSError:  # the template was killed; the child of this connection is dead, or dies
            pass
    return await asyncio.create_subprocess_exec(*command, env=env, cwd=cwd, umask=umask, stdout=stdout, **rest)


async def start_up(*words: str, output: int) -> Fork:
    """Start `up` with these arguments by a fork, in place of `./quietline up`."""
    os.umask(umask := os.umask(0o077))
    return await TEMPLATES.of[UP].fork(
        *("tests.forked_children", "up", *words),
        environment={**up_environment(), SOCKETS: TEMPLATES.tell()},
        directory=Path.cwd(),
        umask=umask,
        output=output,
    )


if __name__ == "__main__":
    use()
    runpy.run_module("deploy", run_name="__main__", alter_sys=True)
