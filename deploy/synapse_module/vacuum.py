"""Rewrites the homeserver's database so that what was deleted is in no byte of it.

Rule of this module: it is done only when the log beside the database is empty too, and says so only then; one at a time.
It holds the database while it lasts: quiet hours are the caller's to know.

SQLite: `VACUUM`, then `PRAGMA wal_checkpoint(TRUNCATE)`, whose answer tells whether it did anything (facts-matrix,
sections 4 and 6). PostgreSQL: `VACUUM (FULL)` of everything, because a plain `VACUUM` only gives the space free: measured
on PostgreSQL 15, a purged room's id was still in most tables' files, and its name in two. It holds one table after another
and needs room for a copy of the largest. It is not begun beside a transaction that is older than the call, such as a
dump's: what that one may still see is copied along. Nor does it stand in line for a table, for whoever wants the same table
would stand behind it: with a dump under way no text came in until the dump was done. What its write-ahead log and its
backups keep is beyond us.
"""

from __future__ import annotations

import shutil
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from synapse.module_api.errors import SynapseError

from deploy.synapse_module.inside import Inside

TRIES: Final = 5
PAUSE: Final = 0.2
"""Seconds between two tries at the write-ahead log, or two looks at who is still busy."""
COPIES: Final = 3
"""Times the database's size that must be free: the log takes one copy, and others use the disk too."""
LOCK: Final = "2s"
"""How long PostgreSQL's vacuum stands in line for a table."""
NO_LOCK: Final = "55P03"
"""PostgreSQL's code for that."""

# Of the locks everybody may see all; of the sessions of others only which database they are in.
BUSY: Final = """SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND a.datname = current_database() AND a.pid <> pg_backend_pid()"""


class Vacuum:
    """Vacuums the database."""

    def __init__(self, *, inside: Inside) -> None:
        self._inside = inside
        self._busy = False

    async def overwrite(self) -> None:
        """Have SQLite overwrite what is deleted from now on; until the next vacuum that is all that can be had."""
        if self._inside.engine == "sqlite":
            await self._inside.with_connection(_secure_delete)

    async def empty_log(self) -> None:
        """Empty SQLite's write-ahead log if nobody is reading just now; the vacuum insists."""
        if self._inside.engine == "sqlite":
            await self._inside.with_connection(_checkpoint)

    async def run(self) -> dict[str, Any]:
        """Vacuum; returns engine, milliseconds and bytes."""
        if self._busy:
            raise _unfinished("QUIETLINE_BUSY")
        self._busy = True
        begun = time.monotonic()
        try:
            work = _sqlite if self._inside.engine == "sqlite" else _postgres
            size = await self._inside.with_connection(work)
        finally:
            self._busy = False
        if size is None:
            raise _unfinished("QUIETLINE_LOG_NOT_EMPTY" if work is _sqlite else "QUIETLINE_READERS")
        return {"engine": self._inside.engine, "milliseconds": round((time.monotonic() - begun) * 1000), "bytes": size}


def _sqlite(connection: Any) -> int | None:
    # First: a copy that cannot be moved back only makes the log longer by the whole database, at every try.
    if not _emptied(connection):
        return None
    cursor = connection.cursor()
    cursor.execute("PRAGMA database_list")
    path = cursor.fetchone()[2]
    if shutil.disk_usage(path).free < COPIES * Path(path).stat().st_size:
        raise _unfinished("QUIETLINE_NO_ROOM")
    try:
        cursor.execute("VACUUM")
    finally:
        emptied = _emptied(connection)
    cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
    return int(cursor.fetchone()[0]) if emptied else None


def _emptied(connection: Any) -> bool:
    for _ in range(TRIES):
        if _checkpoint(connection):
            return True
        time.sleep(PAUSE)
    return False


def _secure_delete(connection: Any) -> None:
    connection.cursor().execute("PRAGMA secure_delete = ON")


def _checkpoint(connection: Any) -> bool:
    cursor = connection.cursor()
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # busy, frames in the log, frames moved.
    busy, frames, _moved = cursor.fetchone()
    return not busy and frames == 0


def _postgres(connection: Any) -> int | None:
    cursor = connection.cursor()
    if not _alone(cursor):
        return None
    cursor.execute(f"SET lock_timeout = '{LOCK}'")
    try:
        cursor.execute("VACUUM (FULL)")
    except Exception as error:
        if getattr(error, "pgcode", None) != NO_LOCK:
            raise
        return None
    finally:
        cursor.execute("RESET lock_timeout")
    cursor.execute("SELECT pg_database_size(current_database())")
    return int(cursor.fetchone()[0])


def _alone(cursor: Any) -> bool:
    """Wait until every transaction that is open now has ended; false when one goes on."""
    older: set[str] | None = None
    for _ in range(TRIES):
        cursor.execute(BUSY)
        now = {row[0] for row in cursor.fetchall()}
        older = now if older is None else older & now
        if not older:
            return True
        time.sleep(PAUSE)
    return False


def _unfinished(errcode: str) -> SynapseError:
    return SynapseError(HTTPStatus.SERVICE_UNAVAILABLE, "Not done", errcode)
