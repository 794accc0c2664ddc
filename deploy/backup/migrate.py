"""`quietline migrate --to postgresql|sqlite`: a stopped line's databases move to the other engine; `keys.db` stays.

Rules of this module: nothing is removed before every row was compared. After an interruption at any step the same command
continues, and until it is done one of the two databases is complete. A place that holds other rows is never written to, and
the tables of another line are never migrated. A restored line that was never started has no desk and no `keys.db` yet.

Order, to PostgreSQL: both databases are written (each in one commit, `main.db` first) and compared, then the files are
deleted, `main.db` last: while it exists, a bridge that is configured for PostgreSQL does not start. To SQLite: both are
written beside their places, compared and moved there, `main.db` last, then the schemas are dropped. Each log is
checkpointed into its file before either is touched, and deleted before its file; so at any moment a database is complete
or absent.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from bridge.app.line_files import CREATE, MOVING, SERVER_REMEDIES
from bridge.matrix.schema import MAIN_SCHEMA, PUPPET_SCHEMA
from bridge.storage.copying import CannotCopy, OtherTables, Pair, peek_rows
from bridge.storage.errors import DatabaseError, InUse, Unavailable, UnsuitableServer
from bridge.storage.migrations import VERSION_TABLE
from bridge.storage.postgres_connection import PostgresPlace, connect, require_suitable
from bridge.storage.postgres_database import PostgresDatabase, drop_schemas
from bridge.storage.postgres_transaction import LEASE_SCHEMA
from bridge.storage.sqlite_connection import snapshot
from bridge.storage.sqlite_database import SqliteDatabase
from bridge.tables import desk_state
from deploy.data_dir.atomic_files import file_problem, give_to_owner, open_descriptor, sync_directory
from deploy.data_dir.line_lock import LineRuns, line_stopped
from deploy.data_dir.postgres_snapshot import snapshot as server_snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from bridge.config.sections import Config
    from bridge.storage.migrations import Schema

DATABASES: Final[dict[str, Schema]] = {
    "voice.db": replace(PUPPET_SCHEMA, upgrades=False),
    "main.db": replace(MAIN_SCHEMA, upgrades=False),
}
"""In the order of their removal: `main.db` last. Only `upgrade` takes the steps of a schema, after a backup."""
LOG_TRIES: Final = 50
"""Attempts, every tenth of a second, to empty a write-ahead log that another program reads."""
EMPTY_ONE: Final = f"Write the URL of an empty one into that file. To {CREATE.replace('make it again, empty', 'make one')}"
OTHER_LINE: Final = (
    "the PostgreSQL database of database.url_file holds another line, or this one as it was at another time; nothing was "
    f"written there. {EMPTY_ONE}"
)


class CannotMigrate(Exception):  # noqa: N818 - a sentence for the operator
    """The line cannot be moved, and nothing was removed. The text says why."""


def _no_progress(_step: str) -> None:
    """Do nothing."""


async def migrate(
    config: Config, to: Literal["postgresql", "sqlite"], *, after: Callable[[str], None] = _no_progress
) -> int:
    """Move the line, and return its number of rows, also when everything was moved already.

    `after` is called after each step that is durable.

    Raises `LineRuns`, `CannotMigrate`, `DatabaseError`, `OSError`.
    """
    if (server := config.database_url) is None:
        raise CannotMigrate("the configuration has no `database` with the `url_file` of a PostgreSQL database")
    os.umask(0o077)  # SQLite makes its files with what this leaves
    with line_stopped(config.data_dir):
        try:
            if to == "postgresql":
                await _require_own_place(config.data_dir, server)
                return await _to_postgresql(config.data_dir, server, after)
            _require_keys(config.data_dir)
            return await _to_sqlite(config.data_dir, server, after)
        except CannotCopy as reason:
            raise CannotMigrate(_why_not(reason, to)) from None


def _why_not(reason: CannotCopy, to: Literal["postgresql", "sqlite"]) -> str:
    """Return why the rows are not the same in both databases, and what to do. Nothing was removed."""
    goes_on = "nothing was moved, and the line goes on where it is"
    if isinstance(reason, OtherTables):
        return f"{reason.table}: not as this program made it; {goes_on}. Take away what was added by hand, and repeat this"
    again = f" If the line ran on its files after a try that was broken off: {EMPTY_ONE}" if to == "postgresql" else ""
    return (
        f"the two databases differ in {reason.table}: each has something of its own, nothing was removed. Look which one "
        f"the line ran on last, and take the other away.{again}"
    )


async def _require_own_place(data: Path, server: str) -> None:
    """Raise `CannotMigrate` when the server's database holds another line than the file, or the file's keys are missing."""
    if not (file := data / "main.db").is_file():
        # An interrupted or an earlier run removed it; or it never existed.
        _require_keys(data)
        if not _count_on(server, "main", versions=False):
            raise CannotMigrate(f"{file}: missing, and the PostgreSQL database is empty: there is nothing to move")
        return
    try:
        with snapshot(file) as db:
            ours = desk_state.peek(db) if "desk" in db.tables() else None
    except DatabaseError as error:
        raise CannotMigrate(f"{file}: cannot be read ({error.code})") from None
    if ours is not None:
        _require_keys(data)
    await require_free_server(server, ours)


async def require_free_server(server: str, ours: bytes | None = None) -> None:
    """Raise `CannotMigrate` when a server cannot be used, or has another line's tables. Nothing is written there.

    `ours`: the sealed desk of the line that may be there already.
    """
    with _refusals():
        connection = await connect(PostgresPlace(server, "main"), read_only=True)
        try:
            await require_suitable(connection)
            theirs = await desk_state.get(connection) if await connection.has_table("desk") else None
        finally:
            await connection.close()
    if theirs is not None and theirs != ours:
        raise CannotMigrate(OTHER_LINE)


def _require_keys(data: Path) -> None:
    if not (data / "keys.db").is_file():
        raise CannotMigrate(f"{data / 'keys.db'}: missing: what it opens is of no use without it")


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turn errors of a server, or of a bridge on it, into sentences for the operator."""
    try:
        yield
    except UnsuitableServer as error:
        sentences = (sentence for code, sentence in SERVER_REMEDIES.items() if code in error.code)
        raise CannotMigrate(f"the PostgreSQL database cannot be used: {next(sentences, error.code)}") from None
    except InUse:
        raise LineRuns("the PostgreSQL database of database.url_file") from None
    except Unavailable as error:
        reason = "the disk is full; make room on it" if error.is_full else error.code
        raise CannotMigrate(f"a database takes nothing just now, and nothing was removed: {reason}") from None


