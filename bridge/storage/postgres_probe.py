"""What a PostgreSQL database is like, asked before a program is let loose on it.

Rule of this module: it connects, reads the server's own tables and leaves; nothing is written, and an error holds the
server's code and none of its words.

Sources: postgresql.org/docs/current/errcodes-appendix.html; Synapse 1.163.2, `storage/engines/postgres.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

import asyncpg

if TYPE_CHECKING:
    from bridge.runtime.postgres_url import PostgresUrl

TIMEOUT_SECONDS: Final = 5.0

FACTS: Final = """SELECT current_setting('server_version_num')::int / 10000 AS version,
    pg_encoding_to_char(encoding) AS encoding, datcollate AS collation, datctype AS ctype,
    COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS can_create,
    NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off' AS can_write,
    (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace)
        AS tables,
    COALESCE(current_setting('wal_recycle', TRUE), 'on') = 'on' AS recycles_log
    FROM pg_database WHERE datname = current_database()"""

SESSIONS: Final = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = $1"""
END_SESSIONS: Final = """SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = $1"""


class Refusal(Enum):
    """Why there is no connection."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    LOGIN = "login"
    NO_DATABASE = "no database"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    OTHER = "other"


_BY_CODE: Final = {
    "28P01": Refusal.LOGIN,
    "28000": Refusal.LOGIN,
    "3D000": Refusal.NO_DATABASE,
    "42501": Refusal.FORBIDDEN,
    "53300": Refusal.BUSY,
    "57P03": Refusal.BUSY,
}


class PostgresRefused(Exception):  # noqa: N818 - the name says what the server did
    """There is no answer. `reason` says why, `code` is the server's own where it said one."""

    def __init__(self, reason: Refusal, code: str = "") -> None:
        super().__init__(f"{reason.value} {code}".strip())
        self.reason, self.code = reason, code


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFacts:
    """A database, as the role that asks sees it. `tables`: how many there are where new ones would be made.

    `can_create`: in that place; `can_write`: it is no standby and not read-only; `sessions`: how many connections of this
    role bear the name that was asked for; `recycles_log`: what is done with of the write-ahead log is kept in files.
    """

    version: int
    encoding: str
    collation: str
    ctype: str
    can_create: bool
    can_write: bool
    tables: int
    recycles_log: bool
    sessions: int


async def probe(url: PostgresUrl, application_name: str, *, end_sessions: bool = False) -> PostgresFacts:
    """Ask a database about itself. Raises :class:`PostgresRefused`.

    `end_sessions`: connections under that name are ended first, which the role may do to its own.
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
        raise PostgresRefused(_BY_CODE.get(code, Refusal.OTHER), code) from None
    except ssl.SSLError:
        raise PostgresRefused(Refusal.TLS) from None
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        raise PostgresRefused(Refusal.UNREACHABLE) from None
    return PostgresFacts(**dict(row), sessions=sessions)
