"""One connection to a PostgreSQL database (asyncpg), and the settings that we require of it.

Rules of this module: every error becomes one of `errors`, with the server's code and no value. The text form of a row shows
no value either. No part of the URL, which holds a password, is in any text. Our databases are schemas of one PostgreSQL
database.

The server must have version 13 or later, encoding UTF-8 and collation C (order of bytes), as Synapse requires of its own
database; and it must be a primary, to which we may write. A text with NUL, which PostgreSQL cannot store, is refused: code
that accepts texts from outside replaces it before.

Sources: magicstack.github.io/asyncpg/current/api; postgresql.org/docs/current: errcodes-appendix.html,
runtime-config-client.html, runtime-config-connection.html (keepalives), locale.html.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import asyncpg

from bridge.storage.database import Reader, Row, Value
from bridge.storage.errors import (
    Busy,
    ConstraintViolation,
    Corrupt,
    DatabaseError,
    InvalidStatement,
    Unavailable,
    UnsuitableServer,
)

OLDEST: Final = 130_000
"""The oldest server that is tried, as its own number."""
LOCK_MS: Final = 5000
CONNECT_SECONDS: Final = 10.0
STATEMENT_SECONDS: Final = 60.0
"""Seconds after which a statement without an answer is given up, so that a cut network is noticed."""
STATEMENTS: Final = 256
"""Prepared statements that a connection keeps."""
ORDER: Final = "SELECT 'B' < 'a' AND 'a-b' < 'aa'"
"""True where text is ordered by its bytes, whichever way the server's version names its locales."""

NEVER_IDLE_OUT: Final = "SELECT set_config(name, '0', FALSE) FROM pg_settings WHERE name = 'idle_session_timeout'"
MAY_USE: Final = """
    SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = current_setting('search_path')
"""
"""False where the schema is there and we may not use it: its tables then look as if there were none."""

TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"

_ERROR_CLASSES: Final[dict[str, type[DatabaseError]]] = {
    "08": Unavailable,  # no connection
    "08P01": UnsuitableServer,  # a pooler, which knows no settings of a session
    "23": ConstraintViolation,
    "25006": Unavailable,  # read-only: a replica, or a server whose disk is full
    "25P02": Unavailable,  # the transaction failed before, and the work passed it over
    "28": UnsuitableServer,  # password, role
    "3D000": UnsuitableServer,  # no such database
    "3F000": UnsuitableServer,  # no such schema
    "42501": UnsuitableServer,  # no rights
    "40": Unavailable,
    "53": Unavailable,  # disk, memory, connections
    "55P03": Busy,
    "57": Unavailable,  # it shuts down, or starts
    "58": Unavailable,  # I/O
    "XX001": Corrupt,
    "XX002": Corrupt,
}
"""By SQLSTATE, or its class; any other code is a bug of this program."""


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """The place of one of our databases: a URL, with the password, and a schema."""

    url: str = field(repr=False)
    schema: str

    def lock(self, purpose: str) -> int:
        """Return the number of an advisory lock, 64 bits with a sign."""
        return int.from_bytes(hashlib.sha256(f"quietline {purpose} {self.schema}".encode()).digest()[:8], signed=True)


class PostgresRow(asyncpg.Record):  # type: ignore[misc]  # it ships without annotations
    """A row. Its text shows the columns' names and no value."""

    def keys(self) -> list[str]:
        """Return the columns' names, in their order."""
        return list(super().keys())

    def __repr__(self) -> str:
        return f"<row of {', '.join(self.keys())}>"


