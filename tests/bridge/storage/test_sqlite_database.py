"""The main database: what is kept, what is not, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bridge.storage import sqlite_connection, sqlite_database, sqlite_maintenance
from bridge.storage.database import Row, Transaction
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
from bridge.storage.page_scrubber import PageScrubber
from bridge.storage.sqlite_connection import SqliteConnection, has_wal_reset_fix, version
from bridge.storage.sqlite_database import SqliteDatabase
from tests.bridge.deleted_rows import ROWS, all_bytes, fill_and_delete, found_in
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


@pytest.mark.parametrize("name", ["line#2", "wh?y", "per%41cent", "100%", "sp ace", "ü", "a:b@c+d", "[x]"])
async def test_a_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    """The file is where it was said to be, whatever letters stand in its path, and nowhere else."""
    directory = tmp_path / name
    directory.mkdir()
    own_database = SqliteDatabase(directory / "main.db")
    await own_database.open()
    await own_database.commit(lambda transaction: transaction.execute("CREATE TABLE one (id INTEGER)"))
    assert await own_database.fetchval("SELECT COUNT(*) FROM one") == 0
    await own_database.close()
    assert files(tmp_path) == [directory / "main.db"]


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


@pytest.mark.parametrize(
    ("bytes_free", "files", "files_free", "code"),
    [
        (0, 0, 0, "SQLITE_FULL"),
        (10**9, 100, 1, "SQLITE_FULL"),
        (10**9, 100, 50, "SQLITE_CANTOPEN"),
        (10**9, 0, 0, "SQLITE_CANTOPEN"),
    ],
)
def test_a_file_that_finds_no_room_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_free: int, files: int, files_free: int, code: str
) -> None:
    """SQLite says that it cannot open a file; where the disk has no bytes or no files left, the error says that."""
    disk = SimpleNamespace(f_bavail=bytes_free, f_frsize=1, f_files=files, f_favail=files_free)
    monkeypatch.setattr("bridge.storage.sqlite_connection.os.statvfs", lambda _directory: disk)
    (tmp_path / "main.db").mkdir()
    with pytest.raises(Unavailable) as raised:
        SqliteConnection(tmp_path / "main.db").execute("SELECT * FROM sqlite_master")
    assert raised.value.code == code


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


async def test_many_callers_one_transaction_at_a_time(database: SqliteDatabase) -> None:
    """Commits asked for at once run one after another, in the order in which they were asked for."""
    inside: list[int] = []
    order: list[int] = []

    async def work(transaction: Transaction, number: int) -> None:
        inside.append(number)
        assert inside == [number]
        await put(transaction, number)
        order.append(number)
        inside.remove(number)

    await asyncio.gather(*(database.commit(lambda transaction, n=n: work(transaction, n)) for n in range(20)))  # type: ignore[misc]
    assert order == list(range(20))


@pytest.mark.parametrize(("pragma", "value"), [("secure_delete", 1), ("journal_mode", "wal")])
async def test_a_deletion_overwrites(database: SqliteDatabase, pragma: str, value: object) -> None:
    """What is deleted is overwritten; that a power cut loses no commit, `test_sqlite_database_durability` shows."""
    assert await database.commit(lambda transaction: transaction.fetchval(f"PRAGMA {pragma}")) == value


async def test_what_was_deleted_is_in_no_byte_once_it_is_rewritten(database: SqliteDatabase, tmp_path: Path) -> None:
    """Also not where a row was before its page was balanced, which `secure_delete` does not overwrite; the rest stays."""
    texts = await fill_and_delete(database)
    assert await database.vacuum()
    raw = all_bytes(tmp_path)
    assert found_in(raw, texts) == []
    assert await database.fetchval("SELECT COUNT(*) FROM litter") == ROWS - len(texts)
    assert await database.commit(put) == 1


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


async def test_tries_past_a_reader_do_not_fill_the_disk(database: SqliteDatabase, tmp_path: Path) -> None:
    """A try that cannot succeed writes nothing: else each would leave a whole copy in the log."""
    await fill_and_delete(database)
    await database.checkpoint()
    with contextlib.closing(SqliteConnection(tmp_path / "main.db")) as reader:
        reader.execute("BEGIN")
        reader.fetchval("SELECT COUNT(*) FROM litter")
        await database.commit(put)
        size = len(all_bytes(tmp_path))
        for _ in range(3):
            assert not await database.vacuum()
        assert len(all_bytes(tmp_path)) == size
        reader.execute("COMMIT")
    assert await database.vacuum()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread"), Corrupt("SQLITE_CORRUPT")])
async def test_what_breaks_between_two_commits_ends_nothing(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """No memory, no thread, a damaged page that nobody reads: that is False, and the next commit works."""

    def fails(*_args: object) -> bool:
        raise error

    for name in ("truncate_and_scrub", "truncate_wal"):
        monkeypatch.setattr(sqlite_maintenance, name, fails)
    assert not await database.vacuum()
    assert not await database.checkpoint()
    assert await database.commit(put) == 1


async def two(transaction: Transaction) -> None:
    """Step."""
    await transaction.execute("CREATE TABLE two (id INTEGER)")


async def breaks(transaction: Transaction) -> None:
    """Step."""
    await transaction.execute("CREATE TABLE three (id INTEGER)")
    raise RuntimeError


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


async def test_a_step_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """What came before it is kept, nothing of it is, and the next program goes on from there."""
    path = tmp_path / "main.db"
    await migrated(path)
    with pytest.raises(RuntimeError):
        await migrated(path, breaks)
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


async def test_values_and_rows_come_back_as_they_are(database: SqliteDatabase) -> None:
    """Every kind of value, a NUL, an index out of order; a row by name, by position, as a dict; its text shows none."""
    values = ("with a NUL \0 and ü", b"\0\xff", 2**62, 0.5, None)
    await database.commit(lambda transaction: transaction.execute("CREATE TABLE kinds (a, b, c, d, e)"))
    query = "INSERT INTO kinds VALUES ($2, $1, $4, $3, $5) RETURNING a, b AS bytes, c, d, e"
    row = await database.commit(
        lambda transaction: transaction.fetchrow(query, values[1], values[0], values[3], values[2], values[4])
    )
    assert row is not None
    assert tuple(row) == values
    assert (row["bytes"], row[0], len(row)) == (values[1], values[0], 5)
    assert dict(row) == dict(zip(("a", "bytes", "c", "d", "e"), values, strict=True))
    assert repr(row) == "<row of a, bytes, c, d, e>"
    assert await database.fetchval("SELECT b FROM kinds") == values[1]
    assert await database.fetch("SELECT a FROM kinds WHERE c IS NULL") == []
    assert await database.fetchrow("SELECT a FROM kinds WHERE c IS NULL") is None
    assert await database.fetchval("SELECT a FROM kinds WHERE c IS NULL") is None


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


async def test_readers_cannot_write(database: SqliteDatabase) -> None:
    """What is asked outside a commit changes nothing."""
    with pytest.raises(Unavailable, match="READONLY"):
        await database.fetch("DELETE FROM parent RETURNING id")


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


async def test_the_log_begins_again_in_the_checkpoint(
    database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its header is synced there, in a thread, and not in the event loop by the next commit."""
    monkeypatch.setattr(sqlite_database, "CHECKPOINT_EVERY", 20)
    threads: set[str] = set()

    def copied(writer: SqliteConnection, scrubber: PageScrubber) -> bool:
        threads.add(threading.current_thread().name)
        done = checkpoint(writer, scrubber)
        frames.append(writer.fetchrow("PRAGMA wal_checkpoint(NOOP)"))
        return done

    frames: list[Row | None] = []
    checkpoint = sqlite_maintenance.checkpoint
    monkeypatch.setattr(sqlite_maintenance, "checkpoint", copied)
    for number in range(40):
        await database.commit(lambda transaction, number=number: put(transaction, number))  # type: ignore[misc]
    assert [row["log"] for row in frames if row is not None] == [1, 1]
    assert not threads & {"MainThread"}
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 40


