"""A forked child equals one that a supervisor starts: the same to the kernel, and an independent process."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.data_dir.layout import CHILDREN
from deploy.stack import supervisor
from deploy.stack.supervisor import child_environment
from tests import forked_children
from tests.deploy.processes import is_running, is_stopped
from tests.e2e.polling import wait_until
from tests.e2e.stack import Stack
from tests.forked_children import BRIDGE, CARRIER, HOMESERVER, MODULES, Fork, Template, Templates

DRAW = """\
import gc, os, random, ssl, sys, uuid
gc.unfreeze()
drawn = [os.getpid(), os.environ["OWN"], uuid.uuid4(), ssl.RAND_bytes(8).hex()]
drawn += [made.random() for made in gc.get_objects() if isinstance(made, random.Random)]
if "bridge.app.main" in sys.modules:
    import apsw, vodozemac
    from cryptography.hazmat.primitives.asymmetric import x25519
    drawn += [x25519.X25519PrivateKey.generate().public_key().public_bytes_raw().hex()]
    drawn += [apsw.Connection(":memory:").execute("SELECT hex(randomblob(8))").get]
    drawn += [vodozemac.Account().curve25519_key.to_base64()]
"""
LOADED = "import sys; names = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
SHOW = "print(*drawn, '|', *sorted(names), flush=True)"
LAST = "import signal; signal.pause()"
KINDS = [pytest.param(modules, id=kind[-1]) for kind, modules in MODULES.items()]


async def shown(stack: Stack) -> dict[str, dict[str, Any]]:
    """Run a line and return the kernel's data of its processes: what they were given, and what they changed."""
    try:
        await stack.start()
        pids = stack.ready.pids
        assert stack.processes().keys() == set(pids.values())
        return {name: kernel_shows(pid) for name, pid in pids.items()}
    finally:
        await stack.end()


def kernel_shows(pid: int) -> dict[str, Any]:
    proc = Path("/proc") / str(pid)
    status = dict(row.split(":", 1) for row in (proc / "status").read_text().splitlines())
    _, *words = (proc / "cmdline").read_text().rstrip("\0").split("\0")
    if words[2] == forked_children.WRAPPER:
        assert words.pop(3) == status["PPid"].strip()
    files = [file.resolve() for file in (proc / "fd").iterdir()]
    return {
        "parent": int(status["PPid"]),
        "words": ["deploy" if word == "tests.forked_children" else word for word in words],
        "directory": (proc / "cwd").readlink(),
        "session and group": os.getsid(pid) == os.getpgid(pid) == pid,
        "standard files": [(proc / "fd" / number).readlink() for number in "012"],
        "flags of the log": (proc / "fdinfo" / "1").read_text().split("flags:")[1].split()[0],
        "no core": resource.prlimit(pid, resource.RLIMIT_CORE),
        "limits": (proc / "limits").read_text(),
        "locks": sorted(file.name for file in files if file.suffix == ".pid" or file.name == "lock"),
        "how memory goes back": re.findall(r"GLIBC_TUNABLES[^\0]*|PYTHONPATH[^\0]*", (proc / "environ").read_text()),
        # Without 32 and 33, the C library's own, which it handles after the first thread: forks need no such thread.
        "handled signals": int(status["SigCgt"], 16) & ~(0b11 << 31),
        **{key: status[key] for key in ("Umask", "SigIgn", "SigBlk", "ShdPnd", "NoNewPrivs", "CapEff", "Uid")},
    }


