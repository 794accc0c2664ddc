"""The database of the bridge's tests: SQLite, or the PostgreSQL server named in the environment.

Rules of this module: a test gives the path of a database file and gets a database of either engine;
`python -P -m tests.long postgresql` sets the variable. A file with all tables is made once in a process, and copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from bridge.storage.database import Snapshot
from bridge.storage.migrations import Schema
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.storage.postgres_database import PostgresDatabase
from bridge.storage.sqlite_connection import snapshot
from bridge.storage.sqlite_database import SqliteDatabase
from deploy.data_dir import postgres_snapshot

VARIABLE: Final = "QUIETLINE_TEST_DATABASE"
"""The URL of a PostgreSQL database that only the tests use."""
SQLITE_ONLY: Final = "asks of SQLite what PostgreSQL has not"
"""Why a test with the mark `sqlite_only` is skipped on PostgreSQL."""
AnyDatabase: TypeAlias = SqliteDatabase | PostgresDatabase


def is_postgres() -> bool:
    """Whether the tests run on PostgreSQL."""
    return VARIABLE in os.environ


def place_of(path: Path, url: str | None = None) -> PostgresPlace:
    """Return where PostgreSQL has the database that this file names."""
    name = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:24]
    return PostgresPlace(url or os.environ[VARIABLE], f"t_{name}")


def make_database(path: Path, *, schema: Schema | None = None) -> AnyDatabase:
    """Make the database that this file names, not yet open."""
    if is_postgres():
        return PostgresDatabase(place_of(path), schema=schema)
    return SqliteDatabase(path, schema=schema)


def put_migrated(path: Path, schema: Schema) -> None:
    """Create the database as a first start leaves it, if it is missing."""
    if not is_postgres() and not path.exists():
        path.write_bytes(_made(schema))


@cache
def _made(schema: Schema) -> bytes:
    async def make(path: Path) -> None:
        database = SqliteDatabase(path, schema=schema)
        await database.open()
        await database.close()

    # In a thread, because the caller has a running event loop.
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(max_workers=1) as thread:
        path = Path(directory) / "made.db"
        thread.submit(asyncio.run, make(path)).result()
        return path.read_bytes()


def beside(path: Path) -> contextlib.AbstractContextManager[Snapshot]:
    """Open the database that this file names for reading, as a command beside the bridge does."""
    return postgres_snapshot.snapshot(place_of(path)) if is_postgres() else snapshot(path)


async def make_line_database(name: str, server: str | None = None) -> str:
    """Make an empty database for one line on the server, and return its URL."""
    server = server or os.environ[VARIABLE]
    connection = await connect(PostgresPlace(server, "public"))
    try:
        await connection.run(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    finally:
        await connection.close()
    return f"{server.rpartition('/')[0]}/{name}"
