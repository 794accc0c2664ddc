"""Whether a Synapse that tests fork is what a supervisor starts: the same to the kernel, and a process of its own."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from deploy.data_dir.layout import Layout, Ports
from deploy.stack import supervisor
from deploy.stack.provision import provision, run_homeserver
from deploy.stack.supervisor import child_environment
from tests import forked_synapse
from tests.deploy.processes import is_running
from tests.e2e.polling import wait_until
from tests.fakes.provisioned_homeserver import put_homeserver
from tests.forked_synapse import Fork, Template
from tests.free_ports import free_ports

DRAW = (
    "import os, random, ssl, uuid; print(os.getpid(), random.random(), uuid.uuid4(), ssl.RAND_bytes(8).hex(), flush=True)"
)
LAST = "import signal; signal.pause()"


@pytest.fixture
async def line(tmp_path: Path) -> tuple[Layout, Ports]:
    layout, ports = Layout(tmp_path / "line"), Ports(free_ports())
    await put_homeserver(layout)
    await provision(layout, ports)
    return layout, ports


async def shown(line: tuple[Layout, Ports]) -> dict[str, Any]:
    """Run a homeserver and return what the kernel shows of it: what its supervisor gave it, and what it did with it."""
    layout, ports = line
    async with run_homeserver(layout, ports):
        pid = int(layout.pid("homeserver").read_text())
        proc = Path("/proc") / str(pid)
        status = dict(row.split(":", 1) for row in (proc / "status").read_text().splitlines())
        _, *words = (proc / "cmdline").read_text().rstrip("\0").split("\0")
        parent = words.pop(3)
        assert parent == status["PPid"].strip()
        return {
            "words": words,
            "directory": (proc / "cwd").readlink(),
            "session and group": os.getsid(pid) == os.getpgid(pid) == pid,
            "standard files": [(proc / "fd" / number).readlink() for number in "012"],
            "flags of the log": (proc / "fdinfo" / "1").read_text().split("flags:")[1].split()[0],
            "no core": resource.prlimit(pid, resource.RLIMIT_CORE),
            "limits": (proc / "limits").read_text(),
            "holds its id file": layout.pid("homeserver").resolve() in [file.resolve() for file in (proc / "fd").iterdir()],
            **{
                key: status[key] for key in ("Umask", "SigIgn", "SigCgt", "SigBlk", "ShdPnd", "NoNewPrivs", "CapEff", "Uid")
            },
        }


async def test_the_kernel_sees_no_difference(line: tuple[Layout, Ports], monkeypatch: pytest.MonkeyPatch) -> None:
    """Words, directory, session, files, mask, limits and signals of a fork are those of what `up` starts."""
    assert forked_synapse.is_used()
    forked = await shown(line)
    monkeypatch.setattr(supervisor, "create_process", asyncio.create_subprocess_exec)
    assert await shown(line) == forked


async def fork(template: Template, folder: Path, name: str) -> tuple[Fork, list[str]]:
    """Fork a child that draws numbers and stays; return it and what it drew."""
    output = (folder / name).open("ab")
    words = (str(folder / f"{name}.pid"), "timeit", "-n1", "-r1", "-s", DRAW, LAST)
    made = await template.fork(
        *words, environment=child_environment(), directory=folder, umask=0o077, output=output.fileno()
    )
    output.close()

    async def drew() -> list[str] | None:
        return (folder / name).read_text().split() or None

    return made, await wait_until("the child drew", drew)


async def test_each_is_a_process_of_its_own(tmp_path: Path) -> None:
    """Killed by its id while it is stopped, ended by signals, with who asked, and with who has the template.

    Each has another process id and draws other numbers; how it ended is told as `subprocess` tells it.
    """
    template = Template()
    place = Path(template.path).parent
    try:
        forks = [await fork(template, tmp_path, name) for name in "abcde"]
        assert [len(set(each)) for each in zip(*(drawn for _, drawn in forks), strict=True)] == [5] * 4
        assert [str(child.pid) for child, _ in forks] == [drawn[0] for _, drawn in forks]
        killed, terminated, ended, orphan, last = (child for child, _ in forks)
        os.kill(killed.pid, signal.SIGSTOP)
        os.kill(killed.pid, signal.SIGKILL)
        assert await killed.wait() == -signal.SIGKILL
        terminated.terminate()
        assert await terminated.wait() == -signal.SIGTERM
        ended.kill()
        assert await ended.wait() == ended.returncode == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            ended.kill()
        orphan._connection.close()
        await wait_until("it ends with who asked for it", lambda: _gone(orphan.pid))
        assert template.cpu_seconds() > 0
    finally:
        template.end()
    assert await last.wait() == -signal.SIGKILL
    assert not is_running(last.pid)
    assert not place.exists()
    assert template.cpu_seconds() == 0


async def _gone(pid: int) -> bool | None:
    return not is_running(pid) or None
