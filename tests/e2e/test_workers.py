"""A line on a Synapse with workers: people logged in, texts shown, commands answered, by the files that `init` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.workers import measure
from tests.fakes.postgres_server import running_postgres
from tests.outside_programs import OutsidePrograms

CLIENTS = 5


@pytest.mark.parametrize("router", ["caddy", "nginx"])
async def test_a_line_with_workers(tmp_path: Path, outside_programs: OutsidePrograms, router: str) -> None:
    """Two workers, five clients with long polls: the advocate reads texts and the desk answers meanwhile."""
    with running_postgres(outside_programs) as server:
        if server is None:
            return
        taken = await measure(tmp_path, server, outside_programs, 2, CLIENTS, 4.0, 2.0, router=router)
    if taken is None:
        return
    assert taken.refused == 0
    assert taken.syncs >= CLIENTS
    assert min(len(taken.texts), len(taken.commands), len(taken.sends)) >= 1
