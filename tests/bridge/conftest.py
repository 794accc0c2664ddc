"""What most tests of the bridge begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.storage import slow_hash
from tests.fakes.nerves import Nerves
from tests.fakes.paper_rooms import PaperRooms, WayDown
from tests.fakes.sink import Sink


@pytest.fixture
def cheap_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the slow hash be quick, where many are made and their cost is not the question."""
    monkeypatch.setattr(slow_hash, "MEMORY_KIB", 64)
    monkeypatch.setattr(slow_hash, "PASSES", 1)


@pytest.fixture
async def nerves(tmp_path: Path) -> AsyncIterator[Nerves]:
    """Open every part between carrier and homeserver; nothing runs yet."""
    made = Nerves(tmp_path)
    await made.open()
    yield made
    await made.end()


@pytest.fixture
async def sink(nerves: Nerves) -> Sink:
    """Put up the way in from the homeserver, with its rooms."""
    await nerves.engine.load()
    made = Sink(nerves)
    await made.furnish()
    return made


@pytest.fixture
async def way(nerves: Nerves) -> WayDown:
    """Let everything work, and erase over rooms that remember."""
    await nerves.run()
    return WayDown(nerves, PaperRooms())
