"""Vacuums the homeserver's database, so that as few bytes of deleted data as possible are left in it.

Rule of this module: on SQLite it succeeds only when the log beside the database is empty too; one run at a time. The caller
knows the quiet hours.

SQLite, which belongs to the line alone: `VACUUM`, then `PRAGMA wal_checkpoint(TRUNCATE)`, whose answer says whether it did
anything (facts-matrix.md, "What a deletion leaves"). It locks the database meanwhile and needs space for a copy beside it.
Synapse's search index, if it has rows (`enable_search`), is merged first: a deletion there only appends a mark, and no
`VACUUM` removes the terms that it hides.

PostgreSQL, which an agency shares with its other rooms: a plain `VACUUM` of the tables that can hold rows of ours. It
blocks nobody, and only frees space: pages keep ciphertext until they are overwritten (measured on PostgreSQL 15: a purged
room's id was still in most tables' files). With `full_vacuum_bytes`, tables up to that size are rewritten (`VACUUM
(FULL)`), one after another, each with a time-out. A rewrite does not begin while a transaction is older than the call, such
as a dump's: rows visible to that transaction would be copied too. No statement queues for a table, because every later
statement on that table would wait behind it: during a dump no text came in until the dump was done. The write-ahead log and
backups cannot be cleaned from here in either case.
"""

from __future__ import annotations

import shutil
import time
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from synapse.module_api.errors import SynapseError

from quietline_synapse.schema import SQLITE_HAS, UNDEFINED_TABLE
from quietline_synapse.synapse_internals import SynapseInternals

TRIES: Final = 5
RETRY_SECONDS: Final = 0.2
"""Seconds between two attempts to empty the write-ahead log, or two checks of open transactions."""
FREE_SPACE_FACTOR: Final = 3
"""The required free space as a multiple of the database's size: the log takes one copy, and others use the disk."""
LOCK_TIMEOUT: Final = "2s"
"""How long PostgreSQL's vacuum waits for the lock of a table."""
LOCK_NOT_AVAILABLE: Final = "55P03"
"""PostgreSQL's code for a lock that was not available in that time."""

QUERY_CANCELED: Final = "57014"
"""PostgreSQL's code for a statement that exceeded its time-out."""
PLAIN_TIMEOUT, FULL_TIMEOUT = "600s", "60s"
"""The time-out for one table: while others use it, and while it is locked. Synapse's own is ten minutes."""

# Every role may read all locks, but of other roles' sessions only the database.
OPEN_TRANSACTIONS: Final = """SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND a.datname = current_database() AND a.pid <> pg_backend_pid()"""


SEARCH_INDEX: Final = "event_search_segdir"
"""SQLite's own table of the segments of Synapse's search index (FTS4)."""
MERGE_SEARCH_INDEX: Final = "INSERT INTO event_search (event_search) VALUES ('optimize')"
"""Merges all segments into one, without the terms of deleted rows. Source: sqlite.org/fts3.html, "optimize" command."""

TABLES: Final = """SELECT DISTINCT t.relname FROM pg_class t
    JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_attribute c ON c.attrelid = t.oid
    WHERE t.relkind = 'r' AND n.nspname = ANY (current_schemas(FALSE)) AND pg_table_is_visible(t.oid)
        AND (c.attname IN ('room_id', 'event_id')
        OR t.relname IN ('device_inbox', 'push_rules', 'push_rules_enable', 'push_rules_stream', 'scheduled_tasks'))
    ORDER BY t.relname"""
"""The names of all tables that can hold a row of ours and that a statement without a schema reaches."""
SIZE: Final = "SELECT COALESCE(pg_total_relation_size(to_regclass(?)), 0)"
"""This query waits for the table's lock, too. A table that was dropped has size 0."""

TIMEOUTS: Final = ("lock_timeout", "statement_timeout")
"""Session settings that are restored: Synapse sets its own values for its connections (`on_new_connection`)."""


class Vacuum:
    """Vacuums the database."""

    def __init__(self, *, internals: SynapseInternals, full_bytes: int = 0) -> None:
        self._internals = internals
        self._full_bytes = full_bytes
        self._busy = False

    @property
    def database(self) -> str:
        """The kind of database, and whether its pages are rewritten: `sqlite`, `postgres` or `postgres-full`."""
        return "postgres-full" if self._internals.engine == "postgres" and self._full_bytes else self._internals.engine

    async def enable_secure_delete(self) -> None:
        """Make SQLite overwrite rows that are deleted from now on; before the next vacuum no more is possible."""
        if self._internals.engine == "sqlite":
            await self._internals.with_connection(_enable_secure_delete)

    async def merge_search_index(self) -> None:
        """Remove the terms of deleted rows from Synapse's search index on SQLite: of room names, and of ids."""
        if self._internals.engine == "sqlite":
            await self._internals.with_connection(_merge_search_index)

    async def empty_log(self) -> None:
        """Empty SQLite's write-ahead log if no reader prevents it; the vacuum requires it."""
        if self._internals.engine == "sqlite":
            await self._internals.with_connection(_checkpoint)

    async def run(self) -> dict[str, Any]:
        """Vacuum the database; return engine, database, milliseconds and bytes."""
        if self._busy:
            raise _vacuum_error("QUIETLINE_BUSY")
        self._busy = True
        start = time.monotonic()
        try:
            is_sqlite = self._internals.engine == "sqlite"
            work = _vacuum_sqlite if is_sqlite else partial(_vacuum_postgres, full_bytes=self._full_bytes)
            size = await self._internals.with_connection(work)
        finally:
            self._busy = False
        if size is None:
            raise _vacuum_error("QUIETLINE_LOG_NOT_EMPTY" if is_sqlite else "QUIETLINE_READERS")
        milliseconds = round((time.monotonic() - start) * 1000)
        return {
            "engine": self._internals.engine,
            "database": self.database,
            "milliseconds": milliseconds,
            "bytes": size,
        }


