"""Restarts children that die, and stops them in order.

Rules of this module: a child that dies is restarted until the supervisor stops. No child outlives the supervisor, however
it ends (see :mod:`deploy.stack.child`). The supervisor kills a foreign process only if that provably is a child of an
earlier supervisor of the same directory.

With `homeserver.own_core` the homeserver has one core of those that `up` may use, and all other children have the rest. On
one core, or where the system cannot do this (only Linux can), nothing is set. Why: Synapse is the limit of a line's texts a
second, in one thread of Python beside threads of its database. Moved from core to core beside the bridge, it does a fifth
less (capacity.md, "Cores").
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.runtime.program import ROOT
from deploy.data_dir.atomic_files import make_private_directory

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Iterable, Sequence


SYNAPSE_MODULE: Final = "deploy/synapse_module"
"""The folder of `quietline_synapse` in the source; when installed, it is beside the other packages."""
MALLOC_TUNABLES: Final = "glibc.malloc.mmap_threshold=1048576:glibc.malloc.hugetlb=1"
"""Freed blocks of 1 MiB or more are returned to the system. Otherwise each thread that ever computed a slow hash keeps its
19 MiB. With large pages, if the system has them, such a hash takes 23 ms instead of 34 (20 when the block is kept). Other
C libraries ignore the setting. Source: glibc manual, memory allocation tunables."""
create_process: Final = asyncio.create_subprocess_exec
"""A separate name, so that tests can start a child from a process that has already imported the module."""
LOG_MAX_BYTES: Final = 4 * 1024 * 1024
LOG_MAX_AGE_SECONDS: Final = 7 * 24 * 3600.0
LOG_CHECK_SECONDS: Final = 30.0
REFUSAL_CHARACTERS: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One child: a module and its arguments (no secret among them), and how it ends.

    `until_ready`: arguments of its starts before all were ready once. `cores`: numbers of those on which it runs; none:
    on any. `stop_seconds`: how long it may take after SIGTERM
    before SIGKILL. `refusal`: the exit code that says that a restart cannot help. `optional`: the
    others run without it, and after a refusal it is restarted once a minute.
    """

    name: str
    command: tuple[str, ...]
    until_ready: tuple[str, ...] = ()
    cores: frozenset[int] = frozenset()
    stop_seconds: float = 8.0
    refusal: int | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A child ended with its refusal code. `text`: its output since its start."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartBackoff:
    """How soon a dead child is restarted: after the n-th death in a row, `delays[n]` seconds later (the last for all more).

    After a child has lived for `reset_after` seconds, the count starts over. `after_refusal`: seconds after the refusal of
    an optional child, whose start alone occupies a core for two seconds.
    """

    delays: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0)
    reset_after: float = 10.0
    after_refusal: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPaths:
    """Directory and files of children. `pid` and `log` return a path for a child's name."""

    directory: Path
    pid: Callable[[str], Path]
    log: Callable[[str], Path]


