"""Reads the properties of a PostgreSQL database: before a program uses it, and for the doctor while it is in use.

Rule of this module: it connects, reads the server's catalogs and disconnects. It writes nothing, and an error holds the
server's code and none of its text.

Sources: postgresql.org/docs/current: errcodes-appendix.html, monitoring-stats.html, view-pg-locks.html,
view-pg-replication-slots.html; Synapse 1.163.2, `storage/engines/postgres.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

import asyncpg

from bridge.storage.errors import Unavailable

if TYPE_CHECKING:
    from bridge.runtime.postgres_url import PostgresUrl
    from bridge.storage.database import Reader
    from bridge.storage.postgres_connection import PostgresPlace

TIMEOUT_SECONDS: Final = 5.0

FACTS: Final = """SELECT current_setting('server_version_num')::int / 10000 AS version,
    pg_encoding_to_char(encoding) AS encoding, datcollate AS collation, datctype AS ctype,
    COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS can_create,
    NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off' AS can_write,
    (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace)
        AS tables,
    COALESCE(current_setting('wal_recycle', TRUE), 'on') = 'on' AS recycles_log,
    current_setting('log_min_error_statement') <> 'panic' OR current_setting('log_error_verbosity') <> 'terse'
        OR current_setting('log_statement') <> 'none' OR current_setting('log_min_duration_statement') <> '-1'
        AS logs_values
    FROM pg_database WHERE datname = current_database()"""

SESSIONS: Final = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = $1"""
END_SESSIONS: Final = """SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = $1"""


MAY_MAKE: Final = "SELECT to_regnamespace($1) IS NOT NULL OR has_database_privilege(current_database(), 'CREATE')"


HEALTH: Final = """SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS is_replica,
    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS is_durable,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on' AS autovacuum,
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
        - (SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL) AS free_connections,
    pg_database_size(current_database()) AS bytes, current_setting('archive_mode') <> 'off' AS archives,
    (SELECT last_failed_time IS NOT NULL AND last_failed_time > COALESCE(last_archived_time, '-infinity')
        FROM pg_stat_archiver) AS archive_fails,
    COALESCE(current_setting('wal_recycle', TRUE), 'on') = 'on' AS recycles_log,
    (SELECT EXTRACT(EPOCH FROM clock_timestamp() - min(xact_start))::float8 FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()) AS oldest_transaction"""
LOCKS: Final = """SELECT l.pid, l.virtualtransaction AS transaction, l.locktype = 'advisory' AS commits
    FROM pg_locks l LEFT JOIN pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
    WHERE l.granted AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.locktype = 'advisory' AND l.classid::bigint = $1 AND l.objid::bigint = $2 AND l.objsubid = 1
            OR c.relnamespace = to_regnamespace($3)
                AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))"""
"""Sessions that hold what a commit waits for: the lock of commits (its number in two halves), or a table."""


class RefusalKind(Enum):
    """Why there is no connection."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    LOGIN = "login"
    NO_DATABASE = "no database"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    OTHER = "other"


_BY_CODE: Final = {
    "28P01": RefusalKind.LOGIN,
    "28000": RefusalKind.LOGIN,
    "3D000": RefusalKind.NO_DATABASE,
    "42501": RefusalKind.FORBIDDEN,
    "53300": RefusalKind.BUSY,
    "57P03": RefusalKind.BUSY,
}


class PostgresRefused(Exception):  # noqa: N818 - the name says what the server did
    """There is no answer. `reason` says why, `code` is the server's own where it said one."""

    def __init__(self, reason: RefusalKind, code: str = "") -> None:
        super().__init__(f"{reason.value} {code}".strip())
        self.reason, self.code = reason, code


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFacts:
    """A database, as the connected role sees it. `tables`: how many exist where new ones would be made.

    `can_create`: in that place; `can_write`: it is no standby and not read-only; `sessions`: how many connections of this
    role have the given name; `recycles_log`: used segments of the write-ahead log are kept as files; `logs_values`: the
    server's own log may hold values of a statement that failed, or of any.
    """

    version: int
    encoding: str
    collation: str
    ctype: str
    can_create: bool
    can_write: bool
    tables: int
    recycles_log: bool
    logs_values: bool
    sessions: int


async def probe(url: PostgresUrl, application_name: str, *, end_sessions: bool = False) -> PostgresFacts:
    """Read a database's properties. Raises :class:`PostgresRefused`.

    `end_sessions`: connections with that name are ended first; a role may end its own.
    """
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            connection = await asyncpg.connect(**url.for_asyncpg(), timeout=TIMEOUT_SECONDS)
            try:
                if end_sessions:
                    await connection.fetch(END_SESSIONS, application_name)
                row = await connection.fetchrow(FACTS)
                sessions = await connection.fetchval(SESSIONS, application_name)
            finally:
                connection.terminate()
    except asyncpg.PostgresError as error:
        code = str(getattr(error, "sqlstate", "") or "")
        raise PostgresRefused(_BY_CODE.get(code, RefusalKind.OTHER), code) from None
    except ssl.SSLError:
        raise PostgresRefused(RefusalKind.TLS) from None
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        raise PostgresRefused(RefusalKind.UNREACHABLE) from None
    return PostgresFacts(**dict(row), sessions=sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresHealth:
    """How a server and a database on it are, as far as the role sees it.

    `is_durable`: a crash loses nothing that was synced; `recycles_log`: used files of the write-ahead log are kept under
    other names, with their content; `oldest_transaction`: seconds.
    """

    version: int
    is_replica: bool
    is_durable: bool
    synchronous_commit: str
    autovacuum: bool
    free_connections: int
    bytes: int
    archives: bool
    archive_fails: bool
    recycles_log: bool
    oldest_transaction: float | None


async def ask_health(reader: Reader) -> PostgresHealth:
    """Ask a server how it is. Raises `DatabaseError`."""
    row = await reader.fetchrow(HEALTH)
    if row is None:
        raise Unavailable("no row")
    return PostgresHealth(**dict(row))


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A transaction that keeps commits waiting. `commits`: it holds their lock, and else a table."""

    pid: int
    transaction: str
    commits: bool


async def find_holders(reader: Reader, place: PostgresPlace) -> set[LockHolder]:
    """Return the sessions that hold what a commit would wait for now. Raises `DatabaseError`; waits for no lock."""
    number = place.lock("commit") & (2**64 - 1)
    rows = await reader.fetch(LOCKS, number >> 32, number & (2**32 - 1), place.schema)
    return {LockHolder(row["pid"], row["transaction"], row["commits"]) for row in rows}


async def may_make_schema(reader: Reader, name: str) -> bool:
    """Whether a schema of that name exists, or the role may make one."""
    return bool(await reader.fetchval(MAY_MAKE, name))
