"""SQLite as the bridge opens it, and what is done with the connection itself between two commits.

Rule of this module: it knows no transaction and no order; who may write when is the store's (`store`).

Why statements run in the event loop: one takes some tens of microseconds, handing it to a thread and back takes several
times that and, under load, a wait for the interpreter's lock each time. What waits for the disk has threads.

Sources: sqlite.org/pragma.html, sqlite.org/wal.html, sqlite.org/lang_vacuum.html.
"""

from __future__ import annotations

import asyncio
import ctypes
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from mautrix.util.async_db import Database
from mautrix.util.async_db.aiosqlite import SQLiteDatabase, TxnConnection

BUSY_TIMEOUT: Final = "PRAGMA busy_timeout = 5000"
SHORT_BUSY_TIMEOUT: Final = "PRAGMA busy_timeout = 100"
"""For what nobody may commit beside, and what is tried again anyway."""

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    BUSY_TIMEOUT,
    "PRAGMA temp_store = MEMORY",
)

_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Gives back what the copy took in memory, which is as much as the file: it came in blocks too small to go by themselves.

Other C libraries than glibc do not have it. Source: malloc_trim(3)."""

FREE_SPACE_FACTOR: Final = 3
"""Times the database's size that must be free before it is written anew: the log takes one, and others use the disk too."""

YIELD_EVERY: Final = 64
"""Statements after which others have a turn."""


class InlineConnection(TxnConnection):
    """mautrix's connection, whose statements run where they are asked for."""

    _statements = 0

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._statements += 1
        if self._statements % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        return fn(*args, **kwargs)


class SqliteDatabase(SQLiteDatabase):
    """mautrix's database, with one connection of ours."""

    async def start(self) -> None:
        """Open it, with our settings."""
        conn = await InlineConnection(self._path, check_same_thread=False)
        for command in self._init_commands:
            await conn.execute(command)
        conn.row_factory = sqlite3.Row
        self._pool.put_nowait(cast("TxnConnection", conn))
        self._conns += 1
        await Database.start(self)


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection beside the writer's, which can only read."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES
    )
    connection.row_factory = sqlite3.Row
    connection.execute(BUSY_TIMEOUT)
    connection.execute("PRAGMA cache_size = -256")  # every commit empties it: a larger one only scatters the heap
    return connection


def truncate_wal(connection: sqlite3.Connection) -> bool:
    """Empty the write-ahead log; False while somebody reads from it."""
    connection.execute(SHORT_BUSY_TIMEOUT)
    try:
        busy, log, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(BUSY_TIMEOUT)
    return bool(busy == 0 and log == 0)


def vacuum(connection: sqlite3.Connection) -> bool:
    """Write the file anew, then empty the log; False while somebody reads from it, or without room for a second copy.

    The log is emptied first, for what nobody can copy back only makes it longer; and afterwards in any case, for a copy
    that broke off may have taken all the room there was. Raises what SQLite raises.
    """
    if not truncate_wal(connection):
        return False
    path = connection.execute("PRAGMA database_list").fetchone()["file"]
    if shutil.disk_usage(path).free < FREE_SPACE_FACTOR * Path(path).stat().st_size:
        return False
    try:
        connection.execute("VACUUM")
    finally:
        emptied = truncate_wal(connection)
        if _malloc_trim is not None:
            _malloc_trim(0)
    return emptied
