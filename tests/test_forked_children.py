"""A forked child equals one that a supervisor starts: the same to the kernel, and an independent process."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path
from typing import Any

import pytest

from deploy.data_dir.layout import CHILDREN
from tests import forked_children
from tests.e2e.stack import Stack
from tests.forked_children import Templates


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