class PostgresConnection(Reader):
    """A connection. One statement at a time; every method raises :class:`DatabaseError`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def is_closed(self) -> bool:
        """Whether the connection is lost or closed."""
        return bool(self._connection.is_closed())

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have this called once, when the connection ends, for whatever reason."""
        self._connection.add_termination_listener(lambda _connection: call())

    async def run(self, statements: str, /) -> str:
        """Run statements without values in one message; return the server's command tag for the last."""
        return cast("str", await self._ask(self._connection.execute, statements))

    async def execute(self, statement: str, /, *values: Value) -> None:
        """Run a statement that changes rows; without values it may be several."""
        # asyncpg keeps a statement prepared only if it is fetched.
        several = ";" in statement and not values
        await self._ask(self._connection.execute if several else self._connection.fetch, statement, *values)

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        return cast("list[Row]", await self._ask(self._connection.fetch, statement, *values))

    async def has_table(self, name: str) -> bool:
        """Whether the schema has that table."""
        return await self.fetchval("SELECT to_regclass($1)::text", name) is not None

    def abort(self) -> None:
        """Disconnect at once, also during a statement: the server rolls back what was not committed."""
        self._connection.terminate()

    async def _ask(self, method: Callable[..., Any], *arguments: Any) -> Any:
        with _translate_errors():
            try:
                return await method(*arguments)
            except asyncpg.InterfaceError as error:
                # asyncpg's own: a lost connection, too few values, or values of a wrong type.
                raise (Unavailable if self.is_closed else InvalidStatement)(type(error).__name__) from None
            except TimeoutError:
                self.abort()  # nobody knows what became of it, and whether the next is answered
                raise

    async def close(self) -> None:
        """Disconnect. A second time does nothing."""
        try:
            await self._connection.close(timeout=CONNECT_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            self.abort()


async def connect(
    place: PostgresPlace,
    *,
    read_only: bool = False,
    statements: int = STATEMENTS,
    seconds: float | None = STATEMENT_SECONDS,
    lock_ms: int = LOCK_MS,
    replica_too: bool = False,
    **settings: str,
) -> PostgresConnection:
    """Connect. `statements`: how many are kept prepared; `seconds`, `lock_ms`: how long one may take, and wait for a lock.

    Each connection is to a primary: where one name means several servers, a replica may lack recent commits, and what it
    lacks counts as deleted. `replica_too`: for callers that only report on the server.

    Raises `UnsuitableServer` when another try cannot help, and otherwise `DatabaseError`.
    """
    with _translate_errors():
        connection = await asyncpg.connect(
            place.url,
            timeout=CONNECT_SECONDS,
            statement_cache_size=statements,
            max_cached_statement_lifetime=0,
            command_timeout=seconds,
            record_class=PostgresRow,
            target_session_attrs="any" if replica_too else "primary",
            server_settings={
                "application_name": "quietline",
                "search_path": place.schema,
                "default_transaction_read_only": "on" if read_only else "off",
                "default_transaction_isolation": "read committed",
                "lock_timeout": str(lock_ms),
                "client_min_messages": "error",
                # Our statements are short; if the server misjudges one, compiling it (JIT) costs more than running it.
                "jit": "off",
                # The server releases the locks of a lost machine: otherwise they would keep the next bridge out.
                "tcp_keepalives_idle": "10",
                "tcp_keepalives_interval": "5",
                "tcp_keepalives_count": "3",
                # Keepalives wait while something is not acknowledged.
                "tcp_user_timeout": "25000",
                **settings,
            },
        )
        # The server's owner may have set this to end idle sessions; at night ours are idle for hours. Before version 14 the
        # server does not know it, and refuses it among the settings above.
        await connection.execute(NEVER_IDLE_OUT)  # which prepares no statement
        # A SUM of whole numbers is a whole number, as SQLite's; and a time with a fraction fits a column of whole numbers.
        for name, encoder in (("numeric", str), ("int8", _whole), ("int4", _whole)):
            await connection.set_type_codec(name, schema="pg_catalog", encoder=encoder, decoder=int, format="text")
    return PostgresConnection(connection)


def _whole(value: float) -> str:
    return str(int(value))


async def require_suitable(connection: PostgresConnection) -> None:
    """Raise `UnsuitableServer` when the database does not meet our requirements."""
    if int(await connection.fetchval("SELECT current_setting('server_version_num')::int")) < OLDEST:
        raise UnsuitableServer("version")
    if await connection.fetchval("SELECT current_setting('server_encoding')") != "UTF8":
        raise UnsuitableServer("encoding")
    if not await connection.fetchval(ORDER):
        raise UnsuitableServer("collation")
    await require_usable_schema(connection)


async def require_usable_schema(connection: PostgresConnection) -> None:
    """Raise `UnsuitableServer` when the schema is there and we may not use it."""
    if await connection.fetchval(MAY_USE) is False:
        raise UnsuitableServer("42501")


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Make every error one of ours."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise translate(error) from None
    except asyncpg.ClientConfigurationError:
        raise UnsuitableServer("settings") from None
    except asyncpg.TargetServerAttributeNotMatched:
        raise Unavailable("read-only replica") from None
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise Unavailable(type(error).__name__) from None
    except ssl.SSLCertVerificationError:
        raise UnsuitableServer("certificate") from None
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise Unavailable(type(error).__name__) from None


def translate(error: Any) -> DatabaseError:
    """Return the error of ours for one of the server's."""
    state = str(error.sqlstate or "")
    kind = _ERROR_CLASSES.get(state) or _ERROR_CLASSES.get(state[:2], InvalidStatement)
    return kind(f"{type(error).__name__} {state}")