class Supervisor:
    """Runs children in one directory. `on_child_start(name, pid)` is called after each start and restart.

    `on_child_death(name)` is called when a child ended that was not being stopped.

    `refused` gets a result when a child refuses to run, or the exception of a fault of ours. `deaths` counts by name.
    `were_ready`: its owner sets it when all children were ready once.
    """

    def __init__(
        self,
        *,
        paths: ChildPaths,
        on_child_start: Callable[[str, int], None],
        on_child_death: Callable[[str], None] = lambda _name: None,
        backoff: RestartBackoff | None = None,
    ) -> None:
        self._paths = paths
        self._on_child_start, self._on_child_death = on_child_start, on_child_death
        self._backoff = backoff or RestartBackoff()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stop_events: dict[str, asyncio.Event] = {}
        self._rotation: asyncio.Task[None] | None = None
        self.refused: asyncio.Future[Refusal] = asyncio.get_running_loop().create_future()
        self.deaths: dict[str, int] = {}
        self.were_ready = False

    def start(self, children: Iterable[Child]) -> None:
        """Start all children at the same time. Returns at once."""
        for child in children:
            make_private_directory(self._paths.pid(child.name).parent)
            make_private_directory(self._paths.log(child.name).parent)
            self._stop_events[child.name] = asyncio.Event()
            self.deaths[child.name] = 0
            task = asyncio.create_task(self._run_child(child, self._stop_events[child.name]))
            task.add_done_callback(self._task_ended)
            self._tasks[child.name] = task
        if self._rotation is None:
            self._rotation = asyncio.create_task(self._rotate())

    async def stop(self, order: Sequence[str]) -> None:
        """Stop the named children one after another, with SIGTERM and then SIGKILL; ignore one that was never started.

        Raises the exception that ended a child's task, a fault of ours, after the other children were stopped.
        """
        faults: list[BaseException] = []
        for name in order:
            if name in self._tasks:
                self._stop_events[name].set()
                faults += [e for e in await asyncio.gather(self._tasks.pop(name), return_exceptions=True) if e is not None]
        if not self._tasks and self._rotation is not None:
            self._rotation.cancel()
            await asyncio.gather(self._rotation, return_exceptions=True)
            self._rotation = None
        if faults:
            raise faults[0]

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """Report when a fault of ours ended the task that restarts a child."""
        if not task.cancelled() and (fault := task.exception()) is not None and not self.refused.done():
            self.refused.set_exception(fault)

    async def _run_child(self, child: Child, stop: asyncio.Event) -> None:
        deaths = 0
        while not stop.is_set():
            log = self._paths.log(child.name)
            rotate_log(log)
            started_at, offset = time.monotonic(), _size(log)
            code = await self._run_once(child, stop)
            if code is None:
                return
            self.deaths[child.name] += 1
            self._on_child_death(child.name)
            refused = code == child.refusal
            if refused and not child.optional and not self.refused.done():
                self.refused.set_result(Refusal(child.name, _log_since(log, offset)))
                return
            if time.monotonic() - started_at >= self._backoff.reset_after:
                deaths = 0
            delay = self._backoff.delays[min(deaths, len(self._backoff.delays) - 1)]
            if refused and child.optional:
                delay = self._backoff.after_refusal
            deaths += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay)

    async def _run_once(self, child: Child, stop: asyncio.Event) -> int | None:
        """Run a child once; return its exit code, or None when it was stopped."""
        try:
            process = await self._spawn(child)
        except OSError:
            return -1  # no memory or process available: the same as a child that dies at once
        exit_task = asyncio.ensure_future(process.wait())
        stop_task = asyncio.ensure_future(stop.wait())
        try:
            self._on_child_start(child.name, process.pid)
            await asyncio.wait((exit_task, stop_task), return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                return exit_task.result()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            done, _ = await asyncio.wait((exit_task,), timeout=child.stop_seconds)
            if not done:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await exit_task
            return None
        finally:
            stop_task.cancel()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    async def _spawn(self, child: Child) -> Process:
        log = os.open(self._paths.log(child.name), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        wrapper = (sys.executable, "-P", "-m", "deploy.stack.child", str(os.getpid()), str(self._paths.pid(child.name)))
        try:
            # A session of its own: Ctrl-C in the terminal reaches only the supervisor, which then stops all in order.
            process = await create_process(
                *wrapper,
                *child.command,
                *(() if self.were_ready else child.until_ready),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment(),
                cwd=self._paths.directory,
                start_new_session=True,
                umask=0o077,
            )
        finally:
            os.close(log)
        if child.cores:
            with contextlib.suppress(OSError):  # it ended, or a core was taken away: then it runs on any
                set_cores(process.pid, child.cores)
        return process

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for name in self.deaths:
                rotate_log(self._paths.log(name))


def child_environment() -> dict[str, str]:
    """Return a child's whole environment: paths of code and packages, and the memory setting; nothing about a line."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return {
        **passed,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / SYNAPSE_MODULE))),
        "VIRTUAL_ENV": sys.prefix,
        "GLIBC_TUNABLES": MALLOC_TUNABLES,
    }


def rotate_log(log: Path) -> None:
    """Copy a log that is larger than 4 MiB, or was not rotated for a week, to `NAME.1` and empty it.

    Its writer is not affected (it appends). So no entry is kept for more than two weeks. On a full disk the older file is
    given up. A log that does not exist, or cannot be written, is skipped without an error.
    """
    older = log.with_name(f"{log.name}.1")
    if _size(log) and not older.exists():
        with contextlib.suppress(OSError):
            older.touch(mode=0o600)  # its time is the beginning of the present log
    if _size(log) <= LOG_MAX_BYTES and time.time() - _last_rotation(older) < LOG_MAX_AGE_SECONDS:
        return
    with contextlib.suppress(OSError):
        older.unlink(missing_ok=True)
        try:
            older.touch(mode=0o600)
            shutil.copyfile(log, older)
        except OSError:
            older.unlink(missing_ok=True)
        os.truncate(log, 0)


def kill_stale_processes(pid_files: Iterable[Path], *, timeout: float = 10.0) -> list[str]:
    """Kill processes that an earlier supervisor left; return the names of files whose holder did not end.

    Only the holder of a file's lock is killed, and only the holder writes its id there: so a process to which the system
    gave the same id later is never killed. The caller must hold the directory's own lock.
    """
    names = []
    for path in pid_files:
        deadline = time.monotonic() + timeout
        while (holder := _lock_holder(path)) is not None:
            if time.monotonic() > deadline:
                names.append(path.name)
                break
            if holder > 1:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(holder, signal.SIGKILL)
            time.sleep(0.02)
    return names


def _last_rotation(older: Path) -> float:
    """Return when a log was last rotated; the present time when that is unknown."""
    try:
        return older.stat().st_mtime
    except OSError:
        return time.time()


def _lock_holder(path: Path) -> int | None:
    """Return the id of the process that holds the file; 0 when it has not written its id yet; None without a holder."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(descriptor)
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _log_since(log: Path, offset: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(min(offset, _size(log)))
            return file.read(REFUSAL_CHARACTERS).decode("utf-8", "replace").strip()
    except OSError:
        return "(its log cannot be read)"


def usable_cores() -> frozenset[int]:
    """Return the numbers of the cores on which this process may run; none where the system does not tell."""
    return frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else frozenset()


def set_cores(pid: int, cores: frozenset[int]) -> None:
    """Let a process, and the threads that it begins later, run on these cores only. Raises `OSError`."""
    if sys.platform == "linux":
        os.sched_setaffinity(pid, cores)


def with_own_core(children: Iterable[Child], usable: frozenset[int]) -> tuple[Child, ...]:
    """Give the child `homeserver` the last of the usable cores (the first serve most interrupts), the others the rest."""
    if len(usable) < 2:
        return tuple(children)
    own = frozenset({max(usable)})
    return tuple(replace(child, cores=own if child.name == "homeserver" else usable - own) for child in children)
