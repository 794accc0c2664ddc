"""Databases as each version of the program left them: `stored/TABLE-NUMBER.sql`, with a row in every table.

`python -m tests.bridge.storage.stored_versions` writes what is missing; a file that is there is not written again, because
a released step is not edited.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from functools import partial
from pathlib import Path
from typing import Any, Final

from bridge.matrix.schema import IDENTITY, OLM, ROOMS
from bridge.storage import marked_sets
from bridge.storage.migrations import Migrations
from bridge.storage.sqlite_connection import MEMORY, SqliteConnection, transact
from bridge.tables import schema

STORED: Final = Path(__file__).parent / "stored"
SETS: Final = {each.version_table: each for each in (schema.MIGRATIONS, OLM, IDENTITY, ROOMS, marked_sets.MIGRATIONS)}
VERSIONS: Final = [(name, n) for name, each in SETS.items() for n in range(each.base_version + 1, each.latest + 1)]
SAMPLES: Final = {"TEXT": "'kept'", "BLOB": "x'00ff'", "BYTEA": "x'00ff'", "INTEGER": "7", "BIGINT": "7", "BOOLEAN": "1"}
"""A value for each type of column; every text is the same, so that each key finds its row."""

RENAMED: Final = {
    "early_tap": "early_reaction",
    "receipt": "erasure_certificate",
    "matrix_anew": "matrix_unwedging",
    "matrix_heard": "matrix_last_seen",
}
"""Tables that an older version has under another name."""
RENAMED_COLUMNS: Final = {
    "thread": {"held": "legal_hold", "crowded": "in_flood"},
    "erasure": {"patience": "grace"},
    "outbox": {"way": "transport"},
    "dead_letter": {"way": "transport"},
}
"""Columns likewise, by table."""

Contents = dict[str, list[dict[str, Any]]]


def stored_file(name: str, number: int) -> Path:
    """Where a version of a set of tables is kept."""
    return STORED / f"{name}-{number}.sql"


def load(connection: SqliteConnection, name: str, number: int) -> None:
    """Make a database as that version left it."""
    for statement in stored_file(name, number).read_text().split(";\n"):
        if statement.strip():
            connection.execute(statement)


async def migrate(connection: SqliteConnection, migrations: Migrations) -> None:
    """Take every step that is missing."""
    await migrations.run(partial(transact, connection, itertools.count(1)))


def shape(connection: SqliteConnection) -> dict[str, list[tuple[object, ...]]]:
    """Return each table with its columns, and each index with its table."""
    columns_by_name: dict[str, list[tuple[object, ...]]] = {}
    for row in connection.fetch("SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"):
        columns = connection.fetch(f"PRAGMA {row['type']}_info({row['name']})")
        columns_by_name[f"{row['type']} {row['name']}"] = sorted(
            (row["tbl_name"], *(value for key, value in zip(each.keys(), each, strict=True) if key not in {"cid", "seqno"}))
            for each in columns
        )
    return columns_by_name


def contents(connection: SqliteConnection) -> Contents:
    """Return every row of every table but those that hold a version."""
    tables = [row[0] for row in connection.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        table: [dict(zip(row.keys(), row, strict=True)) for row in connection.fetch(f"SELECT * FROM {table}")]  # noqa: S608
        for table in tables
        if not table.endswith("version") and not table.startswith("sqlite_")
    }


def by_todays_names(rows: Contents) -> Contents:
    """Return the rows of an older version under the names that their tables and columns have now."""
    current: Contents = {}
    for table, old in rows.items():
        columns = RENAMED_COLUMNS.get(table, {})
        current[RENAMED.get(table, table)] = [{columns.get(key, key): row[key] for key in row} for row in old]
    return current


async def dump(name: str, number: int) -> str:
    """Write a version as statements of SQL, with a row in every table."""
    with contextlib.closing(SqliteConnection(MEMORY)) as connection:
        await migrate(connection, SETS[name].up_to(number))
        master = connection.fetch("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
        lines = [" ".join(row["sql"].split()) for row in master]
        for table in contents(connection):
            columns = connection.fetch(f"PRAGMA table_info({table})")
            values = ", ".join(SAMPLES.get(column["type"].split()[0].upper(), "7") for column in columns)
            names = ", ".join(column["name"] for column in columns)
            lines.append(f"INSERT INTO {table} ({names}) VALUES ({values})")  # noqa: S608 - names of our own tables
        lines.append(f"INSERT INTO {name} (version) VALUES ({number})")  # noqa: S608 - a name of ours
    return "".join(f"{line};\n" for line in lines)


def main() -> None:
    """Write the versions that are not there yet."""
    STORED.mkdir(exist_ok=True)
    for name, number in VERSIONS:
        if not stored_file(name, number).exists():
            stored_file(name, number).write_text(asyncio.run(dump(name, number)))


if __name__ == "__main__":
    main()
