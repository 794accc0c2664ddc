"""Reads and writes by a test on a database of ours that another process or connection has open.

Rule of this module: it uses the bridge's own SQLite, because a second SQLite library in the same process would lose the
locks of both.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from bridge.storage.database import Row, Value
from bridge.storage.sqlite_connection import SqliteConnection, snapshot


def rows(path: Path, query: str, *values: Value) -> list[Row]:
    """Read rows."""
    with contextlib.closing(SqliteConnection(path, read_only=True)) as file:
        return file.fetch(query, *values)


def columns_with(path: Path, words: str) -> list[str]:
    """Return the columns, as `table.column`, with a value that contains these words; freed bytes do not count."""
    query = """SELECT m.name AS "table", p.name AS "column" FROM sqlite_master m JOIN pragma_table_info(m.name) p
        WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%'"""
    with snapshot(path) as file:  # a homeserver that starts drops tables that it made for a migration
        return [
            f"{table}.{column}"
            for table, column in map(tuple, file.fetch(query))
            if file.fetch(f'SELECT 1 FROM "{table}" WHERE INSTR("{column}", $1) LIMIT 1', words)  # noqa: S608 - its own names
        ]


def write(path: Path, statement: str, *values: Value) -> None:
    """Run a statement in its own commit."""
    with contextlib.closing(SqliteConnection(path)) as file:
        file.execute(statement, *values)
