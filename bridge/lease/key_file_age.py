"""Looks at `keys.db` before this process leads: its epoch, and whether it has a key.

Rule of this module: nothing in the file is changed except that an interrupted transaction is rolled back, and only by the
process that is about to lead. A read-only connection cannot do that; it is done as in `KeyFile`, so that the journal keeps
its blocks and is overwritten there. SQLite rolls a journal back only when no process is writing it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from bridge.storage.errors import DatabaseError, Unavailable
from bridge.storage.key_file import ANY_KEY, PRAGMAS, READ_EPOCH
from bridge.storage.sqlite_connection import SqliteConnection

T = TypeVar("T")

BUSY_MS: Final = 500
"""Milliseconds for which a look waits for a writer: the process is blocked meanwhile, and looks again."""


class KeyFileUnreadable(DatabaseError):  # noqa: N818 - it says what is so
    """The file cannot be read, for a local reason, not the server's. `why`: the error."""

    def __init__(self, why: DatabaseError) -> None:
        super().__init__(why.code)
        self.why = why


def peek_epoch(path: Path, *, recovers: bool = True) -> int:
    """Return the epoch under which the file was opened last; 0 without one. Raises `DatabaseError`, soon `Busy`.

    Without `recovers` it raises `Unavailable` after a crash.
    """
    return _query(path, _epoch_of, recovers=recovers) if path.exists() else 0


def _epoch_of(file: SqliteConnection) -> int:
    return int(file.fetchval(READ_EPOCH) or 0) if "epoch" in file.tables() else 0


def peek_keys(path: Path) -> bool:
    """Whether a key is kept in this file. Raises `DatabaseError`, also for a file of another kind."""
    return _query(path, lambda file: file.fetchval(ANY_KEY) is not None)


def _query(path: Path, question: Callable[[SqliteConnection], T], *, recovers: bool = True) -> T:
    try:
        with contextlib.closing(SqliteConnection(path, read_only=True, busy_ms=BUSY_MS)) as connection:
            return question(connection)
    except Unavailable as error:
        if error.code != "SQLITE_READONLY_ROLLBACK" or not recovers:
            raise
    with contextlib.closing(SqliteConnection(path, busy_ms=BUSY_MS)) as connection:
        for setting in PRAGMAS:
            connection.execute(setting)
        return question(connection)
