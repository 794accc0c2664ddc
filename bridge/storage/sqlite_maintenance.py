"""What the writing connection does between two commits: copies its log back, empties it, writes the whole file anew.

Rules of this module: every function may wait for the disk, so it runs in a thread; nobody commits meanwhile; it knows no
transaction and no order, which are `sqlite_database`'s.

Sources: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_wal_checkpoint, sqlite.org/lang_vacuum.html.
"""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from bridge.storage.sqlite_connection import SqliteConnection

Maintenance: TypeAlias = Callable[[SqliteConnection], bool]
"""What is done with the writing connection between two commits, in a thread."""

SHORT_BUSY_MS: Final = 100
"""For what nobody may commit beside, and what is tried again anyway."""
FREE_SPACE_FACTOR: Final = 3
"""Times the database's size that must be free before it is rewritten: the log takes one, and others use the disk too."""

_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Gives back what a rewrite took in memory, which is as much as the file: it came in blocks too small to go by themselves.

Other C libraries than glibc do not have it. Source: malloc_trim(3)."""


def checkpoint(writer: SqliteConnection) -> bool:
    """Copy the log back into the tables as far as readers let it, and begin it again; True. Raises `DatabaseError`.

    The first write after it syncs the log's new header inside its COMMIT: so that is done here, and not in the event loop.
    """
    writer.fetch("PRAGMA wal_checkpoint(PASSIVE)")
    writer.execute("PRAGMA user_version = 0")
    return True


def truncate_wal(writer: SqliteConnection) -> bool:
    """Empty the write-ahead log; False while somebody reads from it."""
    writer.set_busy_timeout(SHORT_BUSY_MS)
    try:
        row = writer.fetchrow("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        writer.set_busy_timeout(0)
    return row is not None and row["busy"] == 0 and row["log"] == 0


def vacuum(writer: SqliteConnection, path: Path) -> bool:
    """Write the file anew, then empty the log; False while somebody reads from it, or without room for a second copy.

    The log is emptied first, for what nobody can copy back only makes it longer; and afterwards in any case, for a copy
    that broke off may have taken all the room there was. Raises `DatabaseError`.
    """
    if not truncate_wal(writer):
        return False
    if shutil.disk_usage(path).free < FREE_SPACE_FACTOR * path.stat().st_size:
        return False
    try:
        writer.execute("VACUUM")
    finally:
        emptied = truncate_wal(writer)
        if _malloc_trim is not None:
            _malloc_trim(0)
    return emptied
