"""A database of ours as a test looks at it, or changes it, from beside whoever has it open.

Rule of this module: with the bridge's own SQLite, for another in the same process would lose the locks of both.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from bridge.storage.database import Row, Value
from bridge.storage.sqlite_connection import SqliteConnection


def rows(path: Path, query: str, *values: Value) -> list[Row]:
    """Read rows."""
    with contextlib.closing(SqliteConnection(path, read_only=True)) as file:
        return file.fetch(query, *values)


def write(path: Path, statement: str, *values: Value) -> None:
    """Run a statement, in a commit of its own."""
    with contextlib.closing(SqliteConnection(path)) as file:
        file.execute(statement, *values)
