"""The cores of the children: `homeserver.own_core`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.stack.supervisor import Child, with_own_core

if TYPE_CHECKING:
    pass

NAMES = ("homeserver", "bridge", "carrier", "canary")
CHILDREN = tuple(Child(name=name, command=(name,)) for name in NAMES)


@pytest.mark.parametrize("usable", [frozenset({0, 1}), frozenset({2, 5, 7}), frozenset(range(16))])
def test_the_homeserver_shares_its_core_with_no_child(usable: frozenset[int]) -> None:
    """It has one of the usable cores, and every other child all the rest."""
    cores = {child.name: child.cores for child in with_own_core(CHILDREN, usable)}
    own = cores.pop("homeserver")
    assert (len(own), own < usable) == (1, True)
    assert set(cores.values()) == {usable - own}
