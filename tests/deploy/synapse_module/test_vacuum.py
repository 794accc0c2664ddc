"""The vacuum on a real SQLite file that is busy, or was opened by a library that overwrites nothing by itself.

PostgreSQL is not on every machine that runs these tests: what is said to it is looked at here, and what it does with it
was tried by hand (decisions/operations.md, "Vacuum").
"""

from __future__ import annotations

import asyncio
import shutil
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
def internals(tmp_path: Path) -> Iterator[OneConnection]:
    one = OneConnection(tmp_path / "homeserver.db")
    yield one
    one.connection.close()


def vacuum_of(internals: OneConnection) -> Vacuum:
    return Vacuum(internals=internals)  # type: ignore[arg-type]


async def test_what_is_deleted_is_overwritten(internals: OneConnection) -> None:
    """Whatever SQLite was built with, deleted content is zeroed from then on."""
    assert internals.connection.execute("PRAGMA secure_delete").fetchone() == (0,)
    await vacuum_of(internals).enable_secure_delete()
    assert internals.connection.execute("PRAGMA secure_delete").fetchone() == (1,)


async def test_a_log_that_cannot_be_emptied_is_not_called_empty(internals: OneConnection, tmp_path: Path) -> None:
    """While somebody reads (a backup), the vacuum is not done and says so, and copies nothing; afterwards it is."""
    reader = sqlite3.connect(tmp_path / "homeserver.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    with internals.connection:
        internals.connection.execute("INSERT INTO t VALUES ('more')")
    log = (tmp_path / "homeserver.db-wal").stat().st_size
    vacuum = vacuum_of(internals)
    with pytest.raises(SynapseError) as caught:
        await vacuum.run()
    assert (tmp_path / "homeserver.db-wal").stat().st_size == log
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_LOG_NOT_EMPTY")
    reader.close()
    assert (await vacuum.run())["bytes"] == (tmp_path / "homeserver.db").stat().st_size
    assert (tmp_path / "homeserver.db-wal").stat().st_size == 0


async def test_without_room_for_a_copy_it_is_not_begun(
    internals: OneConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk would stop every text."""
    little = shutil.disk_usage(tmp_path)._replace(free=(tmp_path / "homeserver.db").stat().st_size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: little)
    with pytest.raises(SynapseError) as caught:
        await vacuum_of(internals).run()
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_NO_ROOM")
    monkeypatch.undo()
    assert (await vacuum_of(internals).run())["engine"] == "sqlite"


async def test_one_at_a_time(internals: OneConnection) -> None:
    """A second call while one is under way is told so at once, and the first is not disturbed."""
    vacuum = vacuum_of(internals)
    first = asyncio.create_task(vacuum.run())
    await asyncio.sleep(0)
    with pytest.raises(SynapseError) as caught:
        await vacuum.run()
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_BUSY")
    assert (await first)["engine"] == "sqlite"
    assert (await vacuum.run())["engine"] == "sqlite"


class LockNotAvailableError(Exception):
    """As psycopg2 raises it."""

    pgcode = "55P03"


class Elephant:
    """Stands for PostgreSQL. `busy`: the transactions that each look finds; `fault`: how the vacuum ends."""

    engine = "postgres"

    def __init__(self, *busy: set[str], fault: Exception | None = None) -> None:
        self.busy, self.fault, self.said = list(busy), fault, list[str]()

    async def with_connection(self, work: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(work, self)

    def cursor(self) -> Elephant:
        return self

    def execute(self, statement: str) -> None:
        self.said.append(" ".join(statement.split()[:2]))
        if self.said[-1] == "VACUUM (FULL)" and self.fault is not None:
            raise self.fault

    def fetchall(self) -> list[tuple[str]]:
        return [(one,) for one in (self.busy.pop(0) if len(self.busy) > 1 else self.busy[0])]

    def fetchone(self) -> tuple[int]:
        return (4096,)


WHOLE = ["SET lock_timeout", "VACUUM (FULL)", "RESET lock_timeout"]


@pytest.mark.parametrize("busy", [[set()], [{"3/7", "4/1"}, {"4/1", "5/5"}, {"5/5"}]], ids=["alone", "others come and go"])
async def test_postgresql_is_rewritten_once_what_was_open_has_ended(busy: list[set[str]]) -> None:
    """Whoever began after the call sees nothing of what was deleted before it, and is not waited for."""
    elephant = Elephant(*busy)
    told = await Vacuum(internals=elephant).run()  # type: ignore[arg-type]
    assert (told["engine"], told["bytes"]) == ("postgres", 4096)
    assert elephant.said[len(busy) : -1] == WHOLE


async def test_beside_a_dump_postgresql_is_left_alone() -> None:
    """What an older transaction may still see would be copied along, and called gone; nothing is begun."""
    elephant = Elephant({"3/7"})
    with pytest.raises(SynapseError) as caught:
        await Vacuum(internals=elephant).run()  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_READERS")
    assert not set(WHOLE) & set(elephant.said)


async def test_it_does_not_stand_in_line_for_a_table() -> None:
    """A table that somebody holds: not done, said so, and the connection is given back as it was."""
    elephant = Elephant(set(), fault=LockNotAvailableError())
    with pytest.raises(SynapseError) as caught:
        await Vacuum(internals=elephant).run()  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_READERS")
    assert elephant.said[1:] == WHOLE


async def test_another_fault_of_postgresql_is_no_patience() -> None:
    """A full disk is told as what it is, and the connection is given back as it was."""
    elephant = Elephant(set(), fault=RuntimeError("no space"))
    with pytest.raises(RuntimeError):
        await Vacuum(internals=elephant).run()  # type: ignore[arg-type]
    assert elephant.said[1:] == WHOLE
