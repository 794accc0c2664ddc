"""Every version that was ever stored is brought to today's on PostgreSQL too, whatever cuts a step off."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.storage.errors import Unavailable
from bridge.storage.migrations import Migrations
from bridge.storage.postgres_connection import PostgresConnection, PostgresPlace, connect
from bridge.storage.postgres_transaction import transact
from tests.bridge.storage.stored_versions import SETS, VERSIONS, Contents, by_todays_names
from tests.fakes.database_engine import place_of
from tests.fakes.postgres_server import PostgresServer

SAMPLES = {"text": "'kept'", "bytea": r"'\x00ff'", "boolean": "true"}
"""A value for each type of column, else a number; every text is the same, so that each key finds its row."""
COLUMNS = "SELECT table_name, column_name, data_type, is_nullable, is_identity FROM information_schema.columns"
OURS = "WHERE table_schema = current_schema()"


@contextlib.asynccontextmanager
async def opened(place: PostgresPlace) -> AsyncIterator[PostgresConnection]:
    """Connect, as the one that writes."""
    connection = await connect(place)
    try:
        await connection.run(f'CREATE SCHEMA IF NOT EXISTS "{place.schema}"')
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def place(postgres_server: PostgresServer, tmp_path: Path) -> PostgresPlace:
    return place_of(tmp_path / "main.db", postgres_server.url("postgres"))


async def migrate(connection: PostgresConnection, place: PostgresPlace, migrations: Migrations) -> None:
    """Take every step that is missing."""
    await migrations.run(partial(transact, connection, place.lock("commit")))


async def columns(connection: PostgresConnection) -> dict[str, dict[str, tuple[Any, ...]]]:
    """Return the columns of each table but those that hold a version, those first that others point to."""
    by_table: dict[str, dict[str, tuple[Any, ...]]] = {}
    for row in await connection.fetch(f"{COLUMNS} {OURS} ORDER BY to_regclass(table_name)::oid, ordinal_position"):
        if not row["table_name"].endswith("version"):
            by_table.setdefault(row["table_name"], {})[row["column_name"]] = tuple(row)[2:]
    return by_table


async def shape(connection: PostgresConnection, place: PostgresPlace) -> tuple[Any, ...]:
    """Return tables with their columns, and indexes, without the name of the schema."""
    indexes = await connection.fetch("SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()")
    return await columns(connection), {row["indexdef"].replace(place.schema, "") for row in indexes}


async def rows(connection: PostgresConnection) -> Contents:
    """Return every row of every table but those that hold a version."""
    tables = await columns(connection)
    return {table: [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")] for table in tables}  # noqa: S608


async def fill(connection: PostgresConnection) -> None:
    """Put a row into every table."""
    for table, kinds in (await columns(connection)).items():
        values = {name: SAMPLES.get(kind, "7") for name, (kind, _, identity) in kinds.items() if identity == "NO"}
        await connection.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})")  # noqa: S608


class Cut(PostgresConnection):
    """A connection that ends before its n-th statement reaches the server, as that of a process that is killed then."""

    def __init__(self, connection: PostgresConnection, *, at: int) -> None:
        super().__init__(connection._connection)
        self._left = at

    async def _ask(self, method: Any, *arguments: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self.abort()
            raise Unavailable("killed")
        return await super()._ask(method, *arguments)


@pytest.mark.parametrize(("name", "number"), VERSIONS)
async def test_every_stored_version_is_brought_to_todays(place: PostgresPlace, name: str, number: int) -> None:
    """Cut off before each statement of the next step nothing of it is kept; then all steps, every row is where it was."""
    known, fresh = SETS[name], PostgresPlace(place.url, f"{place.schema}_new")
    async with opened(place) as old, opened(fresh) as new:
        await migrate(old, place, known.up_to(number))
        await fill(old)
        before, at = by_todays_names(await rows(old)), 0
        while number < known.latest:
            at += 1
            async with opened(place) as connection:
                try:
                    await migrate(Cut(connection, at=at), place, known.up_to(number + 1))
                except Unavailable:
                    assert await old.fetchval(f"SELECT version FROM {name}") == number  # noqa: S608 - a name of ours
                else:
                    break
        assert at > 5 or number == known.latest
        await migrate(old, place, known)
        await migrate(new, fresh, known)
        assert await shape(old, place) == await shape(new, fresh)
        after = await rows(old)
        assert before.keys() <= after.keys()
        for table, old_rows in before.items():
            assert [{key: row[key] for key in old_rows[0]} for row in after[table]] == old_rows
