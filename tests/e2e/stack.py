"""The product, started as a person starts it: by `./quietline up`; the tests access only its data directory.

In a run of the tests a line's processes do not import their modules again (`tests/forked_children.py`), unless a test needs
the commands themselves.

Rules of this module: when a `Stack` ends, every process of its data directory is ended, whatever the test did, by its id
and only if it really uses that directory; ports are free ones, never the default. Lines log at DEBUG, and what was planted
on any line (`tests/planted.py`) is in none of these logs, whatever failed meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import write_line_files
from tests import forked_children
from tests.e2e.carrier_api import CarrierApi
from tests.e2e.polling import StepFailed, shorten, wait_until
from tests.e2e.staff_client import Account
from tests.fakes.provisioned_homeserver import put_homeserver
from tests.forked_children import Fork
from tests.free_ports import free_ports
from tests.planted import PLANTED, assert_not_logged

ROOT = Path(__file__).resolve().parent.parent.parent
FIRST_RUN = 240.0
LATER_RUN = 45.0
"""Seconds. On an idle machine 5 minutes and 30 s are promised."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyFile:
    """The content of `ready.json` (design.md, "Contracts with the outside")."""

    homeserver: str
    server_name: str
    bridge: str
    carrier: str | None
    bot: str
    slug: str
    number: str
    voice: str
    desk_room: str
    accounts: tuple[Account, ...]
    pids: dict[str, int]

    @classmethod
    def read(cls, path: Path) -> ReadyFile | None:
        """Read the file; None while there is none."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        line = content["line"]
        return cls(
            **{key: content[key] for key in ("homeserver", "server_name", "bridge", "carrier", "bot")},
            **{key: line[key] for key in ("slug", "number", "voice", "desk_room")},
            accounts=tuple(Account(**{k: a[k] for k in ("user", "mxid", "password", "role")}) for a in content["accounts"]),
            pids={name: int(pid) for name, pid in content["pids"].items() if pid is not None},
        )

    def account(self, role: str, index: int = 0) -> Account:
        """Return the n-th account with this role."""
        return [account for account in self.accounts if account.role == role][index]


class Stack:
    """One data directory and its `up`. `outputs`: what `up` itself printed, one entry per run.

    `forks`: whether `up` and its children may be forks; not if a test tests the commands themselves.
    """

    def __init__(self, directory: Path, *, forks: bool = True) -> None:
        self._forks = forks
        self.data = directory / "data"
        self.outputs = directory / "up.out"
        self.base = free_ports()
        self._up: Process | Fork | None = None
        self._carrier: CarrierApi | None = None

    @property
    def ready_file(self) -> Path:
        """Return the path of `ready.json`."""
        return self.data / "run" / "ready.json"

    @property
    def ready(self) -> ReadyFile:
        """Return the present content of `ready.json`. Raises AssertionError if it is missing."""
        ready = ReadyFile.read(self.ready_file)
        assert ready is not None, "ready.json is missing"
        return ready

    @property
    def carrier(self) -> CarrierApi:
        """Return the carrier's API, which remembers planted texts over restarts."""
        if self._carrier is None:
            assert self.ready.carrier is not None, "a real line has no handsets"
            self._carrier = CarrierApi(self.ready.carrier, self.ready.number)
        return self._carrier

    def command(self, *words: str) -> list[str]:
        """Return a command line of the product for this directory."""
        return [str(ROOT / "quietline"), *words]

    def write_files(self) -> None:
        """Write a rehearsal's files as `up` does before it starts processes: a test can then change the configuration."""
        write_line_files(Layout(self.data), Ports(self.base))

    async def prepare(self) -> None:
        """Write those files, and copy the homeserver that was made once for all lines of this run; log at DEBUG."""
        await put_homeserver(Layout(self.data))
        self.write_files()
        self.configure(log_level="DEBUG")

    async def start(self) -> None:
        """Start `up` and wait until it is ready."""
        first = not all((self.data / path).exists() for path in ("homeserver/provisioned", "bridge/keys.db"))
        words = ("--data", str(self.data), "--port-base", str(self.base))
        with self.outputs.open("ab") as out:
            if self._forks and forked_children.is_used():
                self._up = await forked_children.start_up(*words, output=out.fileno())
            else:
                self._up = await asyncio.create_subprocess_exec(
                    *self.command("up", *words),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    preexec_fn=die_with_us,
                )
        await wait_until("`up` is ready", self._is_ready, within=FIRST_RUN if first else LATER_RUN, seen=self.tail)

    async def _is_ready(self) -> bool | None:
        assert self._up is not None, "not started"
        if self._up.returncode is not None:
            raise StepFailed(f"`up` ended with {self._up.returncode} before it was ready: {await self.tail()}")
        ready = ReadyFile.read(self.ready_file)
        return (ready is not None and ready.pids["up"] in self.processes()) or None

    async def stop(self) -> int | None:
        """Stop `up` by SIGTERM, as an operator does; return the exit code, or None if it was not running."""
        if self._up is None or self._up.returncode is not None:
            return None
        with contextlib.suppress(ProcessLookupError):
            self._up.terminate()
        return await asyncio.wait_for(self._up.wait(), 40)

    async def kill_up(self) -> None:
        """Send SIGKILL only to `up`."""
        assert self._up is not None, "not started"
        self._up.kill()
        await self._up.wait()

    async def kill(self, child: str, *, back: bool = True) -> None:
        """Send SIGKILL to one child by its id; with `back` wait until `ready.json` shows another one."""
        old = self.ready.pids[child]
        try:
            os.kill(old, signal.SIGKILL)
        except ProcessLookupError:
            raise StepFailed(f"{child} had ended by itself before it was killed: {await self.tail()}") from None
        if back:
            await self.back(child, old)

    async def back(self, child: str, old: int) -> None:
        """Wait until a killed child was restarted."""

        async def another() -> bool | None:
            ready = ReadyFile.read(self.ready_file)
            return (ready is not None and ready.pids[child] not in (old, 0)) or None

        await wait_until(f"{child} was started again after kill -9", another, seen=self.tail)

    async def wait_until_well(self) -> None:
        """Wait until `quietline status` says that every part answers."""

        async def bridge_answers() -> bool | None:
            ready = ReadyFile.read(self.ready_file)  # missing while `up` restarts a part
            if ready is None:
                return None
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(f"{ready.bridge}/ready") as answer:
                    return answer.status == 200 or None
            return None

        async def asked() -> bool | None:
            code, _ = await run(self.command("status", "--json", "--data", str(self.data)))
            return code == 0 or None

        # This is the last sign: `status` takes a second of CPU each time, and checks more than this wait needs.
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            await wait_until("the bridge is ready", bridge_answers, within=LATER_RUN, every=0.3, seen=self.tail)
        await wait_until("`quietline status` says all is well", asked, within=LATER_RUN, every=0.3, seen=self.tail)

    async def end(self) -> None:
        """Stop; make sure that no process of this directory runs any more, and that none has logged what was planted."""
        try:
            with contextlib.suppress(TimeoutError):
                await self.stop()
        finally:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self._up is not None:
                await self._up.wait()
        self.assert_nothing_logged()

    def processes(self) -> dict[int, str]:
        """Return the processes that use this data directory: id to command line."""
        processes = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                here = (entry / "cwd").readlink().is_relative_to(self.data)
                if title and (here or str(self.data) in title):
                    processes[int(entry.name)] = title
        return processes

    def configure(self, **settings: Any) -> None:
        """Change top-level keys of the bridge's configuration, for its next start."""
        path = self.data / "config.yaml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump({**config, **settings}, sort_keys=False), encoding="utf-8")

    def secret(self, name: str) -> str:
        """Return one secret of the data directory."""
        return (self.data / "secrets" / name).read_text(encoding="utf-8").strip()

    def logs(self) -> dict[str, str]:
        """Return everything that was logged or printed: file name to text."""
        files = [self.outputs, *sorted((self.data / "logs").rglob("*"))]
        return {file.name: file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()}

    def planted_in_logs(self) -> int:
        """Count what was planted on any line, by place and kind, and is in a log of this one."""
        return PLANTED.find(self.logs()).total()

    def assert_nothing_logged(self) -> None:
        """Check that no text, number, codeword or id of the staff that was planted is in a log of this line."""
        assert_not_logged(self.logs())

    async def tail(self) -> str:
        """Return the ends of all logs, for failure output."""
        lines = []
        for name, text in self.logs().items():
            lines += [f"\n    {name}: {shorten(line, 160)}" for line in text.splitlines()[-6:]]
        return "".join(lines)


async def run(command: list[str], *, within: float = 60.0) -> tuple[int, str]:
    """Run a command to its end; return exit code and output (both streams)."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), within)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode("utf-8", "replace")


async def spawn(module: str, *arguments: str, log: Path, pipes: bool = False, **variables: str) -> Process:
    """Start a module that ends with this process. It writes to `log`; with `pipes` its stdin and stdout are pipes."""
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", module, *arguments),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdin=PIPE if pipes else DEVNULL,
            stdout=PIPE if pipes else out,
            stderr=out,
            preexec_fn=die_with_us,
        )


async def start_module(*command: str, log: Path) -> Process | Fork:
    """Start a module as `spawn` does, or by a fork if a template has loaded it."""
    template = forked_children.TEMPLATES.for_command(command) if forked_children.is_used() else None
    if template is None:
        return await spawn(*command, log=log)
    os.umask(umask := os.umask(0o077))
    with log.open("ab") as out:
        return await template.fork(
            *command,
            environment={**os.environ, "PYTHONPATH": str(ROOT)},
            directory=ROOT,
            umask=umask,
            output=out.fileno(),
        )


def die_with_us() -> None:
    """Make a child end with this process, so that a killed test run leaves no process behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
