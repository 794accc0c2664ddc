"""Both database engines in one run: commits, and texts through the bridge without a homeserver.

Rules of this module: the two take turns, round by round, on one disk, so that the machine's load affects both equally;
PostgreSQL is configured as for a real line (with `fsync`), and reached by loopback. SQLite is the ceiling.

Run alone: `python -P -m tests.bench.engines`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from bridge.storage.database import Transaction
from bridge.storage.postgres_connection import PostgresPlace
from bridge.storage.postgres_database import PostgresDatabase
from bridge.storage.sqlite_database import SqliteDatabase
from tests.bench.figures import Figure, machine, quantile, spread
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import VARIABLE, AnyDatabase
from tests.fakes.postgres_server import SUPERUSER, PostgresServer, bridge_server, running_postgres
from tests.outside_programs import OutsidePrograms

SETTINGS: Final = ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=128MB", "max_connections=50")
NAMES: Final = ("SQLite", "PostgreSQL")
ROUNDS, ONE_BY_ONE, CROWD, IN_FLIGHT = 6, 60, 600, 64
TEXTS, HANDSETS = 200, 40
_numbers = itertools.count(1)


async def _work(transaction: Transaction) -> int:
    """Write what a text writes: one query, two inserts, one update."""
    number = next(_numbers)
    await transaction.fetchrow("SELECT n FROM bench_text WHERE n = $1", number)
    await transaction.execute("INSERT INTO bench_seen (hash, until) VALUES ($1, $2)", number.to_bytes(16), number)
    stored_number = await transaction.fetchval(
        "INSERT INTO bench_text (n, body) VALUES ($1, $2) RETURNING n", number, bytes(400)
    )
    await transaction.execute("UPDATE bench_thread SET aggregate = $1 WHERE id = $2", bytes(1500), "t")
    return int(stored_number)


async def _tables(transaction: Transaction) -> None:
    blob = transaction.dialect.blob
    await transaction.execute(f"CREATE TABLE bench_seen (hash {blob} PRIMARY KEY, until BIGINT NOT NULL)")
    await transaction.execute(f"CREATE TABLE bench_text (n BIGINT PRIMARY KEY, body {blob} NOT NULL)")
    await transaction.execute(f"CREATE TABLE bench_thread (id TEXT PRIMARY KEY, aggregate {blob} NOT NULL)")
    await transaction.execute("INSERT INTO bench_thread (id, aggregate) VALUES ('t', $1)", b"")


async def _one_by_one(database: AnyDatabase) -> list[float]:
    durations = []
    for _ in range(ONE_BY_ONE):
        started_at = time.perf_counter()
        await database.commit(_work)
        durations.append(time.perf_counter() - started_at)
    return durations


async def _crowd(database: AnyDatabase) -> float:
    """Return commits a second, with many requested at once."""
    free = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with free:
            await database.commit(_work)

    started_at = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CROWD)))
    return CROWD / (time.perf_counter() - started_at)


async def _texts(harness: BridgeHarness) -> float:
    """Return texts a second, from the webhook until nothing of them waits."""
    free, started_at = asyncio.Semaphore(IN_FLIGHT), time.perf_counter()

    async def one(number: int) -> None:
        async with free:
            sender = f"+1206555{number % HANDSETS:04}"
            await harness.receive_text("words of some length", message_id=f"m{next(_numbers)}", sender=sender)

    await asyncio.gather(*(one(number) for number in range(TEXTS)))
    await harness.wait_until_drained()
    return TEXTS / (time.perf_counter() - started_at)


@asynccontextmanager
async def synced_postgres() -> AsyncIterator[PostgresServer | None]:
    """Run a server that is configured as for a real line; None if there is none."""
    with running_postgres(OutsidePrograms(missing=[])) as postgres:
        if postgres is None:
            yield None
            return
        server = bridge_server(postgres)
        server.stop()
        server.start(*SETTINGS)
        yield server


async def engines(directory: Path) -> list[Figure]:
    """Measure both; return no figure if there is no PostgreSQL."""
    async with AsyncExitStack() as stack:
        if (server := await stack.enter_async_context(synced_postgres())) is None:
            return []
        databases: list[AnyDatabase] = [
            SqliteDatabase(directory / "bench.db"),
            PostgresDatabase(PostgresPlace(server.url(SUPERUSER), "bench")),
        ]
        harnesses = []
        for name, database in zip(NAMES, databases, strict=True):
            await database.open()
            stack.push_async_callback(database.close)
            await database.commit(_tables)
            (directory / name).mkdir()
            harness = BridgeHarness(directory / name)
            if name == "PostgreSQL":
                os.environ[VARIABLE] = server.url(SUPERUSER)
            try:
                await harness.open()
            finally:
                os.environ.pop(VARIABLE, None)
            stack.push_async_callback(harness.close)
            await harness.run()
            harnesses.append(harness)
        alone: list[list[float]] = [[], []]
        crowd: list[list[float]] = [[], []]
        texts: list[list[float]] = [[], []]
        for _ in range(ROUNDS + 1):
            for n, database in enumerate(databases):
                alone[n] += await _one_by_one(database)
                crowd[n].append(await _crowd(database))
                texts[n].append(await _texts(harnesses[n]))
    return _figures([each[ONE_BY_ONE:] for each in alone], [each[1:] for each in crowd], [each[1:] for each in texts])


def _figures(alone: Sequence[list[float]], crowd: Sequence[list[float]], texts: Sequence[list[float]]) -> list[Figure]:
    return [
        Figure(
            name="engine_commit_p50",
            unit="ms",
            value=quantile(alone[1], 0.5) * 1000,
            ceiling=quantile(alone[0], 0.5) * 1000,
            ceiling_is="SQLite, in turns with it",
            aim="<= 1.25 x",
            definition=f"A commit of four statements, until it is on the disk; {ROUNDS} rounds of {ONE_BY_ONE}.",
            more={"sqlite_ms": spread(alone[0]), "postgresql_ms": spread(alone[1])},
        ),
        *(
            Figure(
                name=name,
                unit="1/s",
                value=quantile(rates[1], 0.5),
                ceiling=quantile(rates[0], 0.5),
                ceiling_is="SQLite, in turns with it",
                aim=">= 0.9 x",
                definition=definition,
                more={"sqlite_rounds": [round(x) for x in rates[0]], "postgresql_rounds": [round(x) for x in rates[1]]},
            )
            for name, rates, definition in (
                (
                    "engine_commits",
                    crowd,
                    f"Such commits, {IN_FLIGHT} asked for at once, {CROWD} a round; the median round.",
                ),
                (
                    "engine_texts",
                    texts,
                    f"{TEXTS} texts of {HANDSETS} handsets through webhook and engine, rooms on paper.",
                ),
            )
        ),
    ]


def main() -> None:
    """Measure, and print as JSON."""
    with tempfile.TemporaryDirectory(prefix="quietline-engines-") as directory:
        path = Path(directory)
        report = {"before": machine(path), "figures": [figure.as_json() for figure in asyncio.run(engines(path))]}
        sys.stdout.write(json.dumps({**report, "after": machine(path)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
