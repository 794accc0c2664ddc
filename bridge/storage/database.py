"""The interface of the bridge's database, for every engine.

Rules of this module: statements use only SQL that SQLite and PostgreSQL share, with values as `$1`, `$2`, …. What must be
true together is written by one `commit`. Nothing inside a commit waits for a network. The methods have asyncpg's names,
because a statement that changes rows may return some (`RETURNING`), and "read" would be wrong for it.

SQLite (`sqlite_database`) and PostgreSQL (`postgres_database`) implement it.

Source: magicstack.github.io/asyncpg/current/api (execute, fetch, fetchrow,
fetchval).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from enum import Enum, auto, unique
from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar

from bridge.storage.errors import Unavailable

T = TypeVar("T")

Value: TypeAlias = str | bytes | int | float | None
"""A value of a column or of a statement."""


class Dialect(Enum):
    """Whose SQL it is, where the two differ. `blob`: the type of bytes; `sequence`: of a key that never repeats a value."""

    SQLITE = ("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT")
    POSTGRESQL = ("BYTEA", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")

    def __init__(self, blob: str, sequence: str) -> None:
        self.blob = blob
        self.sequence = sequence


def placeholders(count: int, *, after: int = 0) -> str:
    """Return `$1, $2, …` for an IN list of `count` values behind `after` other parameters."""
    return ", ".join(f"${after + n + 1}" for n in range(count))


def insertion(row: Mapping[str, Value]) -> tuple[str, list[Value]]:
    """Return what follows `INSERT INTO table` for a row, and its values, without columns whose name is no identifier."""
    names = [name for name in row if name.isidentifier()]
    return f"({', '.join(names)}) VALUES ({placeholders(len(names))})", [row[name] for name in names]


class Row(Protocol):
    """A row: values by name or position, iterated in their order; `dict(row)` has them by name."""

    def __getitem__(self, key: str | int, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def keys(self) -> list[str]:
        """Return the columns' names, in their order."""


class NamedRow:
    """The row of both engines. Its text shows the columns' names and no value."""

    __slots__ = ("_columns", "_values")

    def __init__(self, columns: dict[str, int], values: tuple[Any, ...]) -> None:
        self._columns = columns
        self._values = values

    def __getitem__(self, key: str | int, /) -> Any:
        return self._values[key if isinstance(key, int) else self._columns[key]]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<row of {', '.join(self._columns)}>"

    def keys(self) -> list[str]:
        """Return the columns' names, in their order."""
        return list(self._columns)


class Reader(Protocol):
    """Reads rows: the database reads what is committed, a transaction also its own changes.

    Every method raises a subclass of :class:`bridge.storage.errors.DatabaseError`.
    """

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""

    async def fetchrow(self, statement: str, /, *values: Value) -> Row | None:
        """Run a statement and return its first row, or None."""
        rows = await self.fetch(statement, *values)
        return rows[0] if rows else None

    async def fetchval(self, statement: str, /, *values: Value) -> Any:
        """Run a statement and return the first value of its first row, or None."""
        rows = await self.fetch(statement, *values)
        return rows[0][0] if rows else None


class Snapshot(Protocol):
    """Reads rows as they are at one moment, without `await`: for a command beside the bridge.

    Every method raises :class:`bridge.storage.errors.DatabaseError`.
    """

    def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement and return its rows."""

    def fetchrow(self, statement: str, /, *values: Value) -> Row | None:
        """Run a statement and return its first row, or None."""
        rows = self.fetch(statement, *values)
        return rows[0] if rows else None

    def fetchval(self, statement: str, /, *values: Value) -> Any:
        """Run a statement and return the first value of its first row, or None."""
        rows = self.fetch(statement, *values)
        return rows[0][0] if rows else None

    def tables(self) -> set[str]:
        """Return the names of its tables."""


class Transaction(Reader, Protocol):
    """What the work of one commit writes with. After the end of the commit every method raises."""

    @property
    def dialect(self) -> Dialect:
        """Whose SQL it takes where the two differ: for migrations."""

    async def execute(self, statement: str, /, *values: Value) -> None:
        """Run a statement that changes rows."""

    def after_commit(self, call: Callable[[], None], /) -> None:
        """Register a call for after this commit and before the next one begins; a commit that is rolled back makes no call.

        It must not raise. A power cut may still take the commit back: `Database.synced`.
        """


Work: TypeAlias = Callable[[Transaction], Awaitable[T]]
"""The work of one commit."""


async def attempt(transaction: Transaction, work: Work[None]) -> Exception | None:
    """Run `work` as a part of the commit that may fail alone: return what it raised, with no change of it kept, or None.

    Changes before and after it are kept. Raises `Unavailable` and `OSError`, after which the commit cannot continue: when
    the database itself cannot write, later changes would not be kept either.

    Source: sqlite.org/lang_savepoint.html; postgresql.org/docs/current/sql-savepoint.html (the same three statements).
    """
    await transaction.execute("SAVEPOINT attempt")
    failed: Exception | None = None
    try:
        await work(transaction)
    except (Unavailable, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a bug raises, the rest of the commit goes on without this part
        failed = error
        await transaction.execute("ROLLBACK TO SAVEPOINT attempt")
    await transaction.execute("RELEASE SAVEPOINT attempt")
    return failed


@unique
class Sync(Enum):
    """When a commit is on the disk."""

    AWAIT = auto()
    """When it returns."""
    BEGIN = auto()
    """When it is written; a sync begins at once, and a caller that depends on it waits with `Database.synced`."""
    DEFER = auto()
    """When it is written; a sync begins when a caller waits, or a quarter of a second later."""


class Database(Reader, Protocol):
    """A database with one writer. Rows are read outside any transaction: all of a commit or nothing of it."""

    @property
    def dialect(self) -> Dialect:
        """Which engine it is: PostgreSQL keeps deleted rows, and a certificate of an erasure has to say so."""

    @property
    def history(self) -> str:
        """The server's history (timeline) that is read here: one that a replica began may lack the last commits.

        Empty if there is only one.
        """

    async def open(self) -> None:
        """Connect and migrate. Raises `DatabaseError` or `OSError` when it is unusable or newer than this program."""

    async def close(self) -> None:
        """Let queued commits finish, then disconnect. Later calls raise `Unavailable`."""

    async def wait_for_failure(self) -> NoReturn:
        """Never return. Raises once written data cannot be relied on any more: then only a new start helps.

        `OSError` when the disk did not keep what was written; otherwise the error that ended the writer or the syncing
        task.
        """

    async def commit(self, work: Work[T], *, sync: Sync = Sync.AWAIT) -> T:
        """Run `work` in one transaction and return its value; on an exception nothing of it is kept.

        The caller may be cancelled; the work is not. `sync`: whether it returns when the commit is on the disk, or when
        others can read it; then a power cut may take it back, with all that came after it and nothing that came before.
        """

    @property
    def last_commit(self) -> int:
        """How many commits were written since it was opened: read after a commit, it is the number for `synced`."""

    async def synced(self, up_to: int | None = None) -> None:
        """Wait until the first `up_to` commits are on the disk; None: everything that was written by now.

        Raises `Unavailable` when it may not be, ever.
        """

    async def checkpoint(self) -> bool:
        """Leave no deleted row in any log beside the tables; False if that is not possible now: try again.

        PostgreSQL keeps them in its log, and returns True: their content is sealed under keys that were destroyed.
        """

    async def vacuum(self) -> bool:
        """Leave nothing deleted in any byte, as far as that can be had; False while it cannot be: try again."""