async def move_restored(config: Config, directory: Path) -> str:
    """Move a line that was just restored to its PostgreSQL; return a sentence with the result, or with what to do first."""
    main = config.data_dir / "main.db"
    try:
        rows = await migrate(config, "postgresql")
    except LineRuns:
        reason = OTHER_LINE
    except (CannotMigrate, DatabaseError) as error:
        reason = str(error)
    except OSError as error:
        reason = file_problem(error)
    else:
        return f"Its {rows} rows are in the PostgreSQL database of database.url_file."
    then = f"quietline migrate --to postgresql --data {directory}"
    return f"Its rows are in {main} until this is put right: {reason}. Then, before the first start: {then}"


async def _to_postgresql(data: Path, server: str, after: Callable[[str], None]) -> int:
    rows = 0
    for name in reversed(DATABASES):
        if not (data / name).is_file():
            rows += _count_on(server, name.removesuffix(".db"))
            continue  # an interrupted run has removed it
        async with _pair(data / name, name, server) as (pair, postgres):
            if not await pair.count_rows(postgres):
                await pair.copy(to_postgres=True)
                after(f"written {name}")
            rows += await pair.compare()
            await postgres.synced()
            await _empty_log(pair, data / name)
    for name in DATABASES:
        _remove(data / name)
        after(f"removed {name}")
    return rows


async def _to_sqlite(data: Path, server: str, after: Callable[[str], None]) -> int:
    if not _count_on(server, "main", versions=False):
        return _count_moved(data)
    rows = 0
    for name in reversed(DATABASES):
        path, half = data / name, data / (name + MOVING)
        # An existing file was moved by an interrupted run; or it is another file, which the comparison detects.
        moved = path.is_file()
        _remove(half)
        async with _pair(path if moved else half, name, server) as (pair, _):
            if not moved:
                await pair.copy(to_postgres=False)
            rows += await pair.compare()
            await _empty_log(pair, half)
        after(f"written {name}")
    for name in DATABASES:
        if (half := data / (name + MOVING)).is_file():
            with open_descriptor(half) as descriptor:
                give_to_owner(descriptor, half)
                os.fsync(descriptor)
            _remove(data / name)  # a log that an incomplete removal left would be applied to the new file
            half.rename(data / name)
            sync_directory(data)
            after(f"moved {name}")
    names = [name.removesuffix(".db") for name in DATABASES]
    with _refusals():
        await drop_schemas(server, [*names, LEASE_SCHEMA.format("main")])
    after("dropped")
    return rows


@contextlib.asynccontextmanager
async def _pair(path: Path, name: str, server: str) -> AsyncIterator[tuple[Pair, PostgresDatabase]]:
    """Open both databases and migrate their tables; raises while a bridge runs on the server."""
    sqlite = SqliteDatabase(path, schema=DATABASES[name])
    place = PostgresPlace(server, name.removesuffix(".db"))
    postgres = PostgresDatabase(place, schema=DATABASES[name], leads=True)
    try:
        with _refusals():
            await postgres.open()
            await sqlite.open()
            yield Pair(sqlite, postgres), postgres
    finally:
        await sqlite.close()
        await postgres.close()


async def _empty_log(pair: Pair, path: Path) -> None:
    """Copy the write-ahead log into its file, which is then complete without it. Raises `CannotMigrate`."""
    for _ in range(LOG_TRIES):
        if await pair.empty_log():
            return
    raise CannotMigrate(f"{path}: another program reads it, and nothing was removed; let that end, and repeat this")


def _count_on(server: str, schema: str, *, versions: bool = True) -> int:
    """Count the rows of a database of ours on the server. `versions`: including that of the version."""
    passed_over = set() if versions else {VERSION_TABLE}
    with _refusals(), server_snapshot(PostgresPlace(server, schema)) as database:
        return peek_rows(database, database.tables() - passed_over)


def _count_moved(data: Path) -> int:
    """Count the rows of the files when an earlier run has moved everything. Raises `CannotMigrate` without a line."""
    if not (data / "main.db").is_file():
        raise CannotMigrate("the PostgreSQL database holds nothing of this line: there is nothing to move")
    rows = 0
    for file in (path for name in DATABASES if (path := data / name).is_file()):
        with snapshot(file) as database:
            rows += peek_rows(database, database.tables())
    return rows


def _remove(path: Path) -> None:
    """Remove a database whose log is empty, the file last: so it is complete until then, and no log is left alone."""
    for each in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"), path):
        each.unlink(missing_ok=True)
    sync_directory(path.parent)
