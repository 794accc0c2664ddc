"""When a commit counts: each alone, many with one sync of the disk, and none is answered before it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bridge.storage import sqlite_database
from bridge.storage.database import Sync, Transaction
from bridge.storage.errors import Unavailable
from bridge.storage.sqlite_database import SqliteDatabase
from tests.e2e.polling import STEP_TIMEOUT, wait_until
from tests.fakes.fake_disk import FakeDisk

pytestmark = pytest.mark.sqlite_only
TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDisk:
    fake_disk = FakeDisk(tmp_path / "main.db", tmp_path / "kept")
    fake_disk.install(monkeypatch)
    monkeypatch.setattr(sqlite_database, "CHECKPOINT_EVERY", 7)
    return fake_disk


@pytest.fixture
async def database(disk: FakeDisk) -> AsyncIterator[SqliteDatabase]:
    own_database = SqliteDatabase(disk.path)
    await own_database.open()
    for table in TABLES:
        await own_database.commit(lambda transaction, table=table: transaction.execute(table))  # type: ignore[misc]
    yield own_database
    await own_database.close()


def puts(number: int, *, fails: BaseException | None = None) -> Callable[[Transaction], Awaitable[int]]:
    """Make a work that writes one row, and then perhaps fails."""

    async def work(transaction: Transaction) -> int:
        await transaction.execute("INSERT INTO parent (id) VALUES ($1)", number)
        if fails is not None:
            raise fails
        return number

    return work


async def kept(database: SqliteDatabase) -> list[int]:
    """Read what is in the table."""
    return [row["id"] for row in await database.fetch("SELECT id FROM parent ORDER BY id")]


async def test_commits_that_wait_share_a_sync(database: SqliteDatabase, disk: FakeDisk) -> None:
    """A hundred commits asked for at once need a few syncs, and each returns its own value."""
    before = disk.syncs

    async def written() -> bool | None:
        return await kept(database) == list(range(100)) or None

    with disk.stalled():
        commits = [asyncio.create_task(database.commit(puts(n))) for n in range(100)]
        await wait_until("all are written", written)
        assert not any(each.done() for each in commits), "none is answered before it is on the disk"
    assert await asyncio.gather(*commits) == list(range(100))
    assert disk.syncs - before <= 2


async def test_a_power_cut_takes_back_nothing_that_was_answered(database: SqliteDatabase, disk: FakeDisk) -> None:
    """What was answered, or waited for, is on the disk then, also while the log is copied back; and in its order."""
    for number in range(0, 60, 3):
        await database.commit(puts(number))
        assert disk.after_a_power_cut() == list(range(number + 1))
        await database.commit(puts(number + 1), sync=Sync.BEGIN)
        assert await kept(database) == list(range(number + 2))
        await database.commit(puts(number + 2), sync=Sync.BEGIN)
        await database.synced()
        assert disk.after_a_power_cut() == list(range(number + 3))


async def test_what_needs_no_sync_does_not_wait_for_one(database: SqliteDatabase, disk: FakeDisk) -> None:
    """It is answered when others can read it; who asks whether it is on the disk waits, and nobody else."""
    with disk.stalled():
        assert await database.commit(puts(1), sync=Sync.BEGIN) == 1
        waiting = [asyncio.create_task(database.synced())]
        assert await database.commit(puts(2), sync=Sync.BEGIN) == 2
        assert await kept(database) == [1, 2]
        assert disk.after_a_power_cut() == []
        waiting.append(asyncio.create_task(database.synced()))
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
    await waiting[0]
    assert disk.after_a_power_cut()[:1] == [1]
    await waiting[1]
    assert disk.after_a_power_cut() == [1, 2]
    syncs_before = disk.syncs
    await database.synced()
    assert disk.syncs == syncs_before, "nothing was written since"


async def test_a_deferred_commit_is_on_the_disk_after_a_stop(database: SqliteDatabase, disk: FakeDisk) -> None:
    """Closing waits for no timer and leaves nothing unsynced."""
    await database.commit(puts(1), sync=Sync.DEFER)
    await database.close()
    assert disk.after_a_power_cut() == [1]


async def test_a_disk_that_did_not_keep_it(database: SqliteDatabase, disk: FakeDisk) -> None:
    """Nobody is told that anything is kept, now or later, although the disk takes more; and the process is to end."""
    lost = asyncio.create_task(database.wait_for_failure())
    await database.commit(puts(1))
    assert not lost.done()
    disk.fails = True
    with disk.stalled():
        await database.commit(puts(2), sync=Sync.BEGIN)
        waiting = [asyncio.create_task(each) for each in (database.synced(), database.commit(puts(3)))]
        await asyncio.sleep(0)
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 2
    disk.fails = False
    for again in (database.commit(puts(4)), database.commit(puts(5), sync=Sync.BEGIN), database.synced()):
        with pytest.raises(Unavailable):
            await again
    with pytest.raises(OSError, match="did not keep"):
        await lost


async def _told(commit: Awaitable[int]) -> int | type[Exception]:
    try:
        return await commit
    except Unavailable as refused:
        return type(refused)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError(), KeyError()])
async def test_whatever_ends_the_syncing_ends_the_line(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """No commit waits for ever: who waits and who comes is told, and so is the process, with what it was."""
    lost = asyncio.create_task(database.wait_for_failure())
    await database.commit(puts(1))
    assert not lost.done()

    async def fails() -> None:
        raise error

    monkeypatch.setattr(database._wal, "sync", fails)
    async with asyncio.timeout(STEP_TIMEOUT):
        for request in (database.commit(puts(2)), database.commit(puts(3)), database.synced()):
            with pytest.raises(Unavailable):
                await request
        with pytest.raises(type(error)):
            await lost
        await database.close()


async def test_a_failure_takes_back_its_own_commit_only(database: SqliteDatabase) -> None:
    """One that fails among others, by an exception or by a panic, leaves nothing of itself and all_bytes of theirs."""

    class Panic(BaseException):
        pass

    works = [puts(1), puts(2, fails=ValueError("two")), puts(3, fails=Panic()), puts(4)]
    answers = await asyncio.gather(*(database.commit(work) for work in works), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, ValueError, RuntimeError, int]
    assert await kept(database) == [1, 4]


async def test_others_have_their_turn_during_a_long_commit(database: SqliteDatabase) -> None:
    """A commit of thousands of statements does not stop all_bytes else until it is done."""
    turns = 0

    async def long(transaction: Transaction) -> None:
        for number in range(2000):
            await transaction.execute("INSERT INTO parent (id) VALUES ($1)", number)

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await database.commit(long)
    counting.cancel()
    assert turns >= 20
