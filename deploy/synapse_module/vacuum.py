"""Rewrites the homeserver's database so that what was deleted is in no byte of it.

Rule of this module: it is done only when the log beside the database is empty too, and says so only then; one at a time.
It holds the database while it lasts: quiet hours are the caller's to know.

SQLite: `VACUUM`, then `PRAGMA wal_checkpoint(TRUNCATE)`, whose answer tells whether it did anything (facts-matrix.md, "What
a deletion leaves"). PostgreSQL: `VACUUM (FULL)` of everything, because a plain `VACUUM` only gives the space free: measured
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

from deploy.synapse_module.synapse_internals import SynapseInternals

TRIES: Final = 5
RETRY_SECONDS: Final = 0.2
"""Seconds between two tries at the write-ahead log, or two looks at who is still busy."""
FREE_SPACE_FACTOR: Final = 3
"""Times the database's size that must be free: the log takes one copy, and others use the disk too."""
LOCK_TIMEOUT: Final = "2s"
"""How long PostgreSQL's vacuum stands in line for a table."""
LOCK_NOT_AVAILABLE: Final = "55P03"
"""PostgreSQL's code for that."""

# Of the locks everybody may see all; of the sessions of others only which database they are in.
OPEN_TRANSACTIONS: Final = """SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND a.datname = current_database() AND a.pid <> pg_backend_pid()"""


class Vacuum:
    """Vacuums the database."""

    def __init__(self, *, internals: SynapseInternals) -> None:
        self._internals = internals
        self._busy = False

    async def enable_secure_delete(self) -> None:
        """Have SQLite overwrite what is deleted from now on; until the next vacuum that is all that can be had."""
        if self._internals.engine == "sqlite":
            await self._internals.with_connection(_secure_delete)

    async def empty_log(self) -> None:
        """Empty SQLite's write-ahead log if nobody is reading just now; the vacuum insists."""
        if self._internals.engine == "sqlite":
            await self._internals.with_connection(_checkpoint)

    async def run(self) -> dict[str, Any]:
        """Vacuum; returns engine, milliseconds and bytes."""
        if self._busy:
            raise _not_done("QUIETLINE_BUSY")
        self._busy = True
        begun = time.monotonic()
        try:
            work = _vacuum_sqlite if self._internals.engine == "sqlite" else _vacuum_postgres
            size = await self._internals.with_connection(work)
        finally:
            self._busy = False
        if size is None:
            raise _not_done("QUIETLINE_LOG_NOT_EMPTY" if work is _vacuum_sqlite else "QUIETLINE_READERS")
        return {"engine": self._internals.engine, "milliseconds": round((time.monotonic() - begun) * 1000), "bytes": size}


def _vacuum_sqlite(connection: Any) -> int | None:
    # First: a copy that cannot be moved back only makes the log longer by the whole database, at every try.
    if not _empty_log(connection):
        return None
    cursor = connection.cursor()
    cursor.execute("PRAGMA database_list")
    path = cursor.fetchone()[2]
    if shutil.disk_usage(path).free < FREE_SPACE_FACTOR * Path(path).stat().st_size:
        raise _not_done("QUIETLINE_NO_ROOM")
    try:
        cursor.execute("VACUUM")
    finally:
        emptied = _empty_log(connection)
    cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
    return int(cursor.fetchone()[0]) if emptied else None


def _empty_log(connection: Any) -> bool:
    for _ in range(TRIES):
        if _checkpoint(connection):
            return True
        time.sleep(RETRY_SECONDS)
    return False


def _secure_delete(connection: Any) -> None:
    connection.cursor().execute("PRAGMA secure_delete = ON")


def _checkpoint(connection: Any) -> bool:
    cursor = connection.cursor()
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # busy, frames in the log, frames moved.
    busy, frames, _moved = cursor.fetchone()
    return not busy and frames == 0


def _vacuum_postgres(connection: Any) -> int | None:
    cursor = connection.cursor()
    if not _older_transactions_ended(cursor):
        return None
    cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    try:
        cursor.execute("VACUUM (FULL)")
    except Exception as error:
        if getattr(error, "pgcode", None) != LOCK_NOT_AVAILABLE:
            raise
        return None
    finally:
        cursor.execute("RESET lock_timeout")
    cursor.execute("SELECT pg_database_size(current_database())")
    return int(cursor.fetchone()[0])


def _older_transactions_ended(cursor: Any) -> bool:
    """Wait until every transaction that is open now has ended; false when one goes on."""
    older: set[str] | None = None
    for _ in range(TRIES):
        cursor.execute(OPEN_TRANSACTIONS)
        now = {row[0] for row in cursor.fetchall()}
        older = now if older is None else older & now
        if not older:
            return True
        time.sleep(RETRY_SECONDS)
    return False


def _not_done(errcode: str) -> SynapseError:
    return SynapseError(HTTPStatus.SERVICE_UNAVAILABLE, "Not done", errcode)
