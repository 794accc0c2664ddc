"""The main database: what is kept, what is not, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.storage import sqlite_connection
from bridge.storage.database import Transaction
from bridge.storage.errors import (
    Busy,
    ConstraintViolation,
    Corrupt,
    DatabaseError,
    InvalidStatement,
    Unavailable,
    UnsupportedSchema,
)
from bridge.storage.migrations import Schema, Step
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.sqlite_database import SqliteDatabase
from tests.bridge.deleted_rows import all_bytes
from tests.e2e.polling import STEP_TIMEOUT

pytestmark = pytest.mark.sqlite_only
TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE heap (data BLOB)",
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    own_database = SqliteDatabase(tmp_path / "main.db")
    await own_database.open()
    for table in TABLES:
        await own_database.commit(lambda transaction, table=table: transaction.execute(table))  # type: ignore[misc]
    yield own_database
    await own_database.close()


async def put(transaction: Transaction, number: int = 1) -> int:
    await transaction.execute("INSERT INTO parent (id) VALUES ($1)", number)
    return number


async def test_a_commit_returns_its_value_and_is_kept(database: SqliteDatabase) -> None:
    """What a commit returns comes back, and what it wrote is there."""
    assert await database.commit(put) == 1
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 1


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def test_nothing_of_a_failed_commit_is_kept(database: SqliteDatabase) -> None:
    """An exception goes to whoever asked, nothing of the work is kept, and the next commit is not touched by it."""

    async def fails(transaction: Transaction) -> None:
        await put(transaction)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.commit(fails)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 0
    assert await database.commit(put) == 1


async def test_a_refused_commit_leaves_no_transaction_open(database: SqliteDatabase) -> None:
    """When it is the COMMIT itself that fails, its work is rolled back and the next commit works."""

    async def orphan(transaction: Transaction) -> None:
        await transaction.execute("INSERT INTO child (id) VALUES (7)")

    with pytest.raises(ConstraintViolation):
        await database.commit(orphan)
    assert await database.commit(put) == 1
    assert await database.fetchval("SELECT COUNT(*) FROM child") == 0


async def test_a_full_disk_is_unavailable_and_passes(database: SqliteDatabase) -> None:
    """A database that cannot grow refuses the commit whole, keeps what was there, and works again when there is room."""
    await database.commit(put)
    pages = await database.fetchval("PRAGMA page_count")
    await database.commit(lambda transaction: transaction.fetchval(f"PRAGMA max_page_count = {pages}"))

    async def much(transaction: Transaction) -> None:
        await put(transaction, 2)
        await transaction.execute("INSERT INTO heap (data) VALUES (zeroblob(1000000))")

    with pytest.raises(Unavailable):
        await database.commit(much)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 1
    await database.commit(lambda transaction: transaction.fetchval("PRAGMA max_page_count = 100000"))
    await database.commit(much)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 2


async def test_a_commit_survives_the_cancellation_of_its_caller(database: SqliteDatabase) -> None:
    """A commit once begun is finished although its caller is cancelled in the middle of it."""
    has_started, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(transaction: Transaction) -> None:
        await put(transaction, 1)
        has_started.set()
        await goes_on.wait()
        await put(transaction, 2)

    caller = asyncio.create_task(database.commit(slow))
    await has_started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    goes_on.set()
    await database.commit(lambda transaction: put(transaction, 3))
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 3


async def test_closing_finishes_what_was_asked_for(tmp_path: Path) -> None:
    """Commits that stand in the queue are kept when the database is closed, although nobody waits for them any more."""
    database = SqliteDatabase(tmp_path / "main.db")
    await database.open()
    await database.commit(lambda transaction: transaction.execute(TABLES[0]))
    callers = [asyncio.create_task(database.commit(lambda transaction, n=n: put(transaction, n))) for n in range(5)]  # type: ignore[misc]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await database.close()
    again = SqliteDatabase(tmp_path / "main.db")
    await again.open()
    assert await again.fetchval("SELECT COUNT(*) FROM parent") == 5
    await again.close()


async def test_nobody_reads_half_a_commit(database: SqliteDatabase) -> None:
    """A read that comes in the middle of a commit waits for nobody, and sees nothing of it."""
    has_started, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(transaction: Transaction) -> None:
        await put(transaction, 1)
        has_started.set()
        await goes_on.wait()
        await put(transaction, 2)

    commit = asyncio.create_task(database.commit(slow))
    await has_started.wait()
    async with asyncio.timeout(STEP_TIMEOUT):
        assert await database.fetchval("SELECT COUNT(*) FROM parent") == 0
    goes_on.set()
    await commit
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 2


@pytest.mark.parametrize(("pragma", "value"), [("secure_delete", 1), ("journal_mode", "wal")])
async def test_a_deletion_overwrites(database: SqliteDatabase, pragma: str, value: object) -> None:
    """What is deleted is overwritten; that a power cut loses no commit, `test_sqlite_database_durability` shows."""
    assert await database.commit(lambda transaction: transaction.fetchval(f"PRAGMA {pragma}")) == value


async def test_a_rewrite_that_somebody_reads_past_is_said(database: SqliteDatabase, tmp_path: Path) -> None:
    """While a reader holds what was before, its bytes stand: that is False, never a lie; afterwards it works."""
    await database.commit(lambda transaction: transaction.execute("INSERT INTO heap VALUES ($1)", b"words to forget"))
    await database.checkpoint()
    with contextlib.closing(SqliteConnection(tmp_path / "main.db")) as reader:
        reader.execute("BEGIN")
        reader.fetchval("SELECT COUNT(*) FROM heap")
        await database.commit(lambda transaction: transaction.execute("DELETE FROM heap"))
        assert not await database.vacuum()
        assert b"words to forget" in (tmp_path / "main.db").read_bytes()
        assert await database.commit(put) == 1
        reader.execute("COMMIT")
    assert await database.vacuum()
    assert b"words to forget" not in all_bytes(tmp_path)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 1


async def two(transaction: Transaction) -> None:
    """Step."""
    await transaction.execute("CREATE TABLE two (id INTEGER)")


async def migrated(path: Path, *steps: Step) -> tuple[list[str], int]:
    """Open a file with these steps; return its tables and the number that stands in it."""
    database = SqliteDatabase(path, schema=Schema(tables=("CREATE TABLE one (id INTEGER)",), steps=steps))
    try:
        await database.open()
        tables = [row["name"] for row in await database.fetch("SELECT name FROM sqlite_master ORDER BY name")]
        return tables, await database.fetchval("SELECT version FROM quietline_version")
    finally:
        await database.close()


async def test_every_missing_step_is_taken_once(tmp_path: Path) -> None:
    """A new file gets all steps, one of before those that came since, one of today none."""
    path = tmp_path / "main.db"
    assert await migrated(path) == (["one", "quietline_version"], 1)
    assert await migrated(path, two) == (["one", "quietline_version", "two"], 2)
    assert await migrated(path, two) == (["one", "quietline_version", "two"], 2)


async def test_a_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """It is not touched."""
    path = tmp_path / "main.db"
    with contextlib.closing(SqliteConnection(path)) as file:
        file.execute("CREATE TABLE quietline_version (version INTEGER PRIMARY KEY)")
        file.execute("INSERT INTO quietline_version VALUES (999)")
    with pytest.raises(UnsupportedSchema):
        await migrated(path)
    with contextlib.closing(SqliteConnection(path, read_only=True)) as file:
        assert [row["name"] for row in file.fetch("SELECT name FROM sqlite_master")] == ["quietline_version"]


async def test_a_panic_fails_its_commit_and_nothing_else(database: SqliteDatabase) -> None:
    """What is raised past `Exception`, as a native library's panic is, reaches its caller; the next commit is made."""

    class Panic(BaseException):
        pass

    async def panics(transaction: Transaction) -> None:
        await put(transaction)
        raise Panic

    with pytest.raises(RuntimeError, match="Panic"):
        await database.commit(panics)
    async with asyncio.timeout(STEP_TIMEOUT):
        await database.commit(put)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 1


