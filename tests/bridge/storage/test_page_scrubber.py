"""What was deleted is in no byte of a database, though nobody writes the file again, and no commit waits for its size."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import threading
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from bridge.storage import sqlite_database, sqlite_maintenance
from bridge.storage.database import Transaction
from bridge.storage.errors import Corrupt
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.sqlite_database import SqliteDatabase
from bridge.storage.sqlite_maintenance import PageScrubber, unused_ranges
from tests.bridge.deleted_rows import all_bytes, fill_and_delete, found_in
from tests.e2e.polling import STEP_TIMEOUT

pytestmark = pytest.mark.sqlite_only
TABLES = (
    "CREATE TABLE heap (name TEXT PRIMARY KEY, data BLOB, other INTEGER DEFAULT 0) WITHOUT ROWID",
    "CREATE TABLE list (n INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, data BLOB, other INTEGER DEFAULT 0)",
    "CREATE INDEX list_by_name ON list (name)",
)

PUT, DROP, CHANGE, GET = (
    {table: statement.replace("TABLE", table) for table in ("heap", "list")}
    for statement in (
        "INSERT INTO TABLE (name, data) VALUES ($1, $2)",
        "DELETE FROM TABLE WHERE name = $1",
        "UPDATE TABLE SET data = $2 WHERE name = $1",
        "SELECT data FROM TABLE WHERE name = $1",
    )
)


@pytest.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteDatabase]:
    monkeypatch.setattr(sqlite_database, "CHECKPOINT_EVERY", 20)
    own_database = SqliteDatabase(tmp_path / "main.db")
    await own_database.open()
    for table in TABLES:
        await own_database.commit(lambda transaction, table=table: transaction.execute(table))  # type: ignore[misc]
    yield own_database
    await own_database.close()


class Life:
    """Rows that come, change and go. Each holds a mark of its own, over and over; `gone`: what no byte may hold."""

    def __init__(self, database: SqliteDatabase, seed: int) -> None:
        self.database = database
        self.random = random.Random(seed)  # noqa: S311 - the same story each time
        self.marks: dict[tuple[str, str], bytes] = {}
        self.gone: list[bytes] = []

    async def commits(self, count: int) -> None:
        for _ in range(count):
            await self.database.commit(self._some_changes)

    async def touch(self) -> None:
        """Change every row that is left, and no mark."""
        await self.database.commit(lambda transaction: transaction.execute("UPDATE heap SET other = other + 1"))
        await self.database.commit(lambda transaction: transaction.execute("UPDATE list SET other = other + 1"))

    async def _some_changes(self, transaction: Transaction) -> None:
        for _ in range(self.random.randint(1, 8)):
            change = self.random.choice((self._put, self._put, self._drop, self._change))
            await (change if self.marks else self._put)(transaction)

    async def _put(self, transaction: Transaction) -> None:
        key = self.random.choice(("heap", "list")), self.random.randbytes(6).hex()
        self.marks[key], data = self._data()
        await transaction.execute(PUT[key[0]], key[1], data)

    async def _drop(self, transaction: Transaction) -> None:
        key = self.random.choice(list(self.marks))
        self.gone += [self.marks.pop(key), key[1].encode()]
        await transaction.execute(DROP[key[0]], key[1])

    async def _change(self, transaction: Transaction) -> None:
        key = self.random.choice(list(self.marks))
        self.gone.append(self.marks[key])
        self.marks[key], data = self._data()
        await transaction.execute(CHANGE[key[0]], key[1], data)

    def _data(self) -> tuple[bytes, bytes]:
        mark = self.random.randbytes(12)
        return mark, mark * self.random.randint(1, self.random.choice((1, 3, 20, 60, 90, 400)))


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_deleted_is_in_no_byte_and_the_rest_is_whole(
    database: SqliteDatabase, tmp_path: Path, seed: int
) -> None:
    """Rows, their old values, keys of an index, long ones too, of which `secure_delete` leaves some; again and again.

    What is done to rows that stay brings nothing back, also what the connection still holds in memory.
    """
    life, leftovers = Life(database, seed), 0
    life.gone += await fill_and_delete(database)
    for _ in range(4):
        await life.commits(120)
        await database.checkpoint()
        raw = all_bytes(tmp_path)
        leftovers += len(found_in(raw, life.gone))
        assert await database.vacuum()
        await life.touch()
        await database.checkpoint()
        raw = all_bytes(tmp_path)
        assert found_in(raw, life.gone) == []
        assert await database.fetchval("PRAGMA integrity_check") == "ok"
    for (table, name), mark in life.marks.items():
        data = await database.fetchval(GET[table], name)
        assert data == mark * (len(data) // len(mark)) != b""
    assert leftovers  # otherwise there was nothing to do


async def test_what_was_deleted_before_the_start_goes_too(database: SqliteDatabase, tmp_path: Path) -> None:
    """Nobody knows what changed before: the first time is for the whole file."""
    texts = await fill_and_delete(database)
    await database.close()
    raw = all_bytes(tmp_path)
    assert found_in(raw, texts)
    again = SqliteDatabase(tmp_path / "main.db")
    await again.open()
    assert await again.vacuum()
    raw = all_bytes(tmp_path)
    assert found_in(raw, texts) == []
    await again.close()


async def test_commits_beside_it_bring_nothing_back(database: SqliteDatabase, tmp_path: Path) -> None:
    """What they move while pages are overwritten is overwritten at the end."""
    life = Life(database, 6)
    await life.commits(300)
    texts = list(life.gone)
    for _ in range(5):
        vacuumed, _ = await asyncio.gather(database.vacuum(), life.commits(40))
        assert vacuumed
        raw = all_bytes(tmp_path)
        assert found_in(raw, texts) == []
        texts = list(life.gone)


async def test_nobody_waits_while_the_file_is_gone_through(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits are made in the middle of it, however large the file is; what waits at its end is for what changed since."""
    life = Life(database, 7)
    await life.commits(300)
    goes_on, has_started, page_counts = threading.Event(), threading.Event(), list[int]()
    scrub, hold = PageScrubber.scrub, sqlite_maintenance.truncate_and_scrub

    def slow(scrubber: PageScrubber, pages: Iterable[int]) -> None:
        has_started.set()
        assert goes_on.wait(STEP_TIMEOUT)
        scrub(scrubber, pages)

    def counted(writer: SqliteConnection, scrubber: PageScrubber) -> bool:
        def count(some: PageScrubber, pages: list[int]) -> None:
            page_counts.append(len(pages))
            scrub(some, pages)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PageScrubber, "scrub", count)
            return hold(writer, scrubber)

    monkeypatch.setattr(PageScrubber, "scrub", slow)
    monkeypatch.setattr(sqlite_maintenance, "truncate_and_scrub", counted)
    vacuum = asyncio.create_task(database.vacuum())
    async with asyncio.timeout(STEP_TIMEOUT):
        await asyncio.to_thread(has_started.wait, STEP_TIMEOUT)
        await database.commit(lambda transaction: transaction.execute("UPDATE heap SET other = 1 WHERE name = 'nobody'"))
        assert not vacuum.done()
        goes_on.set()
        assert await vacuum
        await database.commit(
            lambda transaction: transaction.execute("INSERT INTO list (name, data) VALUES ('one', x'01')")
        )
        assert await database.vacuum()
    pages = await database.fetchval("PRAGMA page_count")
    assert pages > 50
    assert max(page_counts) < pages // 2, page_counts


