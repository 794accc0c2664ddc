"""The cores of the children: `homeserver.own_core`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
import yaml

from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import write_line_files
from deploy.stack.supervisor import Child, set_cores, usable_cores, with_own_core
from tests.deploy.processes import eventually, read_ready_file, run_up
from tests.free_ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("homeserver", "bridge", "carrier", "canary")
CHILDREN = tuple(Child(name=name, command=(name,)) for name in NAMES)


@pytest.mark.parametrize("usable", [frozenset({0, 1}), frozenset({2, 5, 7}), frozenset(range(16))])
def test_the_homeserver_shares_its_core_with_no_child(usable: frozenset[int]) -> None:
    """It has one of the usable cores, and every other child all the rest."""
    cores = {child.name: child.cores for child in with_own_core(CHILDREN, usable)}
    own = cores.pop("homeserver")
    assert (len(own), own < usable) == (1, True)
    assert set(cores.values()) == {usable - own}


@pytest.mark.parametrize("usable", [frozenset(), frozenset({3})])
def test_one_core_is_for_all(usable: frozenset[int]) -> None:
    """On one core, or where the system does not tell, nothing is set."""
    assert with_own_core(CHILDREN, usable) == CHILDREN


@pytest.mark.parametrize("own_core", [False, True])
def test_children_run_where_the_configuration_says(tmp_path: Path, own_core: bool) -> None:
    """Real processes, and one that died and was started again: on cores of their own with the setting, else on any."""
    base = free_ports()
    layout = Layout(tmp_path)
    write_line_files(layout, Ports(base))
    configuration = yaml.safe_load(layout.config.read_text(encoding="utf-8"))
    configuration["homeserver"]["own_core"] = own_core
    layout.config.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    right = {child.name: child.cores or usable_cores() for child in with_own_core(CHILDREN, usable_cores())}
    if not own_core:
        right = dict.fromkeys(NAMES, usable_cores())

    def cores(name: str) -> frozenset[int]:
        return frozenset(os.sched_getaffinity(read_ready_file(tmp_path)["pids"][name]))

    with run_up(tmp_path, base):
        assert {name: cores(name) for name in NAMES[:3]} == {name: right[name] for name in NAMES[:3]}
        first = read_ready_file(tmp_path)["pids"]["bridge"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: read_ready_file(tmp_path)["pids"]["bridge"] != first)
        eventually(lambda: cores("bridge") == right["bridge"])


def test_a_core_that_is_gone_raises() -> None:
    """The supervisor goes on without it: `OSError` is all that it must expect."""
    with pytest.raises(OSError, match="Invalid argument"):
        set_cores(os.getpid(), frozenset({1023}))
