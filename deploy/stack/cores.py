"""The cores on which the processes of a line run.

Rule of this module: with `homeserver.own_core` the homeserver has one core of those that `up` may use, and all other
children have the rest. On one core, or where the system cannot do this (only Linux can), nothing is set.

Why: Synapse is the limit of a line's texts a second, in one thread of Python beside threads of its database. Moved from
core to core beside the bridge, it does a fifth less (capacity.md, "Cores").
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.stack.supervisor import Child


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
