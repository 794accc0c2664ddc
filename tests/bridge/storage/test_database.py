"""The main database: what is kept, what is not, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mautrix.util.async_db import UnsupportedDatabaseVersion

from bridge.storage import sqlite
from bridge.storage.database import Connection, Database
from bridge.tables import schema
from tests.bridge.deleted_rows import ROWS, all_bytes, fill_and_delete

TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE heap (data BLOB)",
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "main.db", upgrades=())
    await made.open()
    for table in TABLES:
        await made.commit(lambda conn, table=table: conn.execute(table))  # type: ignore[misc]
    yield made
    await made.close()


async def put(conn: Connection, number: int = 1) -> int:
    await conn.execute("INSERT INTO parent (id) VALUES ($1)", number)
    return number


async def test_a_commit_returns_its_value_and_is_kept(database: Database) -> None:
    """What a commit returns comes back, and what it wrote is there."""
    assert await database.commit(put) == 1
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 1


@pytest.mark.parametrize("name", ["line#2", "wh?y", "per%41cent", "100%", "sp ace", "ü", "a:b@c+d", "[x]"])
async def test_a_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    """The file is where it was said to be, whatever letters stand in its path, and nowhere else."""
    directory = tmp_path / name
    directory.mkdir()
    made = Database(directory / "main.db", upgrades=())
    await made.open()
    await made.commit(lambda conn: conn.execute("CREATE TABLE one (id INTEGER)"))
    assert await made.fetchval("SELECT COUNT(*) FROM one") == 0
    await made.close()
    assert files(tmp_path) == [directory / "main.db"]


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def test_nothing_of_a_failed_commit_is_kept(database: Database) -> None:
    """An exception goes to whoever asked, nothing of the work is kept, and the next commit is not touched by it."""

    async def fails(conn: Connection) -> None:
        await put(conn)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.commit(fails)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 0
    assert await database.commit(put) == 1


async def test_a_refused_commit_leaves_no_transaction_open(database: Database) -> None:
    """When it is the COMMIT itself that fails, its work is rolled back and the next commit works."""

    async def orphan(conn: Connection) -> None:
        await conn.execute("INSERT INTO child (id) VALUES (7)")

    with pytest.raises(sqlite3.IntegrityError):
        await database.commit(orphan)
    assert await database.commit(put) == 1
    assert await database.fetchval("SELECT COUNT(*) FROM child") == 0


async def test_a_full_disk_is_an_operational_error_and_passes(database: Database) -> None:
    """A database that cannot grow refuses the commit whole, keeps what was there, and works again when there is room."""
    await database.commit(put)
    pages = await database.fetchval("PRAGMA page_count")
    await database.fetchval(f"PRAGMA max_page_count = {pages}")

    async def much(conn: Connection) -> None:
        await put(conn, 2)
        await conn.execute("INSERT INTO heap (data) VALUES (zeroblob(1000000))")

    with pytest.raises(sqlite3.OperationalError):
        await database.commit(much)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 1
    await database.fetchval("PRAGMA max_page_count = 100000")
    await database.commit(much)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 2


async def test_a_commit_survives_the_cancellation_of_its_caller(database: Database) -> None:
    """A commit once begun is finished although its caller is cancelled in the middle of it."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(conn: Connection) -> None:
        await put(conn, 1)
        begun.set()
        await goes_on.wait()
        await put(conn, 2)

    caller = asyncio.create_task(database.commit(slow))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    goes_on.set()
    await database.commit(lambda conn: put(conn, 3))
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 3


async def test_closing_finishes_what_was_asked_for(tmp_path: Path) -> None:
    """Commits that stand in the queue are kept when the store is closed, although nobody waits for them any more."""
    database = Database(tmp_path / "main.db", upgrades=())
    await database.open()
    await database.commit(lambda conn: conn.execute(TABLES[0]))
    callers = [asyncio.create_task(database.commit(lambda conn, n=n: put(conn, n))) for n in range(5)]  # type: ignore[misc]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await database.close()
    again = Database(tmp_path / "main.db", upgrades=())
    await again.open()
    assert await again.fetchval("SELECT COUNT(*) FROM parent") == 5
    await again.close()


