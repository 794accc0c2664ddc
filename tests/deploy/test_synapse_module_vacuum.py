"""The vacuum on a real SQLite file that is busy, or was opened by a library that overwrites nothing by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from synapse.module_api.errors import SynapseError

from deploy.synapse_module.vacuum import Vacuum


class OneConnection:
    """Stands for Synapse's pool of one."""

    engine = "sqlite"

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, timeout=0, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA secure_delete = OFF")
        with self.connection:
            self.connection.execute("CREATE TABLE t (words TEXT)")
            self.connection.execute("INSERT INTO t VALUES ('words')")

    async def with_connection(self, work: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(work, self.connection)


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[OneConnection]:
    one = OneConnection(tmp_path / "homeserver.db")
    yield one
    one.connection.close()


def vacuum_of(inside: OneConnection) -> Vacuum:
    return Vacuum(inside=inside)  # type: ignore[arg-type]


async def test_what_is_deleted_is_overwritten(inside: OneConnection) -> None:
    """Whatever SQLite was built with, deleted content is zeroed from then on."""
    assert inside.connection.execute("PRAGMA secure_delete").fetchone() == (0,)
    await vacuum_of(inside).overwrite()
    assert inside.connection.execute("PRAGMA secure_delete").fetchone() == (1,)


async def test_a_log_that_cannot_be_emptied_is_not_called_empty(inside: OneConnection, tmp_path: Path) -> None:
    """While somebody reads (a backup), the vacuum is not done and says so; afterwards it is."""
    reader = sqlite3.connect(tmp_path / "homeserver.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    vacuum = vacuum_of(inside)
    with pytest.raises(SynapseError) as caught:
        await vacuum.run()
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_LOG_NOT_EMPTY")
    reader.close()
    assert (await vacuum.run())["bytes"] == (tmp_path / "homeserver.db").stat().st_size
    assert (tmp_path / "homeserver.db-wal").stat().st_size == 0


async def test_one_at_a_time(inside: OneConnection) -> None:
    """A second call while one is under way is told so at once, and the first is not disturbed."""
    vacuum = vacuum_of(inside)
    first = asyncio.create_task(vacuum.run())
    await asyncio.sleep(0)
    with pytest.raises(SynapseError) as caught:
        await vacuum.run()
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_BUSY")
    assert (await first)["engine"] == "sqlite"
    assert (await vacuum.run())["engine"] == "sqlite"
