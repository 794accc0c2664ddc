"""What a backup may read of the main database, and write into a new one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.backup import backup_rows
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import beside

CELL: Final[dict[str, str | int]] = {"month": "2026-01", "language": "en", "kind": "opened", "number": 3}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BridgeHarness]:
    """Open a line's database; nothing runs."""
    bridge_harness = BridgeHarness(tmp_path)
    await bridge_harness.open()
    yield bridge_harness
    await bridge_harness.close()


async def test_only_named_tables_are_written_and_read(harness: BridgeHarness) -> None:
    """A file that names other tables writes nothing into them; what came in is what goes out."""
    hostile: dict[str, list[dict[str, Any]]] = {"tally": [CELL], "line": [{"name": "restored", "value": "{}"}]}
    await harness.database.commit(lambda transaction: backup_rows.insert(transaction, hostile))
    assert await harness.database.fetchval("SELECT COUNT(*) FROM line WHERE name = 'restored'") == 0
    with beside(harness.directory / "main.db") as connection:
        assert backup_rows.read(connection) == {"suppression": [], "tally": [CELL]}


async def test_a_column_is_an_identifier(harness: BridgeHarness) -> None:
    """A column's name that is a piece of SQL is passed over."""
    hostile: dict[str, list[dict[str, Any]]] = {"tally": [CELL | {"number) VALUES (1); --": 9}]}
    await harness.database.commit(lambda transaction: backup_rows.insert(transaction, hostile))
    assert [dict(row) for row in await harness.database.fetch("SELECT * FROM tally")] == [CELL]
