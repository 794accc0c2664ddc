"""What most tests of the bridge begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bridge.storage import slow_hash
from tests.fakes import cheap_hash
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import SQLITE_ONLY, VARIABLE, is_postgres
from tests.fakes.erasure_harness import ErasureHarness, FakeRooms
from tests.fakes.ingest_harness import IngestHarness
from tests.fakes.log_watch import watched
from tests.fakes.postgres_server import REPLICATING, PostgresServer, bridge_server, running_postgres
from tests.outside_programs import OutsidePrograms


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, on PostgreSQL, what is asked of SQLite alone."""
    if is_postgres():
        for item in items:
            if item.get_closest_marker("sqlite_only") is not None:
                item.add_marker(pytest.mark.skip(reason=SQLITE_ONLY))


@pytest.fixture(autouse=True)
def nothing_planted_is_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check after every test that nothing it gave to the bridge is in a log record, or in the text of an exception there.

    The processes of the crash tests have logs of their own, which are searched at the end of their line.
    """
    if "crash" in request.path.parent.name:
        yield
        return
    with watched(errors=request.node.get_closest_marker("raises_words") is None):
        yield


@pytest.fixture
def real_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the slow hash cost what it costs in the product."""
    for name, cost in cheap_hash.REAL.items():
        monkeypatch.setattr(slow_hash, name, cost)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BridgeHarness]:
    """Open every part between carrier and homeserver; nothing runs yet."""
    bridge_harness = BridgeHarness(tmp_path)
    await bridge_harness.open()
    yield bridge_harness
    await bridge_harness.close()


@pytest.fixture
async def ingest(harness: BridgeHarness) -> IngestHarness:
    """Put up the way in from the homeserver, with its rooms."""
    await harness.engine.load()
    ingest_harness = IngestHarness(harness)
    await ingest_harness.create_rooms()
    return ingest_harness


@pytest.fixture
async def erasure(harness: BridgeHarness) -> ErasureHarness:
    """Let everything work, and erase over rooms that remember."""
    await harness.run()
    return ErasureHarness(harness, FakeRooms())


@pytest.fixture
def server(outside_programs: OutsidePrograms, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    """Start a server that a test may break, of which a replica can be made, and have databases be made on it."""
    with running_postgres(outside_programs) as base_server:
        own_server = bridge_server(base_server)
        own_server.stop()
        own_server.start(*REPLICATING)
        monkeypatch.setenv(VARIABLE, own_server.url("postgres"))
        yield own_server
