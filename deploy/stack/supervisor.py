"""Restarts children that die, and stops them in order.

Rules of this module: a child that dies is restarted until the supervisor stops. No child outlives the supervisor, however
it ends (see :mod:`deploy.stack.child`). The supervisor kills a foreign process only if that provably is a child of an
earlier supervisor of the same directory.
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.data_dir.atomic_files import make_private_directory

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Iterable, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
SYNAPSE_MODULE: Final = "deploy/synapse_module"
"""Where `quietline_synapse` lies in the source; installed, it lies beside the other packages."""
MALLOC_TUNABLES: Final = "glibc.malloc.mmap_threshold=1048576:glibc.malloc.hugetlb=1"
"""Blocks of 1 MiB or more go back to the system when they are freed. Without this the 19 MiB of a slow hash stay with each
thread that ever made one. Large pages, where the system has them, keep such a hash at 23 ms in place of 34 (20 when the
block is kept). Other C libraries do not look at it. Source: glibc manual, memory allocation tunables."""
create_process: Final = asyncio.create_subprocess_exec
"""By a name of this module's own, so that tests can start a child from a process that has already imported its module."""
LOG_MAX_BYTES: Final = 4 * 1024 * 1024
LOG_MAX_AGE_SECONDS: Final = 7 * 24 * 3600.0
LOG_CHECK_SECONDS: Final = 30.0
REFUSAL_CHARACTERS: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One child: a module and its arguments (no secret among them), and how it ends.

    `stop_seconds`: how long it may take after SIGTERM before SIGKILL. `refusal`: the exit code with which it says that
    starting it again cannot help. `optional`: the others go on without it, and after a refusal it is tried once a minute.
    """

    name: str
    command: tuple[str, ...]
    stop_seconds: float = 8.0
    refusal: int | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A child ended with its refusal code. `text`: what it wrote since it was started."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartBackoff:
    """How soon a dead child is started again: the n-th death in a row waits `delays[n]` seconds (the last for all more).

    A child that lived for `reset_after` seconds begins again at the first. `refused`: seconds after the refusal of an
    optional one, whose start alone has a core for two seconds.
    """

    delays: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0)
    reset_after: float = 10.0
    refused: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPaths:
    """Where children run and write. `pid` and `log` make a path from a child's name."""

    directory: Path
    pid: Callable[[str], Path]
    log: Callable[[str], Path]


class Supervisor:
    """Runs children in one directory. `child_started(name, pid)` is called as soon as one is started, also again.

    `child_died(name)` is called when one ended that was not told to.

    `refused` is set when a child refuses to run, or fails with what went wrong in here. `deaths` counts by name.
    """

    def __init__(
        self,
        *,
        paths: ChildPaths,
        child_started: Callable[[str, int], None],
        child_died: Callable[[str], None] = lambda _name: None,
        backoff: RestartBackoff | None = None,
    ) -> None:
        self._paths = paths
        self._child_started, self._child_died = child_started, child_died
        self._backoff = backoff or RestartBackoff()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stop_events: dict[str, asyncio.Event] = {}
        self._rotation: asyncio.Task[None] | None = None
        self.refused: asyncio.Future[Refusal] = asyncio.get_running_loop().create_future()
        self.deaths: dict[str, int] = {}

    def start(self, children: Iterable[Child]) -> None:
        """Start children, all at once. Returns at once."""
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
        """End the named children one after another, each gently and then not. One that was never started is fine.

        Raises what ended a child's task if that was a fault of ours; the other children are ended first.
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
        """See to it that a child no longer kept, by a fault of ours, is not passed over in silence."""
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
            self._child_died(child.name)
            refused = code == child.refusal
            if refused and not child.optional and not self.refused.done():
                self.refused.set_result(Refusal(child.name, _log_since(log, offset)))
                return
            if time.monotonic() - started_at >= self._backoff.reset_after:
                deaths = 0
            delay = self._backoff.delays[min(deaths, len(self._backoff.delays) - 1)]
            if refused and child.optional:
                delay = self._backoff.refused
            deaths += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay)

    async def _run_once(self, child: Child, stop: asyncio.Event) -> int | None:
        """One life of a child: its exit code, or None when it was told to stop and has ended."""
        try:
            process = await self._spawn(child)
        except OSError:
            return -1  # no memory or no process to be had now: the same as a child that dies at once
        exit_task = asyncio.ensure_future(process.wait())
        stop_task = asyncio.ensure_future(stop.wait())
        try:
            self._child_started(child.name, process.pid)
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
            # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which then ends all in order.
            return await create_process(
                *wrapper,
                *child.command,
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

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for name in self.deaths:
                rotate_log(self._paths.log(name))


def child_environment() -> dict[str, str]:
    """All that a child is told by environment: where code and packages are, and how memory goes back; no fact of a line."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return {
        **passed,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / SYNAPSE_MODULE))),
        "VIRTUAL_ENV": sys.prefix,
        "GLIBC_TUNABLES": MALLOC_TUNABLES,
    }


def rotate_log(log: Path) -> None:
    """Move a log that is larger than 4 MiB, or was not moved for a week, aside to `NAME.1`.

    Its writer does not notice (it appends). So no line is kept for more than two weeks. On a full disk the older one is
    given up. A log that is not there, or cannot be written, is passed over: it raises nothing.
    """
    older = log.with_name(f"{log.name}.1")
    if _size(log) and not older.exists():
        with contextlib.suppress(OSError):
            older.touch(mode=0o600)  # its time says since when the log has been written
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
    """Kill what an earlier supervisor left running; return the names of files whose holder would not go.

    Only the holder of a file's lock is killed, and only it wrote its id there: an id that the system has given to
    another process since then is never touched. To be called while holding the directory's own lock.
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
    """When a log was last moved; now, when nobody can tell."""
    try:
        return older.stat().st_mtime
    except OSError:
        return time.time()


def _lock_holder(path: Path) -> int | None:
    """Find the process that holds the file; 0 when it has not written its id yet; None when nobody holds it."""
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
