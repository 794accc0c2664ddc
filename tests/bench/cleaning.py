"""How long a commit waits while deleted data is overwritten in a database of 200 MB."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Final

from bridge.storage.database import Transaction
from bridge.storage.sqlite_database import SqliteDatabase
from tests.bench.bench_line import BenchLine
from tests.bench.figures import Figure, quantile, spread

FULL_BYTES: Final = 200_000_000
ROW_BYTES: Final = 900
ROWS_A_COMMIT: Final = 2000
PAUSE: Final = 0.002


async def cleaning(_line: BenchLine, *, full: bool) -> list[Figure]:
    """Fill a database, delete a tenth of it, and time commits while the whole file is overwritten, and after one end."""
    with tempfile.TemporaryDirectory(prefix="quietline-cleaning-") as directory:
        database = SqliteDatabase(Path(directory) / "main.db")
        await database.open()
        try:
            return [await _measure(database, FULL_BYTES, rounds=3 if full else 1)]
        finally:
            await database.close()


async def _measure(database: SqliteDatabase, size: int, *, rounds: int) -> Figure:
    rows = size // (ROW_BYTES + 100)
    await database.commit(
        lambda transaction: transaction.execute("CREATE TABLE heap (name TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID")
    )
    rng = random.Random(1)  # noqa: S311 - the same rows each time
    for begin in range(0, rows, ROWS_A_COMMIT):
        await database.commit(lambda transaction, begin=begin: _fill(transaction, rng, begin))  # type: ignore[misc]
    await database.commit(
        lambda transaction: transaction.execute("CREATE TABLE small (n INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB)")
    )
    await database.checkpoint()
    beside: list[float] = []
    after: list[float] = []
    alone: list[float] = []
    whole: list[float] = []
    case: list[float] = []
    for number in range(rounds):
        await database.commit(lambda transaction, number=number: _drop(transaction, number))  # type: ignore[misc]
        database._scrubber.require_whole_file()
        alone += await _commits_beside(database, asyncio.create_task(asyncio.sleep(1)))
        for times, durations in ((beside, whole), (after, case)):
            started_at = time.perf_counter()
            vacuum = asyncio.create_task(database.vacuum())
            times.extend(await _commits_beside(database, vacuum))
            durations.append(time.perf_counter() - started_at)
            assert await vacuum
    return Figure(
        name="commit_beside_cleaning_max",
        unit="ms",
        value=max(beside + after) * 1000,
        ceiling=max(alone) * 1000,
        ceiling_is="the slowest of the same commits, for a second, with nothing beside them",
        aim="value <= 250",
        definition=(
            "A database of 200 MB of which a tenth was deleted: the slowest commit of one row, one after another with a "
            "pause of 2 ms, while the whole file is gone through (as after a start) and while what those commits changed "
            "is (as after an ended conversation)."
        ),
        more={
            "beside_whole_file_ms": spread(beside),
            "beside_one_case_ms": spread(after) if after else {},
            "alone_ms": spread(alone),
            "whole_file_seconds": round(quantile(whole, 0.5), 2),
            "one_case_seconds": round(quantile(case, 0.5), 3),
            "bytes": await database.fetchval("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"),
        },
    )


async def _fill(transaction: Transaction, rng: random.Random, begin: int) -> None:
    for _ in range(begin, begin + ROWS_A_COMMIT):
        await transaction.execute("INSERT INTO heap VALUES ($1, $2)", rng.randbytes(8).hex(), rng.randbytes(ROW_BYTES))


async def _drop(transaction: Transaction, number: int) -> None:
    await transaction.execute("DELETE FROM heap WHERE name LIKE $1", f"{number:x}%")


async def _commits_beside(database: SqliteDatabase, what: asyncio.Task[object]) -> list[float]:
    """Commit until `what` is done, at least once; return the duration of each commit, in seconds."""
    times: list[float] = []
    while not (times and what.done()):
        started_at = time.perf_counter()
        await database.commit(lambda transaction: transaction.execute("INSERT INTO small (data) VALUES (x'00')"))
        times.append(time.perf_counter() - started_at)
        await asyncio.sleep(PAUSE)
    return times