async def test_one_that_breaks_off_is_begun_again(
    database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a fault of the disk or because nobody waits for it any more: the next one goes through the whole file."""
    life = Life(database, 9)
    await life.commits(300)

    def fails(_scrubber: PageScrubber, _pages: object) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(PageScrubber, "_read_header", lambda scrubber: fails(scrubber, None))
        assert not await database.vacuum()
    has_started, goes_on, scrub = threading.Event(), threading.Event(), PageScrubber.scrub

    def slow(scrubber: PageScrubber, pages: Iterable[int]) -> None:
        has_started.set()
        assert goes_on.wait(STEP_TIMEOUT)
        scrub(scrubber, pages)

    monkeypatch.setattr(sqlite_database, "SCRUBBED_AT_ONCE", 1)
    with monkeypatch.context() as patch:
        patch.setattr(PageScrubber, "scrub", slow)
        cut_short = asyncio.create_task(database.vacuum())
        await asyncio.to_thread(has_started.wait, STEP_TIMEOUT)
        cut_short.cancel()
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await cut_short
    assert await database.vacuum()
    raw = all_bytes(tmp_path)
    assert found_in(raw, life.gone) == []


async def test_a_damaged_page_is_left_as_it_is(database: SqliteDatabase, tmp_path: Path) -> None:
    """A page that is not what the file format says is not written to, and nothing is called gone."""
    life = Life(database, 10)
    await life.commits(100)
    assert await database.checkpoint()
    path = tmp_path / "main.db"
    content = path.read_bytes()
    size = await database.fetchval("PRAGMA page_size")
    number = next(n for n in range(1, len(content) // size) if content[n * size] in {10, 13})
    with path.open("r+b") as file:
        file.seek(number * size + 3)
        file.write(b"\xff\xff")  # so many cells as no page can have
    damaged = path.read_bytes()[number * size :][:size]
    assert not await database.vacuum()
    assert path.read_bytes()[number * size :][:size] == damaged
    assert not await database.vacuum()


def tree_page(*, kind: int = 13, cells: int = 1, content: int = 500, block: int = 0) -> bytes:
    return struct.pack(">BHHH", kind, block, cells, content).ljust(512, b"\1")


def test_only_what_holds_nothing_is_named() -> None:
    """The gap between list and cells, and free blocks but for their first four bytes; nothing of pages of another kind."""
    assert unused_ranges(tree_page(), 512, first=False) == [(10, 500)]
    assert unused_ranges(tree_page(kind=5), 512, first=False) == [(14, 500)]
    assert unused_ranges(bytes(100) + tree_page(), 512, first=True) == [(110, 500)]
    for kind in (0, 1, 3, 255):
        assert unused_ranges(tree_page(kind=kind), 512, first=False) == []
    page = bytearray(tree_page(content=400, block=420))
    struct.pack_into(">HH", page, 420, 480, 30)
    struct.pack_into(">HH", page, 480, 0, 4)
    assert unused_ranges(bytes(page), 512, first=False) == [(10, 400), (424, 450), (484, 484)]


@pytest.mark.parametrize("pragma", ["auto_vacuum = FULL", "auto_vacuum = INCREMENTAL"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, pragma: str) -> None:
    """With auto_vacuum there are pages that look like others."""
    with contextlib.closing(SqliteConnection(tmp_path / "other.db")) as connection:
        connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE one (id INTEGER)")
        scrubber: Any = PageScrubber(tmp_path / "other.db")
        scrubber.open()
        with pytest.raises(Corrupt):
            scrubber.take()
    scrubber.close()
