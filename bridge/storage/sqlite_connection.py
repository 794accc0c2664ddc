"""One connection to an SQLite file, with the SQLite that comes with this program (apsw), and one commit on it.

Rules of this module: no other code of ours opens our files, because two SQLite libraries in one process lose each other's
locks (sqlite.org/howtocorrupt.html, section 2.2.1), and that of Debian 12 and 13 can lose a commit when one connection
checkpoints while another writes (sqlite.org/wal.html#walresetbug, mended in 3.51.3). Every SQLite error becomes one of
`errors`. One statement is run to its end before the next. A commit is kept whole or not at all. A transaction object that
is used after its end writes nothing. The event loop does not block while another process writes.

Sources: rogerbinns.github.io/apsw (execution, exceptions), sqlite.org/pragma.html, sqlite.org/c3ref/c_abort.html,
sqlite.org/lang_transaction.html (section 3.1, what rolls back by itself; after BEGIN IMMEDIATE no statement meets a lock).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from bridge.storage.database import Dialect, NamedRow, Reader, Row, Snapshot, Value, Work
from bridge.storage.errors import (
    SQLITE_FULL,
    Busy,
    ConstraintViolation,
    Corrupt,
    DatabaseError,
    InvalidStatement,
    Unavailable,
)

T = TypeVar("T")

BUSY_MS: Final = 5000
STATEMENTS: Final = 256
"""The number of prepared statements that are kept: about as many as the bridge has."""

YIELD_EVERY: Final = 64
"""Statements after which others have a turn, of one commit or of many."""
BUSY_RETRY_SECONDS: Final = 0.005
"""Seconds between two tries to begin a commit while another process writes."""

ROOM_BYTES: Final = 64 * 1024
"""Bytes that must be free for the two files that SQLite makes beside a database (sqlite.org/walformat.html)."""
ROOM_FILES: Final = 2

_PARAMETER: Final = re.compile(r"\$(\d+)")
_ERROR_CLASSES: Final[dict[int, type[DatabaseError]]] = {
    apsw.SQLITE_CORRUPT: Corrupt,
    apsw.SQLITE_NOTADB: Corrupt,
    apsw.SQLITE_CONSTRAINT: ConstraintViolation,
    apsw.SQLITE_BUSY: Busy,
    apsw.SQLITE_LOCKED: Busy,
    apsw.SQLITE_FULL: Unavailable,
    apsw.SQLITE_IOERR: Unavailable,
    apsw.SQLITE_NOMEM: Unavailable,
    apsw.SQLITE_READONLY: Unavailable,
    apsw.SQLITE_CANTOPEN: Unavailable,
    apsw.SQLITE_PERM: Unavailable,
    apsw.SQLITE_PROTOCOL: Unavailable,
    apsw.SQLITE_INTERRUPT: Unavailable,
    apsw.SQLITE_ABORT: Unavailable,
    apsw.SQLITE_SCHEMA: Unavailable,
}
"""By result code; any other code is a bug of this program."""


MEMORY: Final = ":memory:"
"""Instead of a path: a database without a file."""


class SqliteConnection(Snapshot):
    """A connection. Its owner must ensure that one thread at a time uses it.

    Every method raises :class:`DatabaseError`. `read_only`: nothing is changed, and no missing file is made.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False, busy_ms: int = BUSY_MS) -> None:
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        name = str(path) if path == MEMORY else str(Path(path).absolute())
        self._directory = None if path == MEMORY else Path(name).parent
        try:
            self._connection = apsw.Connection(name, flags, statementcachesize=STATEMENTS)
        except apsw.Error as error:
            raise self._translate(error) from None
        self.set_busy_timeout(busy_ms)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open: SQLite may have rolled it back on an error."""
        return self._connection.in_transaction

    def set_busy_timeout(self, milliseconds: int) -> None:
        """Set for how long a statement waits for others' locks, in the thread that runs it."""
        self._connection.set_busy_timeout(milliseconds)

    def execute(self, statement: str, /, *values: Value) -> None:
        """Run a statement to its end."""
        try:
            for _ in self._run(statement, values):
                pass
        except apsw.Error as error:
            raise self._translate(error) from None

    def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        cursor = self._run(statement, values)
        try:
            first = cursor.fetchone()
            if first is None:
                return []
            columns = {name: place for place, (name, _type) in enumerate(cursor.get_description())}
            return [NamedRow(columns, first), *(NamedRow(columns, row) for row in cursor)]
        except UnicodeDecodeError:
            raise Corrupt("UTF-8") from None
        except apsw.Error as error:
            raise self._translate(error) from None

    def _run(self, statement: str, values: tuple[Value, ...]) -> apsw.Cursor:
        numbered = _with_numbered_parameters(statement)
        try:
            return self._connection.execute(numbered, values)
        except apsw.Error as error:
            raise self._translate(error) from None

    def tables(self) -> set[str]:
        """Return the names of its tables."""
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        return {str(row["name"]) for row in self.fetch(query)}

    def keep_log_at_close(self) -> None:
        """Leave the write-ahead log as it is when this connection closes as the last one."""
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)

    def close(self) -> None:
        """Disconnect. A second time does nothing."""
        try:
            self._connection.close()
        except apsw.Error as error:
            raise self._translate(error) from None

    def _translate(self, error: apsw.Error) -> DatabaseError:
        """Return our error for one of SQLite's; a full disk is named as such, also where SQLite cannot open a file."""
        database_error = translate(error)
        if (
            isinstance(database_error, Unavailable)
            and database_error.code.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN"))
            and self._is_full()
        ):
            return Unavailable(SQLITE_FULL)
        return database_error

    def _is_full(self) -> bool:
        if self._directory is None:
            return False
        try:
            disk = os.statvfs(self._directory)
        except OSError:
            return False
        # A file system that allocates inodes dynamically reports a total of 0.
        without_files = disk.f_files > 0 and disk.f_favail < ROOM_FILES
        return without_files or disk.f_bavail * disk.f_frsize < ROOM_BYTES


