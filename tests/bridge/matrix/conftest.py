"""A rig on the small homeserver: stores, vault and identities are real, what the homeserver says is scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.bridge.matrix.rig import Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver


@pytest.fixture
async def server() -> AsyncIterator[ScriptedHomeserver]:
    small = ScriptedHomeserver()
    await small.start()
    yield small
    await small.stop()


@pytest.fixture
async def new_rig(server: ScriptedHomeserver, tmp_path: Path) -> AsyncIterator[Callable[[str], Rig]]:
    """Make rigs, by the name of a directory; all are stopped, because an open database keeps a process from ending."""
    rigs: list[Rig] = []

    def make(name: str) -> Rig:
        directory = tmp_path / name
        directory.mkdir()
        rigs.append(Rig(directory=directory, url=server.url, token="t"))
        return rigs[-1]

    yield make
    for each in rigs:
        await each.stop()


@pytest.fixture
async def rig(new_rig: Callable[[str], Rig]) -> Rig:
    """Open a rig that does nothing by itself: the test takes each turn."""
    first_rig = new_rig("first")
    await first_rig.start(run=False)
    return first_rig