async def test_nobody_reads_half_a_commit(database: Database) -> None:
    """A read that comes in the middle of a commit sees all of it or nothing."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(conn: Connection) -> None:
        await put(conn, 1)
        begun.set()
        await goes_on.wait()
        await put(conn, 2)

    commit = asyncio.create_task(database.commit(slow))
    await begun.wait()
    read = asyncio.create_task(database.fetchval("SELECT COUNT(*) FROM parent"))
    await asyncio.sleep(0.1)
    goes_on.set()
    assert await read in (0, 2)
    await commit


async def test_many_callers_one_transaction_at_a_time(database: Database) -> None:
    """Commits asked for at once run one after another, in the order in which they were asked for."""
    inside: list[int] = []
    order: list[int] = []

    async def work(conn: Connection, number: int) -> None:
        inside.append(number)
        assert inside == [number]
        await put(conn, number)
        order.append(number)
        inside.remove(number)

    await asyncio.gather(*(database.commit(lambda conn, n=n: work(conn, n)) for n in range(20)))  # type: ignore[misc]
    assert order == list(range(20))


@pytest.mark.parametrize(("pragma", "value"), [("secure_delete", 1), ("journal_mode", "wal")])
async def test_a_deletion_overwrites(database: Database, pragma: str, value: object) -> None:
    """What is deleted is overwritten (DESIGN section 5); that a power cut loses no commit, `test_store_together` shows."""
    assert await database.fetchval(f"PRAGMA {pragma}") == value


async def test_what_was_deleted_is_in_no_byte_once_it_is_rewritten(database: Database, tmp_path: Path) -> None:
    """Also not where a row was before its page was balanced, which `secure_delete` does not overwrite; the rest stays."""
    gone = await fill_and_delete(database)
    assert await database.vacuum()
    raw = all_bytes(tmp_path)
    assert not [data for data in gone if data in raw]
    assert await database.fetchval("SELECT COUNT(*) FROM litter") == ROWS - len(gone)
    assert await database.commit(put) == 1


async def test_a_rewrite_that_somebody_reads_past_is_said(database: Database, tmp_path: Path) -> None:
    """While a reader holds what was before, its bytes stand: that is False, never a lie; afterwards it works."""
    await database.commit(lambda conn: conn.execute("INSERT INTO heap VALUES ($1)", b"words to forget"))
    await database.checkpoint()
    with contextlib.closing(sqlite3.connect(tmp_path / "main.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM heap").fetchone()
        await database.commit(lambda conn: conn.execute("DELETE FROM heap"))
        assert not await database.vacuum()
        assert b"words to forget" in (tmp_path / "main.db").read_bytes()
        assert await database.commit(put) == 1
        reader.execute("COMMIT")
    assert await database.vacuum()
    assert b"words to forget" not in all_bytes(tmp_path)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 1


async def test_tries_past_a_reader_do_not_fill_the_disk(database: Database, tmp_path: Path) -> None:
    """A try that cannot succeed writes nothing: else each would leave a whole copy in the log."""
    await fill_and_delete(database)
    await database.checkpoint()
    with contextlib.closing(sqlite3.connect(tmp_path / "main.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM litter").fetchone()
        await database.commit(put)
        size = len(all_bytes(tmp_path))
        for _ in range(3):
            assert not await database.vacuum()
        assert len(all_bytes(tmp_path)) == size
        reader.execute("COMMIT")
    assert await database.vacuum()


async def test_without_room_for_a_copy_nothing_is_written(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that would take all the room there is is not begun: texts need it."""
    await fill_and_delete(database)
    await database.checkpoint()
    size = len(all_bytes(tmp_path))
    little = shutil.disk_usage(tmp_path)._replace(free=2 * size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: little)
    assert not await database.vacuum()
    assert len(all_bytes(tmp_path)) == size
    monkeypatch.undo()
    assert await database.vacuum()


async def test_a_copy_that_breaks_off_gives_its_room_back(database: Database, tmp_path: Path) -> None:
    """The log does not keep what was copied until then, and the next commit is kept."""
    await fill_and_delete(database)
    await database.checkpoint()
    size = len(all_bytes(tmp_path))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 4, limit[1]))  # the log cannot take all of the copy
    try:
        assert not await database.vacuum()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert len(all_bytes(tmp_path)) <= size
    assert await database.commit(put) == 1


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread"), sqlite3.DatabaseError("malformed")]
)
async def test_what_breaks_between_two_commits_ends_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """No memory, no thread, a damaged page that nobody reads: that is False, and the next commit works."""

    def fails(_connection: sqlite3.Connection) -> bool:
        raise error

    for name in ("vacuum", "truncate_wal"):
        monkeypatch.setattr(sqlite, name, fails)
    assert not await database.vacuum()
    assert not await database.checkpoint()
    assert await database.commit(put) == 1


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """A file that a newer version of this program wrote is not touched."""
    database = Database(tmp_path / "main.db", upgrades=(schema.upgrades,))
    await database.open()
    await database.commit(lambda conn: conn.execute("UPDATE quietline_version SET version = 999"))
    await database.close()
    again = Database(tmp_path / "main.db", upgrades=(schema.upgrades,))
    with pytest.raises(UnsupportedDatabaseVersion):
        await again.open()
    await again.close()


async def test_a_panic_fails_its_commit_and_nothing_else(database: Database) -> None:
    """What is raised past `Exception`, as a native library's panic is, reaches its caller; the next commit is made."""

    class Panic(BaseException):
        pass

    async def panics(conn: Connection) -> None:
        await put(conn)
        raise Panic

    with pytest.raises(RuntimeError, match="Panic"):
        await database.commit(panics)
    async with asyncio.timeout(5):
        await database.commit(put)
    assert await database.fetchval("SELECT COUNT(*) FROM parent") == 1