async def test_checkpoints_wait_for_a_pause_and_not_for_ever(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While commits wait it is put off; a line that never rests has it all the same."""
    monkeypatch.setattr(sqlite_database, "CHECKPOINT_EVERY", 5)
    monkeypatch.setattr(sqlite_database, "CHECKPOINT_AT_MOST", 30)
    after: list[int] = []

    def copied(writer: SqliteConnection, _scrubber: PageScrubber) -> bool:
        after.append(int(writer.fetchval("SELECT COUNT(*) FROM parent")))
        return True

    monkeypatch.setattr(sqlite_maintenance, "checkpoint", copied)
    await asyncio.gather(
        *(database.commit(lambda transaction, n=n: put(transaction, n)) for n in range(40))  # type: ignore[misc]
    )
    await database.checkpoint()  # behind the last of them
    assert after == [27, 40]  # three tables were made before; the rest is copied when nobody waits any more


@pytest.mark.parametrize("error", [Unavailable("SQLITE_FULL"), Corrupt("SQLITE_CORRUPT")])
async def test_a_checkpoint_that_fails_ends_nothing(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """All of it stands in the log, and is copied the next time."""
    monkeypatch.setattr(sqlite_database, "CHECKPOINT_EVERY", 1)

    def fails(_writer: SqliteConnection, _scrubber: PageScrubber) -> bool:
        raise error

    monkeypatch.setattr(sqlite_maintenance, "checkpoint", fails)
    assert [await database.commit(lambda transaction, n=n: put(transaction, n)) for n in range(3)] == [0, 1, 2]  # type: ignore[misc]


async def test_after_the_end_all_bytes_is_unavailable(tmp_path: Path) -> None:
    """Nobody waits for an answer that cannot come."""
    database = SqliteDatabase(tmp_path / "main.db")
    for _ in range(2):
        for request in (database.commit(put), database.synced(), database.fetch("SELECT 1")):
            with pytest.raises(Unavailable, match="not open"):
                await request
        assert not await database.checkpoint()
        if not (tmp_path / "main.db").exists():
            await database.open()
            await database.close()


def test_this_sqlite_loses_no_commit_at_a_checkpoint() -> None:
    """It has the WAL-reset fault no more, whichever the system's is (sqlite.org/wal.html#walresetbug)."""
    assert has_wal_reset_fix(), version()