@contextlib.contextmanager
def snapshot(path: Path, *, busy_ms: int = BUSY_MS) -> Iterator[SqliteConnection]:
    """Read a database as it is at one moment, in one transaction. Raises `DatabaseError`."""
    with contextlib.closing(SqliteConnection(path, read_only=True, busy_ms=busy_ms)) as connection:
        connection.execute("BEGIN")
        yield connection


def is_write_locked(path: Path, *, wait_ms: int) -> bool:
    """Whether another program holds the database's write lock for so long that no commit can be made.

    Nothing is written, and no checkpoint is made. Raises `DatabaseError`.
    """
    if not path.with_name(f"{path.name}-wal").exists():
        return False  # no process has it open, and opening it for writing would leave a log behind
    with contextlib.closing(SqliteConnection(path, busy_ms=wait_ms)) as connection:
        connection.keep_log_at_close()
        try:
            connection.execute("BEGIN IMMEDIATE")
        except Busy:
            return True
        connection.execute("ROLLBACK")
        return False


def find_damage(path: Path) -> str:
    """Read every page of a database and look for damage; empty when there is none. Raises `DatabaseError`."""
    try:
        with snapshot(path) as connection:
            result = str(connection.fetchval("PRAGMA quick_check(1)"))
    except Corrupt as error:
        return error.code
    return "" if result == "ok" else result


def translate(error: apsw.Error) -> DatabaseError:
    """Return the error of ours for one of SQLite's."""
    extended = getattr(error, "extendedresult", None)
    if extended is None:
        # apsw's own errors, such as too few values; after the connection was closed, a caller may try again.
        kind = Unavailable if isinstance(error, apsw.ConnectionClosedError) else InvalidStatement
        return kind(type(error).__name__)
    names: Any = apsw.mapping_extended_result_codes if extended > 0xFF else apsw.mapping_result_codes
    return _ERROR_CLASSES.get(extended & 0xFF, InvalidStatement)(str(names.get(extended, extended)))


@lru_cache(maxsize=1024)
def _with_numbered_parameters(statement: str) -> str:
    """Write `$1` as SQLite does: there a `$1` is a name, which takes the next value and not the first."""
    return _PARAMETER.sub(r"?\1", statement)


class SqliteTransaction(Reader):
    """The writing connection during one commit."""

    dialect: Final = Dialect.SQLITE

    def __init__(self, connection: SqliteConnection, statements: Iterator[int]) -> None:
        self._connection = connection
        self._statements = statements
        self._is_over = False
        self._after_commit: list[Callable[[], None]] = []

    async def execute(self, statement: str, /, *values: Value) -> None:
        """Run a statement that changes rows."""
        await self._before_statement()
        self._connection.execute(statement, *values)

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""
        await self._before_statement()
        return self._connection.fetch(statement, *values)

    def after_commit(self, call: Callable[[], None], /) -> None:
        """Register a call for after this commit, before the next one begins; a rolled-back commit makes no call."""
        self._after_commit.append(call)

    def call_after_commit(self) -> None:
        """Make these calls."""
        for call in self._after_commit:
            call()

    def end(self) -> None:
        """Refuse further statements: they would be part of another commit."""
        self._is_over = True

    async def _before_statement(self) -> None:
        if next(self._statements) % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if self._is_over:
            raise RuntimeError("this commit is over")
        if not self._connection.in_transaction:
            # SQLite rolled back after an error that the work ignored: the rest alone must not be kept.
            raise Unavailable("rolled back")


async def transact(writer: SqliteConnection, statements: Iterator[int], work: Work[T]) -> T:
    """Run the work in one transaction and return its value; on an exception nothing of it is kept.

    `statements` counts the statements of all transactions of the writer.
    """
    await _begin(writer)
    transaction = SqliteTransaction(writer, statements)
    try:
        value = await work(transaction)
        transaction.end()
        writer.execute("COMMIT")
    except BaseException:
        transaction.end()
        # What stays open after a COMMIT that failed blocks every other.
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        raise
    transaction.call_after_commit()
    return value


async def _begin(writer: SqliteConnection) -> None:
    """Begin a commit. Now and then another process writes for some milliseconds; the event loop does not block."""
    until = asyncio.get_running_loop().time() + BUSY_MS / 1000
    while True:
        try:
            writer.execute("BEGIN IMMEDIATE")
        except Busy:
            if asyncio.get_running_loop().time() >= until:
                raise
            await asyncio.sleep(BUSY_RETRY_SECONDS)
        else:
            return