@pytest.mark.parametrize(
    ("statement", "values", "error"),
    [
        ("SELEKT secret", (), InvalidStatement),
        ("SELECT $1", (), InvalidStatement),
        ("INSERT INTO parent (id) VALUES ($1)", (1,), ConstraintViolation),
        ("INSERT INTO nowhere (id) VALUES ($1)", ("secret",), InvalidStatement),
    ],
)
async def test_an_error_names_its_reason_and_no_value(
    database: SqliteDatabase, statement: str, values: tuple[int | str, ...], error: type[DatabaseError]
) -> None:
    """The class tells what a caller can do; the text is the database's name of it, and has no cause that says more."""
    await database.commit(put)
    with pytest.raises(error) as failure:
        await database.commit(lambda transaction: transaction.execute(statement, *values))
    assert str(failure.value) in {"SQLITE_ERROR", "SQLITE_CONSTRAINT_PRIMARYKEY", "BindingsError"}
    assert (failure.value.__cause__, failure.value.__suppress_context__) == (None, True)


async def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    """Trying again would not help: that is another error than a full disk."""
    (tmp_path / "main.db").write_bytes(b"no database" * 1000)
    database = SqliteDatabase(tmp_path / "main.db")
    with pytest.raises(Corrupt):
        await database.open()
    await database.close()


