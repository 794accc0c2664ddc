"""The vacuum on a real SQLite file that is busy, or was opened by a library that overwrites nothing by itself.

PostgreSQL is not on every machine that runs these tests: what is said to it is looked at here, and what it does with it
was tried by hand (decisions/operations.md, "Vacuum").
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from synapse.module_api.errors import SynapseError

    from quietline_synapse.vacuum import Vacuum


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


def refused() -> AbstractContextManager[pytest.ExceptionInfo[SynapseError]]:
    from synapse.module_api.errors import SynapseError

    return pytest.raises(SynapseError)


def vacuum_of(internals: OneConnection) -> Vacuum:
    from quietline_synapse.vacuum import Vacuum

    return Vacuum(internals=internals)  # type: ignore[arg-type]


async def test_what_is_deleted_is_overwritten(internals: OneConnection) -> None:
    """Whatever SQLite was built with, deleted content is zeroed from then on."""
    assert internals.connection.execute("PRAGMA secure_delete").fetchone() == (0,)
    await vacuum_of(internals).enable_secure_delete()
    assert internals.connection.execute("PRAGMA secure_delete").fetchone() == (1,)


async def test_a_log_that_cannot_be_emptied_is_not_called_empty(internals: OneConnection, tmp_path: Path) -> None:
    """While a person reads (a backup), the vacuum is not done and says so, and copies nothing; afterwards it is."""
    reader = sqlite3.connect(tmp_path / "homeserver.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    with internals.connection:
        internals.connection.execute("INSERT INTO t VALUES ('more')")
    log = (tmp_path / "homeserver.db-wal").stat().st_size
    vacuum = vacuum_of(internals)
    with refused() as caught:
        await vacuum.run()
    assert (tmp_path / "homeserver.db-wal").stat().st_size == log
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_LOG_NOT_EMPTY")
    reader.close()
    assert (await vacuum.run())["bytes"] == (tmp_path / "homeserver.db").stat().st_size
    assert (tmp_path / "homeserver.db-wal").stat().st_size == 0


FTS4 = "CREATE VIRTUAL TABLE event_search USING fts4 (tokenize=porter, event_id, room_id, sender, key, value)"
"""Synapse's search index on SQLite (its delta 73/10)."""


def _delete_an_indexed_room(connection: sqlite3.Connection) -> None:
    """Index the names of three rooms, as `enable_search` does, and delete the second as a purge does."""
    connection.execute(FTS4)
    for name in ("lunch", "velvet cormorant", "choir"):
        row = (f"$event{name}", f"!room{name}", "content.name", name)
        with connection:
            connection.execute("INSERT INTO event_search (event_id, room_id, key, value) VALUES (?, ?, ?, ?)", row)
    with connection:
        connection.execute("DELETE FROM event_search WHERE value = 'velvet cormorant'")


def _content_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("homeserver.db*"))


@pytest.mark.parametrize("step", ["vacuum", "purge"])
async def test_a_deleted_name_leaves_the_search_index(internals: OneConnection, tmp_path: Path, step: str) -> None:
    """FTS4 only marks the row as deleted: its words stay in the index through a vacuum, unless the index is merged."""
    vacuum = vacuum_of(internals)
    await vacuum.enable_secure_delete()
    await asyncio.to_thread(_delete_an_indexed_room, internals.connection)
    if step == "vacuum":
        await vacuum.run()
    else:
        await vacuum.merge_search_index()
        await vacuum.empty_log()
    content = await asyncio.to_thread(_content_of, tmp_path)
    assert [word for word in (b"velvet", b"cormor", b"elvet", b"ormor") if word in content] == []
    query = "SELECT value FROM event_search WHERE event_search MATCH ?"
    assert internals.connection.execute(query, ("lunch",)).fetchall() == [("lunch",)]
    await vacuum.merge_search_index()  # nothing to merge


