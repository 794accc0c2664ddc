"""Starts of a line's processes that do not import their modules again: who starts one gets a fork of a process that has.

To import is four fifths of a start, and a run starts some hundred of each kind. Where this is in use, what a supervisor
starts of `MODULES`, and `up` itself, is forked by a template of that kind (`tests/child_template.py`). All else is started
as ever: the canary, workers, and what a test starts by a command line of its own, as `./quietline up`.

Rules of this module: the process id is the child's own; kill, stop and exit code are the kernel's. What differs from a
child of who asked: its parent is the template, which kills it when that one's end of the connection closes. No kind has
loaded what only another one needs. A template that is gone fails no start: its owner begins another one, and who was told
of it starts the child's own command.

`python -P -m tests.forked_children VERB…` is `./quietline VERB…` with it.
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

from deploy.stack import supervisor
from deploy.stack.supervisor import ROOT, child_environment
from deploy.stack.synapse_config import MODULE as SYNAPSE

SOCKETS: Final = "QUIETLINE_TEST_TEMPLATES"
"""How `up` is told where each template listens; only this module reads it."""
PYTHON: Final = (sys.executable, "-P", "-m")
WRAPPER: Final = "deploy.stack.child"
ROOM_FOR_TITLE: Final = 2048
HOMESERVER: Final = (SYNAPSE,)
BRIDGE: Final = ("deploy", "bridge")
CARRIER: Final = ("deploy.rehearsal",)
UP: Final = ("deploy", "up")
MODULES: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    HOMESERVER: (SYNAPSE, "quietline_synapse.resource", "deploy.stack.synapse_log"),
    BRIDGE: ("deploy.__main__", "bridge.app.main", "deploy.backup.upgrade"),
    CARRIER: ("deploy.rehearsal.__main__",),
    UP: ("deploy.__main__", "deploy.stack.up"),
}
"""How a child's command begins: the module that runs as `__main__`, and what else makes nearly all that a start imports."""


class Template:
    """The process that forks children of one kind, started with the first order.

    `modules`: what it imports. `path`: where another process has its template. `environment`: of what it forks, for what is
    read when Python begins.
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
        """Where it listens."""
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
                    stdin=subprocess.PIPE,  # it ends with us
                    stdout=subprocess.DEVNULL,  # no terminal, as what a supervisor gives a child
                    pass_fds=[listener.fileno()],
                    start_new_session=True,  # Ctrl-C is for the tests, which end all in order
                )
        return self._path

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs and is ours."""
        return None if self._process is None else self._process.pid

    def end(self) -> None:
        """End it, and all that it forked. It takes its socket away, also when it ends because we do."""
        if self._process is not None and self._path is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            if (place := Path(self._path)).exists():  # it was killed
                place.unlink()
                place.parent.rmdir()
            self._process = self._path = None

    def cpu_seconds(self) -> float:
        """Return what it has used, and those of its children that have ended: they are not children of ours."""
        if self._process is None or self._process.poll() is not None:
            return 0.0
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    async def fork(self, *words: str | None, environment: dict[str, str], directory: Path, umask: int, output: int) -> Fork:
        """Have it fork and run `python -P -m WORDS…`, None being its own process id. Raises `OSError` when it is gone."""
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
            connection.close()
            raise ConnectionResetError
        return Fork(connection, int(told))


class Fork:
    """What is needed of `asyncio.subprocess.Process`. Signals go by the parent, as it alone knows who lives."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection, self.pid = connection, pid
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(connection, self._hear)

    @property
    def returncode(self) -> int | None:
        """The exit code; None until it is told."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Return the exit code."""
        return await asyncio.shield(self._ended)

    def _hear(self) -> None:
        told = b""
        with contextlib.suppress(ConnectionResetError):
            told = self._connection.recv(16)
        self._loop.remove_reader(self._connection)
        self._connection.close()
        self._ended.set_result(int(told or -signal.SIGKILL))  # a template that is gone took its children along

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
    """One of each kind. `told`: where those of another process listen, by the beginnings of the commands, as JSON."""

    def __init__(self, told: str | None = None) -> None:
        paths = {} if told is None else json.loads(told)
        self.of: Final = {
            kind: Template(modules, paths.get(" ".join(kind)), up_environment if kind == UP else child_environment)
            for kind, modules in MODULES.items()
        }

    def tell(self) -> str:
        """Tell another process where they listen; they import nothing before they are asked for a fork."""
        return json.dumps({" ".join(kind): template.path for kind, template in self.of.items()})

    def for_command(self, command: tuple[str, ...]) -> Template | None:
        """Return the one for a child's command: a module and its arguments."""
        return next((template for kind, template in self.of.items() if command[: len(kind)] == kind), None)

    def end(self) -> None:
        """End them, and all that they forked."""
        for template in self.of.values():
            template.end()

    def cpu_seconds(self) -> float:
        """Return what they have used, and those of their children that have ended."""
        return sum(template.cpu_seconds() for template in self.of.values())


def up_environment() -> dict[str, str]:
    """Return what `./quietline up` has."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


TEMPLATES: Final = Templates(os.environ.pop(SOCKETS, None))


def is_used() -> bool:
    """Whether supervisors of this process start a fork."""
    return supervisor.create_process is create_process


def use() -> None:
    """Have the supervisors of this process start a fork where they would start what a template has loaded."""
    if sys.platform == "linux":
        vars(supervisor)["create_process"] = create_process


async def create_process(*command: str, env: dict[str, str], cwd: Path, umask: int, stdout: int, **rest: Any) -> Any:
    """Start what a supervisor starts. What it gives besides is known here, or a fork would be without it."""
    template = TEMPLATES.for_command(command[6:]) if command[:4] == (*PYTHON, WRAPPER) else None
    if template is not None:
        assert rest == {"stdin": asyncio.subprocess.DEVNULL, "stderr": stdout, "start_new_session": True}
        try:
            return await template.fork(
                WRAPPER, None, *command[5:], environment=env, directory=cwd, umask=umask, output=stdout
            )
        except OSError:  # it was killed; a child whose connection it had is dead, or dies
            pass
    return await asyncio.create_subprocess_exec(*command, env=env, cwd=cwd, umask=umask, stdout=stdout, **rest)


async def start_up(*words: str, output: int) -> Fork:
    """Start `up` with these arguments, in place of `./quietline up`."""
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