async def test_a_commit_that_is_over_lets_nothing_through(database: SqliteDatabase) -> None:
    """What is kept of it afterwards cannot write into another's commit."""
    transactions: list[Transaction] = []

    async def leaks(transaction: Transaction) -> None:
        transactions.append(transaction)

    await database.commit(leaks)

    async def other(transaction: Transaction) -> None:
        with pytest.raises(RuntimeError, match="over"):
            await put(transactions[0])
        await put(transaction, 2)

    await database.commit(other)
    assert [row["id"] for row in await database.fetch("SELECT id FROM parent")] == [2]


async def test_the_rest_of_a_commit_that_was_rolled_back_is_not_kept(database: SqliteDatabase) -> None:
    """SQLite may roll back by itself at an error that the work passes over: half of a commit is none."""

    async def passes_over(transaction: Transaction) -> None:
        await put(transaction, 1)
        with contextlib.suppress(Unavailable):
            await transaction.execute("ROLLBACK")
        await put(transaction, 2)

    with pytest.raises(Unavailable, match="rolled back"):
        await database.commit(passes_over)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 0
    assert await database.commit(put) == 1


async def test_the_loop_goes_on_while_another_process_writes(
    database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit waits for the other's lock, and nobody else does."""
    monkeypatch.setattr(sqlite_connection, "BUSY_MS", 600_000)
    with contextlib.closing(SqliteConnection(tmp_path / "main.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO parent (id) VALUES (1)")
        waiting = asyncio.create_task(database.commit(lambda transaction: put(transaction, 2)))
        # Long enough for some tries; one that did not wait for the lock would fail, and be done, at once.
        for _ in range(3):
            await asyncio.sleep(0.01)
        assert not waiting.done()
        assert await database.fetchval("SELECT COUNT(*) FROM parent") == 0
        other.execute("COMMIT")
    assert await waiting == 2


async def test_another_that_does_not_end_is_busy(
    database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried for a while, then the caller may try again; the next commit works."""
    monkeypatch.setattr(sqlite_connection, "BUSY_MS", 20)
    with contextlib.closing(SqliteConnection(tmp_path / "main.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy):
            await database.commit(put)
        other.execute("ROLLBACK")
    assert await database.commit(put) == 1
