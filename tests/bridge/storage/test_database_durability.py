"""When a commit counts: each alone, many with one sync of the disk, and none is answered before it is kept."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bridge.storage import wal
from bridge.storage.database import Connection, Database
from tests.e2e.polling import wait_until
from tests.fakes.fake_disk import FakeDisk

TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDisk:
    made = FakeDisk(tmp_path / "main.db", tmp_path / "kept")
    made.install(monkeypatch)
    monkeypatch.setattr(wal, "CHECKPOINT_EVERY", 7)
    return made


@pytest.fixture
async def database(disk: FakeDisk) -> AsyncIterator[Database]:
    made = Database(disk.path, upgrades=())
    await made.open()
    for table in TABLES:
        await made.commit(lambda conn, table=table: conn.execute(table))  # type: ignore[misc]
    yield made
    await made.close()


def puts(number: int, *, fails: BaseException | None = None) -> Callable[[Connection], Awaitable[int]]:
    """Make a work that writes one row, and then perhaps fails."""

    async def work(conn: Connection) -> int:
        await conn.execute("INSERT INTO parent (id) VALUES ($1)", number)
        if fails is not None:
            raise fails
        return number

    return work


async def kept(database: Database) -> list[int]:
    """Read what is in the table."""
    return [row["id"] for row in await database.fetch("SELECT id FROM parent ORDER BY id")]


async def test_commits_that_wait_share_a_sync(database: Database, disk: FakeDisk) -> None:
    """A hundred commits asked for at once need a few syncs, and each returns its own value."""
    before = disk.syncs

    async def written() -> bool | None:
        return await kept(database) == list(range(100)) or None

    with disk.stalled():
        asked = [asyncio.create_task(database.commit(puts(n))) for n in range(100)]
        await wait_until("all are written", written)
        assert not any(each.done() for each in asked), "none is answered before it is on the disk"
    assert await asyncio.gather(*asked) == list(range(100))
    assert disk.syncs - before <= 2


async def test_a_power_cut_takes_back_nothing_that_was_answered(database: Database, disk: FakeDisk) -> None:
    """What was answered, or waited for, is on the disk then, also while the log is copied back; and in its order."""
    for number in range(0, 60, 3):
        await database.commit(puts(number))
        assert disk.after_a_power_cut() == list(range(number + 1))
        await database.commit(puts(number + 1), synced=False)
        assert await kept(database) == list(range(number + 2))
        await database.commit(puts(number + 2), synced=False)
        await database.synced()
        assert disk.after_a_power_cut() == list(range(number + 3))


async def test_what_needs_no_sync_does_not_wait_for_one(database: Database, disk: FakeDisk) -> None:
    """It is answered when others can read it; who asks whether it is on the disk waits, and nobody else."""
    with disk.stalled():
        assert await database.commit(puts(1), synced=False) == 1
        waiting = [asyncio.create_task(database.synced())]
        assert await database.commit(puts(2), synced=False) == 2
        assert await kept(database) == [1, 2]
        assert disk.after_a_power_cut() == []
        waiting.append(asyncio.create_task(database.synced()))
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
    await waiting[0]
    assert disk.after_a_power_cut()[:1] == [1]
    await waiting[1]
    assert disk.after_a_power_cut() == [1, 2]
    made = disk.syncs
    await database.synced()
    assert disk.syncs == made, "nothing was written since"


async def test_who_comes_in_the_middle_of_the_last_sync_is_answered_by_it(database: Database, disk: FakeDisk) -> None:
    """Nothing more is written: whoever asks while the last sync is under way does not wait for another."""
    with disk.stalled():
        await database.commit(puts(1), synced=False)
        for _ in range(10):
            await asyncio.sleep(0)
        late = asyncio.create_task(database.synced())
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await late
    assert disk.after_a_power_cut() == [1]


async def test_a_disk_that_did_not_keep_it(database: Database, disk: FakeDisk) -> None:
    """Nobody is told that anything is kept, now or later, although the disk takes more; and the process is to end."""
    lasts = asyncio.create_task(database.wait_for_disk_failure())
    await database.commit(puts(1))
    assert not lasts.done()
    disk.fails = True
    with disk.stalled():
        await database.commit(puts(2), synced=False)
        waiting = [asyncio.create_task(each) for each in (database.synced(), database.commit(puts(3)))]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [sqlite3.OperationalError] * 2
    disk.fails = False
    for again in (database.commit(puts(4)), database.commit(puts(5), synced=False), database.synced()):
        with pytest.raises(sqlite3.OperationalError):
            await again
    with pytest.raises(OSError, match="did not keep"):
        await lasts


async def test_a_failure_takes_back_its_own_commit_only(database: Database) -> None:
    """One that fails among others, by an exception or by a panic, leaves nothing of itself and everything of theirs."""

    class Panic(BaseException):
        pass

    works = [puts(1), puts(2, fails=ValueError("two")), puts(3, fails=Panic()), puts(4)]
    answers = await asyncio.gather(*(database.commit(work) for work in works), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, ValueError, RuntimeError, int]
    assert await kept(database) == [1, 4]


async def test_a_commit_sees_those_before_it(database: Database) -> None:
    """Works run in the order in which they were asked for, and see what the earlier wrote."""

    async def count(conn: Connection) -> int:
        return int(await conn.fetchval("SELECT COUNT(*) FROM parent"))

    works = [puts(1), count, puts(2), count]
    assert await asyncio.gather(*(database.commit(work) for work in works)) == [1, 1, 2, 2]


async def test_what_the_database_takes_back_by_itself(database: Database) -> None:
    """The database may roll back by itself: who asked is told, the others are kept."""

    async def taken_back(conn: Connection) -> None:
        await conn.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    works = [puts(1), taken_back, puts(3), puts(4)]
    answers = await asyncio.gather(*(database.commit(work) for work in works), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, sqlite3.OperationalError, int, int]
    assert await kept(database) == [1, 3, 4]


async def test_a_refused_commit_is_refused_to_who_asked(database: Database) -> None:
    """When the COMMIT itself fails, nothing of it is kept, and the others' works are."""

    async def orphan(conn: Connection) -> None:
        await conn.execute("INSERT INTO child (id) VALUES (7)")

    works = [puts(1), orphan, puts(2)]
    answers = await asyncio.gather(*(database.commit(work) for work in works), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, sqlite3.IntegrityError, int]
    assert await kept(database) == [1, 2]


async def test_what_was_answered_is_in_the_file(database: Database, tmp_path: Path) -> None:
    """As soon as a commit is answered, another connection finds what it wrote."""

    async def one(number: int) -> None:
        await database.commit(puts(number))
        with contextlib.closing(sqlite3.connect(tmp_path / "main.db")) as other:
            assert other.execute("SELECT 1 FROM parent WHERE id = ?", (number,)).fetchone() == (1,)

    await asyncio.gather(*(one(n) for n in range(40)))


async def test_others_have_their_turn_during_a_long_commit(database: Database) -> None:
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
    await database.commit(long)
    counting.cancel()
    assert turns >= 20