async def test_without_room_for_a_copy_it_is_not_begun(
    internals: OneConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk would stop every text."""
    little = shutil.disk_usage(tmp_path)._replace(free=(tmp_path / "homeserver.db").stat().st_size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: little)
    with refused() as caught:
        await vacuum_of(internals).run()
    assert (caught.value.code, caught.value.errcode) == (503, "QUIETLINE_NO_ROOM")
    monkeypatch.undo()
    assert (await vacuum_of(internals).run())["engine"] == "sqlite"


class PostgresError(Exception):
    """As psycopg2 raises it."""

    def __init__(self, pgcode: str) -> None:
        self.pgcode = pgcode


class Elephant:
    """Stands for PostgreSQL with three tables. `busy`: the transactions that each look finds; `faults`: by statement."""

    engine = "postgres"

    def __init__(self, *busy: set[str], faults: dict[str, Exception] | None = None) -> None:
        self.busy, self.faults, self.said = list(busy), faults or {}, list[str]()
        self.sizes = {'"event_json"': 900, '"events"': 5_000, '"od""d"': 10}
        self._answer: Any = None

    async def with_connection(self, work: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(work, self)

    def cursor(self) -> Elephant:
        return self

    def execute(self, statement: str, values: tuple[str, ...] = ()) -> None:
        from quietline_synapse.vacuum import SIZE

        self.said.append(statement)
        self._answer = self.sizes[values[0]] if statement == SIZE else SESSION.get(statement.removeprefix("SHOW "), 4096)
        if statement in self.faults:
            raise self.faults[statement]

    def fetchall(self) -> list[Any]:
        from quietline_synapse.vacuum import TABLES

        if self.said[-1] == TABLES:
            return [("event_json",), ("events",), ('od"d',)]
        return [(one,) for one in (self.busy.pop(0) if len(self.busy) > 1 else self.busy[0])]

    def fetchone(self) -> tuple[Any]:
        return (self._answer,)

    @property
    def vacuumed(self) -> list[str]:
        return [statement for statement in self.said if statement.startswith("VACUUM")]


SESSION = {"lock_timeout": "0", "statement_timeout": "10min"}
PUT_BACK = [f"SET {name} = '{value}'" for name, value in SESSION.items()]
PLAIN = ['VACUUM "event_json"', 'VACUUM "events"', 'VACUUM "od""d"']
SMALL_FULL = ['VACUUM (FULL) "event_json"', 'VACUUM "events"', 'VACUUM (FULL) "od""d"']


def postgres(elephant: Elephant, *, full_bytes: int = 0) -> Vacuum:
    from quietline_synapse.vacuum import Vacuum

    return Vacuum(internals=elephant, full_bytes=full_bytes)  # type: ignore[arg-type]


async def test_an_agencys_postgresql_is_vacuumed_and_nothing_of_it_is_rewritten() -> None:
    """Unless a person says so: its other rooms are not held, a dump is not waited for, and what is left is told."""
    from quietline_synapse.vacuum import PLAIN_TIMEOUT

    elephant = Elephant({"3/7"})
    report = await postgres(elephant).run()
    assert (report["engine"], report["database"], report["bytes"]) == ("postgres", "postgres", 4096)
    assert elephant.vacuumed == PLAIN
    assert elephant.said.count(f"SET statement_timeout = '{PLAIN_TIMEOUT}'") == len(PLAIN)


@pytest.mark.parametrize("busy", [[set()], [{"3/7", "4/1"}, {"4/1", "5/5"}, {"5/5"}]], ids=["alone", "others come and go"])
async def test_small_tables_are_rewritten_where_somebody_says_so(busy: list[set[str]]) -> None:
    """Once what was open has ended, up to a size and each for a while only; the larger ones are vacuumed."""
    from quietline_synapse.vacuum import FULL_TIMEOUT, PLAIN_TIMEOUT

    elephant = Elephant(*busy)
    report = await postgres(elephant, full_bytes=1000).run()
    assert report["database"] == "postgres-full"
    assert elephant.vacuumed == SMALL_FULL
    for statement in SMALL_FULL:
        timeout = FULL_TIMEOUT if "FULL" in statement else PLAIN_TIMEOUT
        assert elephant.said[elephant.said.index(statement) - 1] == f"SET statement_timeout = '{timeout}'"
    assert elephant.said[-3:-1] == PUT_BACK
