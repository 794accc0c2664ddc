"""The tie between a child and its parent, and what may be killed at the next start."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack import child
from deploy.stack.supervisor import (
    LOG_MAX_BYTES,
    Child,
    ChildPaths,
    RestartBackoff,
    Supervisor,
    kill_stale_processes,
    rotate_log,
)
from tests.deploy.processes import ROOT, eventually, is_running
from tests.e2e.polling import STEP_TIMEOUT

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def start(directory: Path, parent: int) -> subprocess.Popen[bytes]:
    file = str(directory / "any.pid")
    command = [sys.executable, "-P", "-m", "deploy.stack.child", str(parent), file, "tests.deploy.sleeper"]
    return subprocess.Popen(command, env=ENVIRONMENT, cwd=directory, stderr=subprocess.DEVNULL)


def holds(directory: Path, process: subprocess.Popen[bytes]) -> bool:
    path = directory / "any.pid"
    return path.is_file() and path.read_text().strip() == str(process.pid)


def test_a_stale_child_is_killed(tmp_path: Path) -> None:
    """What still holds a process id file when `up` starts is killed, and nothing is reported as left."""
    with start(tmp_path, os.getpid()) as process:
        eventually(lambda: holds(tmp_path, process))
        # Nobody waits for it but this test: let the zombie go while the lock is watched.
        assert kill_stale_processes([tmp_path / "any.pid", tmp_path / "never.pid"]) == []
        assert process.wait(STEP_TIMEOUT) == -9


def test_a_child_whose_parent_is_gone_does_not_begin(tmp_path: Path) -> None:
    """A child that was started by a person who is dead by now ends before its module runs (the getppid race)."""
    with start(tmp_path, 1) as process:
        assert process.wait(STEP_TIMEOUT) == -9
    assert not (tmp_path / "any.pid").exists()


def test_a_child_leaves_no_core(tmp_path: Path) -> None:
    """Whatever a child crashes of, no core file of it is written, by soft limit and by hard; nor of what it starts."""
    code = (
        "import resource, runpy, sys; from deploy.stack import child;"
        "runpy.run_module = lambda *a, **k: print(*resource.getrlimit(resource.RLIMIT_CORE)); "
        "child.die_with_parent = print;"
        f"child.main(['1', {str(tmp_path / 'any.pid')!r}, 'any'])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 0"


def test_two_copies_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second copy of a child gives up instead of running beside the first."""
    monkeypatch.setattr(child, "LOCK_TIMEOUT_SECONDS", 0.1)
    descriptor = child.lock_pid_file(str(tmp_path / "any.pid"))
    with pytest.raises(TimeoutError):
        child.lock_pid_file(str(tmp_path / "any.pid"))
    os.close(descriptor)
    os.close(child.lock_pid_file(str(tmp_path / "any.pid")))


def test_a_full_log_is_moved_aside_under_its_writer(tmp_path: Path) -> None:
    """A log over its bound becomes `NAME.1`, private, and the writer goes on in the emptied file."""
    log = tmp_path / "any.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, b"x" * LOG_MAX_BYTES)
    rotate_log(log)
    assert (tmp_path / "any.log.1").read_bytes() == b""
    os.write(descriptor, b"y")
    rotate_log(log)
    os.write(descriptor, b"after")
    os.close(descriptor)
    assert log.read_bytes() == b"after"
    older = tmp_path / "any.log.1"
    assert older.stat().st_size == LOG_MAX_BYTES + 1
    assert older.stat().st_mode & 0o777 == 0o600


async def test_what_the_others_can_do_without_is_tried_again_later(tmp_path: Path) -> None:
    """An optional child that refuses ends nobody, and is not started again at once as one that died is."""
    spawned: dict[str, list[int]] = {"any": [], "beside": []}
    supervisor = Supervisor(
        paths=ChildPaths(directory=tmp_path, pid=lambda n: tmp_path / f"{n}.pid", log=lambda n: tmp_path / f"{n}.log"),
        on_child_start=lambda name, pid: spawned[name].append(pid),
        backoff=RestartBackoff(delays=(0.0,), after_refusal=3600.0),
    )

    async def end(name: str, number: signal.Signals) -> None:
        lives = len(spawned[name])
        os.kill(spawned[name][-1], number)
        if number is not signal.SIGKILL:
            await asyncio.to_thread(eventually, lambda: len(spawned[name]) > lives)

    supervisor.start(
        Child(name=name, command=("tests.deploy.sleeper",), refusal=-signal.SIGKILL, optional=True) for name in spawned
    )
    await asyncio.to_thread(eventually, lambda: all(spawned.values()))
    await end("any", signal.SIGTERM)
    await end("any", signal.SIGKILL)
    await asyncio.to_thread(eventually, lambda: supervisor.deaths["any"] == 2)
    for _ in range(3):  # meanwhile it would have been started, too
        await end("beside", signal.SIGTERM)
    assert (len(spawned["any"]), supervisor.deaths["any"], supervisor.refused.done()) == (2, 2, False)
    await supervisor.stop(list(spawned))
    assert not any(is_running(pid) for pids in spawned.values() for pid in pids)
