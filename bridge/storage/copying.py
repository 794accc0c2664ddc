"""Copies all rows of a database from one engine to the other, and checks that both have the same.

Rules of this module: both databases have the same tables. Rows are written in one commit, into empty tables. A number that
never repeats continues where it was, because transaction ids are made of it. A difference afterwards is an error that names
the table and no value, as every error here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.storage.database import Database, Snapshot, Transaction, Value, placeholders
from bridge.storage.postgres_connection import TABLES
from bridge.storage.postgres_database import PostgresDatabase
from bridge.storage.sqlite_database import SqliteDatabase

SQLITE_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
POSTGRES_COLUMNS: Final = """
    SELECT column_name, data_type, is_identity = 'YES' AS never_repeats FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = $1
"""


class CannotCopy(Exception):  # noqa: N818 - it says what is so
    """Something of a table prevents that both databases have the same. `table`: its name."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


class NotTheSame(CannotCopy):
    """The two databases have other rows."""


class OtherTables(CannotCopy):
    """Only one of the databases has this table, or their columns differ: not all of it was made by the migrations."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that both have. `types`: those of the columns on PostgreSQL; `sequence`: its own number."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    sequence: str | None

    @property
    def all_rows(self) -> str:
        return f"SELECT {', '.join(self.columns)} FROM {self.name}"  # noqa: S608 - names of our own tables

    def insert(self, override: str) -> str:
        places = placeholders(len(self.columns))
        return f"INSERT INTO {self.name} ({', '.join(self.columns)}) {override} VALUES ({places})"  # noqa: S608 - as above

    def normal(self, row: Sequence[Any]) -> tuple[Value, ...]:
        """Return a row in the form that both engines share: a boolean as 0 or 1."""
        return tuple(int(value) if isinstance(value, bool) else value for value in row)

    def for_postgres(self, row: Sequence[Value]) -> tuple[Value, ...]:
        """Return a row as PostgreSQL takes it."""
        return tuple(
            bool(value) if kind == "boolean" and value is not None else value
            for value, kind in zip(row, self.types, strict=True)
        )


class Pair:
    """One database of ours on both engines, both open, and no other connection to either."""

    def __init__(self, sqlite: SqliteDatabase, postgres: PostgresDatabase) -> None:
        self.sqlite = sqlite
        self.postgres = postgres

    async def count_rows(self, database: Database) -> int:
        """Return how many rows there are but for the numbers of schemas, which every database of ours has."""
        tables = [table for table in await self._tables() if table.columns != ("version",)]
        return sum([await database.fetchval(f"SELECT COUNT(*) FROM {table.name}") for table in tables])  # noqa: S608 - as above

    async def copy(self, *, to_postgres: bool) -> None:
        """Write all rows of one into the other, in one commit. Raises `DatabaseError`."""
        tables = await self._tables()
        source: Database = self.sqlite if to_postgres else self.postgres
        target: Database = self.postgres if to_postgres else self.sqlite
        override = "OVERRIDING SYSTEM VALUE" if to_postgres else ""

        async def write(transaction: Transaction) -> None:
            for table in reversed(tables):
                await transaction.execute(f"DELETE FROM {table.name}")  # noqa: S608 - as above
            for table in tables:
                statement = table.insert(override if table.sequence is not None else "")
                for row in await source.fetch(table.all_rows):
                    values = table.normal(list(row))
                    await transaction.execute(statement, *(table.for_postgres(values) if to_postgres else values))
                if table.sequence is not None:
                    last = await self._last(table, self.sqlite if to_postgres else self.postgres)
                    await self._set_last(transaction, table, last, to_postgres=to_postgres)

        await target.commit(write)

    async def compare(self) -> int:
        """Return how many rows both have. Raises `NotTheSame`."""
        number = 0
        for table in await self._tables():
            rows, lasts = [], set[int]()
            for database in (self.sqlite, self.postgres):
                rows.append(Counter(table.normal(list(row)) for row in await database.fetch(table.all_rows)))
                lasts.add(await self._last(table, database))
            if rows[0] != rows[1] or len(lasts) != 1:
                raise NotTheSame(table.name)
            number += rows[0].total()
        return number

    async def empty_log(self) -> bool:
        """Have the file hold all of it without its write-ahead log; False while another program reads from that."""
        return await self.sqlite.checkpoint()

    async def _tables(self) -> list[_Table]:
        """Return all tables, each behind those that it refers to. Raises `OtherTables` when one has others."""
        names = [str(row["name"]) for row in await self.sqlite.fetch(SQLITE_TABLES)]
        theirs = {str(row["tablename"]) for row in await self.postgres.fetch(TABLES)}
        if set(names) != theirs:
            raise OtherTables(min(set(names) ^ theirs))
        refers = {
            name: {str(row["table"]) for row in await self.sqlite.fetch(f"PRAGMA foreign_key_list('{name}')")} - {name}
            for name in names
        }
        ordered: list[_Table] = []
        while names:
            done = {table.name for table in ordered}
            name = next(name for name in names if refers[name] <= done)
            names.remove(name)
            ordered.append(await self._table(name))
        return ordered

    async def _table(self, name: str) -> _Table:
        ours = tuple(str(row["name"]) for row in await self.sqlite.fetch(f"PRAGMA table_info('{name}')"))
        theirs = {str(row["column_name"]): row for row in await self.postgres.fetch(POSTGRES_COLUMNS, name)}
        if set(ours) != set(theirs):
            raise OtherTables(name)
        sequence = next((column for column in ours if theirs[column]["never_repeats"]), None)
        return _Table(name, ours, tuple(str(theirs[column]["data_type"]) for column in ours), sequence)

    async def _last(self, table: _Table, database: Database) -> int:
        """Return the last number that a table gave; 0 before the first."""
        if table.sequence is None:
            return 0
        if database is self.sqlite:
            return int(await database.fetchval("SELECT seq FROM sqlite_sequence WHERE name = $1", table.name) or 0)
        sequence = await database.fetchval("SELECT pg_get_serial_sequence($1, $2)", table.name, table.sequence)
        row = await database.fetchrow(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608 - the server's own name
        return int(row["last_value"]) if row is not None and row["is_called"] else 0

    async def _set_last(self, transaction: Transaction, table: _Table, last: int, *, to_postgres: bool) -> None:
        if to_postgres:
            await transaction.fetchval(
                "SELECT setval(pg_get_serial_sequence($1, $2)::regclass, $3, $4)",
                *(table.name, table.sequence, max(last, 1), last > 0),
            )
            return
        await transaction.execute("DELETE FROM sqlite_sequence WHERE name = $1", table.name)
        if last:
            await transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)", table.name, last)


def peek_rows(snapshot: Snapshot, tables: Iterable[str]) -> int:
    """Count the rows of tables of ours, from beside the database."""
    return sum(int(snapshot.fetchval(f"SELECT COUNT(*) FROM {table}")) for table in tables)  # noqa: S608 - as above
