"""Commits that share one sync of the disk: each whole and alone, none answered before it is kept."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bridge import store as stores
from bridge.store import TOGETHER, Connection, Store

TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "main.db", upgrades=())
    await made.open()
    for table in TABLES:
        await made.commit(lambda conn, table=table: conn.execute(table))  # type: ignore[misc]
    yield made
    await made.close()


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry per COMMIT."""
    made: list[int] = []
    commit = stores._Inline.commit

    async def counted(self: stores._Inline) -> None:
        made.append(1)
        await commit(self)

    monkeypatch.setattr(stores._Inline, "commit", counted)
    return made


def puts(number: int, *, fails: BaseException | None = None) -> Callable[[Connection], Awaitable[int]]:
    """Make a work that writes one row, and then perhaps fails."""

    async def work(conn: Connection) -> int:
        await conn.execute("INSERT INTO parent (id) VALUES ($1)", number)
        if fails is not None:
            raise fails
        return number

    return work


async def kept(store: Store) -> list[int]:
    """Read what is in the table."""
    return [row["id"] for row in await store.fetch("SELECT id FROM parent ORDER BY id")]


async def test_commits_that_wait_share_a_sync(store: Store, syncs: list[int]) -> None:
    """A hundred commits asked for at once need a few syncs, and each returns its own value."""
    assert await asyncio.gather(*(store.commit(puts(n)) for n in range(100))) == list(range(100))
    assert len(syncs) <= 100 // TOGETHER + 1
    assert await kept(store) == list(range(100))


async def test_a_failure_takes_back_its_own_commit_only(store: Store, syncs: list[int]) -> None:
    """One that fails among others, by an exception or by a panic, leaves nothing of itself and everything of theirs."""

    class Panic(BaseException):
        pass

    works = [puts(1), puts(2, fails=ValueError("two")), puts(3, fails=Panic()), puts(4)]
    answers = await asyncio.gather(*(store.commit(work) for work in works), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, ValueError, RuntimeError, int]
    assert await kept(store) == [1, 4]
    assert len(syncs) == 1


async def test_a_commit_sees_those_before_it(store: Store) -> None:
    """Works that share a transaction run in the order in which they were asked for, and see what the earlier wrote."""

    async def count(conn: Connection) -> int:
        return int(await conn.fetchval("SELECT COUNT(*) FROM parent"))

    works = [puts(1), count, puts(2), count]
    assert await asyncio.gather(*(store.commit(work) for work in works)) == [1, 1, 2, 2]


async def test_when_the_database_takes_all_back_nobody_is_told_otherwise(store: Store) -> None:
    """The database may roll back by itself: the earlier are told to try again, the later are kept."""

    async def taken_back(conn: Connection) -> None:
        await conn.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    works = [puts(1), taken_back, puts(3), puts(4)]
    answers = await asyncio.gather(*(store.commit(work) for work in works), return_exceptions=True)
    assert [type(answer) for answer in answers] == [sqlite3.OperationalError, sqlite3.OperationalError, int, int]
    assert await kept(store) == [3, 4]


async def test_a_refused_commit_is_refused_to_all_in_it(store: Store) -> None:
    """When the COMMIT itself fails, everybody in it is told to try again, nothing of it is kept, and the next one works."""

    async def orphan(conn: Connection) -> None:
        await conn.execute("INSERT INTO child (id) VALUES (7)")

    works = [puts(1), orphan, puts(2)]
    answers = await asyncio.gather(*(store.commit(work) for work in works), return_exceptions=True)
    assert [type(answer) for answer in answers] == [sqlite3.OperationalError] * 3
    assert await store.commit(puts(5)) == 5
    assert await kept(store) == [5]


async def test_what_was_answered_is_in_the_file(store: Store, tmp_path: Path) -> None:
    """As soon as a commit is answered, another connection finds what it wrote."""

    async def one(number: int) -> None:
        await store.commit(puts(number))
        with contextlib.closing(sqlite3.connect(tmp_path / "main.db")) as other:
            assert other.execute("SELECT 1 FROM parent WHERE id = ?", (number,)).fetchone() == (1,)

    await asyncio.gather(*(one(n) for n in range(40)))


async def test_others_have_their_turn_during_a_long_commit(store: Store) -> None:
    """A commit of thousands of statements does not stop everything else until it is done."""
    turns = 0

    async def long(conn: Connection) -> None:
        for number in range(2000):
            await conn.execute("INSERT INTO parent (id) VALUES ($1)", number)

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await store.commit(long)
    counting.cancel()
    assert turns >= 20