async def test_the_kernel_sees_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Command line, directory, session, files, mask, limits and signals of forks are as in children of `./quietline up`.

    Both have mask, limits and signals from this process, where other tests may have changed them since its templates began.
    """
    assert forked_children.is_used()
    templates = Templates()
    monkeypatch.setattr(forked_children, "TEMPLATES", templates)
    forks, commands = Stack(tmp_path), Stack(tmp_path, forks=False)
    commands.base = forks.base
    await forks.prepare()
    try:
        forked = await shown(forks)
        parents = {child.pop("parent") for child in forked.values()}
        assert parents == {template.pid for template in templates.of.values()}
    finally:
        templates.end()
    own = await shown(commands)
    ours = [own[name].pop("parent") for name in ("up", *CHILDREN)]
    assert ours[0] == os.getpid()
    assert len(set(ours[1:])) == 1
    differences = [(name, key) for name, child in own.items() for key in child if child[key] != forked[name][key]]
    assert (own.keys(), differences) == (forked.keys(), [])


@pytest.fixture
def template(request: pytest.FixtureRequest) -> Iterator[Template]:
    new_template = Template(getattr(request, "param", MODULES[CARRIER]))
    yield new_template
    new_template.end()


def environment(name: str) -> dict[str, str]:
    return {**child_environment(), "OWN": name}


async def fork(template: Template, folder: Path, name: str) -> tuple[Fork, list[str]]:
    """Fork a child that prints random numbers and its packages, and keeps running; return it and its output."""
    output = (folder / name).open("ab")
    words = ("timeit", "-n1", "-r1", "-s", DRAW + LOADED + SHOW, LAST)
    child = await template.fork(
        *words, environment=environment(name), directory=folder, umask=0o077, output=output.fileno()
    )
    output.close()

    async def told() -> list[str] | None:
        text = (folder / name).read_text()
        return text.split() if text.endswith("\n") else None

    return child, await wait_until("the child told", told)


@pytest.mark.parametrize("template", KINDS, indirect=True)
async def test_each_is_a_process_of_its_own(tmp_path: Path, template: Template) -> None:
    """A child ends by its id while it is stopped, by signals, with its client, and with the template's owner.

    Each has its own process id and draws other random numbers; its exit code has the form of `subprocess`.
    """
    place = Path(template.path).parent
    forks = [await fork(template, tmp_path, name) for name in "abcde"]
    draws = [output[: output.index("|")] for _, output in forks]
    assert [len(set(each)) for each in zip(*draws, strict=True)] == [5] * len(draws[0])
    assert [str(child.pid) for child, _ in forks] == [drawn[0] for drawn in draws]
    killed, terminated, fork_killed, orphan, last = (child for child, _ in forks)
    os.kill(killed.pid, signal.SIGSTOP)
    os.kill(killed.pid, signal.SIGKILL)
    assert await killed.wait() == -signal.SIGKILL
    terminated.terminate()
    assert await terminated.wait() == -signal.SIGTERM
    fork_killed.kill()
    assert await fork_killed.wait() == fork_killed.returncode == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        fork_killed.kill()
    asyncio.get_running_loop().remove_reader(orphan._connection)
    orphan._connection.close()
    await wait_until("it ends with who asked for it", lambda: _gone(orphan.pid))
    template.end()
    assert await last.wait() == -signal.SIGKILL
    assert not is_running(last.pid)
    assert not place.exists()


async def test_all_processes_of_a_run_have_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts after the templates were shared has their sockets, and starts none of its own."""
    templates = Templates()
    monkeypatch.setattr(forked_children, "TEMPLATES", templates)
    monkeypatch.setenv(forked_children.SOCKETS, "")
    try:
        forked_children.share()
        message = os.environ[forked_children.SOCKETS]
        assert [each.path for each in Templates(message).of.values()] == [each.path for each in templates.of.values()]
    finally:
        templates.end()


@pytest.mark.parametrize("template", KINDS, indirect=True)
async def test_none_has_what_another_kind_needs(tmp_path: Path, template: Template) -> None:
    """A fork has only the packages that its own modules import, none of another kind and none of the tests."""
    child, output = await fork(template, tmp_path, "a")
    child.kill()
    await child.wait()
    imports = "".join(f"import {name}\n" for name in template.modules)
    command = (sys.executable, "-P", "-c", imports + DRAW + LOADED + SHOW)
    own = await asyncio.create_subprocess_exec(*command, env=environment("a"), stdout=asyncio.subprocess.PIPE)
    text = (await own.communicate())[0].decode()
    mine, fresh = (set(each[each.index("|") + 1 :]) for each in (output, text.split()))
    assert mine - {"tests"} == fresh - {"tests"}
    assert ("twisted" in mine) == ("synapse" in mine) == (template.modules == MODULES[HOMESERVER])
    assert ("vodozemac" in mine) == (template.modules == MODULES[BRIDGE])


async def test_who_asks_and_is_stopped_holds_nobody_up(tmp_path: Path, template: Template) -> None:
    """A client that has not sent its order delays no other, nor does one that reads neither exit code nor signals."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(template.path)
        deaf, _ = await fork(template, tmp_path, "a")
        os.kill(deaf.pid, signal.SIGSTOP)
        await wait_until("the child stops", lambda: _stopped(deaf.pid))
        for _ in range(20):
            deaf.terminate()
        deaf.kill()
        await wait_until("the child ends", lambda: _gone(deaf.pid))
        other, _ = await fork(template, tmp_path, "b")
        other.terminate()
        assert await other.wait() == -signal.SIGTERM
    assert await deaf.wait() == -signal.SIGKILL


async def test_a_template_that_was_killed_fails_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its children die with it; its owner starts another one, and other processes start the child's own command."""
    templates = Templates()
    copy, template = Templates(templates.tell()), templates.of[CARRIER]
    try:
        before, _ = await fork(template, tmp_path, "a")
        died = template.pid
        assert died is not None
        os.kill(died, signal.SIGKILL)
        assert await before.wait() == -signal.SIGKILL
        await wait_until("its child is gone", lambda: _gone(before.pid))
        with pytest.raises(OSError, match="refused"):
            await fork(copy.of[CARRIER], tmp_path, "b")
        monkeypatch.setattr(forked_children, "TEMPLATES", copy)
        with (tmp_path / "log").open("ab") as log:
            words = (*forked_children.PYTHON, forked_children.WRAPPER, str(os.getpid()), str(tmp_path / "pid"), *CARRIER)
            own = await supervisor.create_process(
                *words,
                env=child_environment(),
                cwd=tmp_path,
                umask=0o077,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log.fileno(),
                stderr=log.fileno(),
                start_new_session=True,
            )
        assert await own.wait() == 2
        assert "--config" in (tmp_path / "log").read_text()
        after, _ = await fork(template, tmp_path, "c")
        place = Path(template.path).parent
        assert template.pid not in (None, died)
        after.kill()
        assert await after.wait() == -signal.SIGKILL
    finally:
        templates.end()
    assert not place.exists()


async def _gone(pid: int) -> bool | None:
    return not is_running(pid) or None


async def _stopped(pid: int) -> bool | None:
    return is_stopped(pid) or None