def _vacuum_sqlite(connection: Any) -> int | None:
    # First: a copy that cannot be moved back only makes the log longer by the whole database, at every attempt.
    if not _empty_log(connection):
        return None
    cursor = connection.cursor()
    path = _set_temporary_directory(cursor)
    if shutil.disk_usage(path).free < FREE_SPACE_FACTOR * path.stat().st_size:
        raise _vacuum_error("QUIETLINE_NO_ROOM")
    _merge_search_index(connection)
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


def _enable_secure_delete(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA secure_delete = ON")
    _set_temporary_directory(cursor)


def _merge_search_index(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(SQLITE_HAS, (SEARCH_INDEX,))
    if not cursor.fetchone()[0]:
        return
    # A deletion appends a segment, so a single one hides nothing.
    cursor.execute(f"SELECT COUNT(*) FROM {SEARCH_INDEX}")  # noqa: S608 - a constant
    if cursor.fetchone()[0] > 1:
        cursor.execute(MERGE_SEARCH_INDEX)
        # Python's sqlite3 has begun a transaction, in which no vacuum is possible.
        connection.commit()


def _set_temporary_directory(cursor: Any) -> Path:
    """Make SQLite create its temporary files in the database's own directory; return the database's path.

    A vacuum makes one of the database's size: in /var/tmp or /tmp it would be outside the line's own directory, and in a
    container those are in memory, and smaller than the database. The setting applies to the process (sqlite.org, "PRAGMA
    temp_store_directory"); after the library has started there is no other.
    """
    cursor.execute("PRAGMA database_list")
    path = Path(cursor.fetchone()[2])
    quoted = str(path.parent).replace("'", "''")
    cursor.execute(f"PRAGMA temp_store_directory = '{quoted}'")
    return path


def _checkpoint(connection: Any) -> bool:
    cursor = connection.cursor()
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # The columns: busy, frames in the log, frames moved.
    busy, frames, _moved = cursor.fetchone()
    return not busy and frames == 0


def _vacuum_postgres(connection: Any, *, full_bytes: int) -> int | None:
    cursor = connection.cursor()
    if full_bytes and not _wait_for_older_transactions(cursor):
        return None
    cursor.execute(TABLES)
    tables = [str(row[0]) for row in cursor.fetchall()]
    before = {}
    for setting in TIMEOUTS:
        cursor.execute(f"SHOW {setting}")
        before[setting] = str(cursor.fetchone()[0])
    cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    in_use = False
    try:
        for name in tables:
            in_use |= not _vacuum_table(cursor, name, full_bytes=full_bytes)
    finally:
        for setting, value in before.items():
            cursor.execute(f"SET {setting} = '{value}'")
    if in_use:
        return None
    cursor.execute("SELECT pg_database_size(current_database())")
    return int(cursor.fetchone()[0])


def _vacuum_table(cursor: Any, name: str, *, full_bytes: int) -> bool:
    """Vacuum a table; return False when another session locks it. Raises 503 QUIETLINE_TIMED_OUT after the time-out."""
    quoted = '"' + name.replace('"', '""') + '"'
    try:
        full = bool(full_bytes) and 0 < _size(cursor, quoted) <= full_bytes
        cursor.execute(f"SET statement_timeout = '{FULL_TIMEOUT if full else PLAIN_TIMEOUT}'")
        cursor.execute(f"VACUUM (FULL) {quoted}" if full else f"VACUUM {quoted}")
    except Exception as error:
        match getattr(error, "pgcode", None):
            case code if code == LOCK_NOT_AVAILABLE:
                return False
            case code if code == UNDEFINED_TABLE:  # a table of work that Synapse has dropped meanwhile
                return True
            case code if code == QUERY_CANCELED:
                raise _vacuum_error("QUIETLINE_TIMED_OUT") from None
        raise
    return True


def _size(cursor: Any, quoted: str) -> int:
    cursor.execute(SIZE, (quoted,))
    return int(cursor.fetchone()[0])


def _wait_for_older_transactions(cursor: Any) -> bool:
    """Wait until all transactions that are open now have ended; return False when one is still open."""
    older: set[str] | None = None
    for _ in range(TRIES):
        cursor.execute(OPEN_TRANSACTIONS)
        now = {row[0] for row in cursor.fetchall()}
        older = now if older is None else older & now
        if not older:
            return True
        time.sleep(RETRY_SECONDS)
    return False


def _vacuum_error(errcode: str) -> SynapseError:
    return SynapseError(HTTPStatus.SERVICE_UNAVAILABLE, "Not done", errcode)
