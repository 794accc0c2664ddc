"""The main database on a PostgreSQL server: what is kept, what is not, and what the loss of the server leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from bridge.storage import postgres_database, postgres_transaction
from bridge.storage.database import Sync, Transaction, Work, attempt
from bridge.storage.errors import (
    Busy,
    ConstraintViolation,
    DatabaseError,
    InUse,
    InvalidStatement,
    Unavailable,
    UnsuitableServer,
    UnsupportedSchema,
)
from bridge.storage.migrations import Schema, Step
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.storage.postgres_database import PostgresDatabase, ServerLog
from tests.e2e.polling import STEP_TIMEOUT
from tests.fakes.database_engine import place_of
from tests.fakes.postgres_server import PostgresServer, bridge_server, running_postgres
from tests.outside_programs import OutsidePrograms

TABLES = (
    "CREATE TABLE parent (id BIGINT PRIMARY KEY)",
    "CREATE TABLE child (id BIGINT REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
)
NUMBERS = count(1000)


@pytest.fixture
def place(postgres_server: PostgresServer, tmp_path: Path) -> PostgresPlace:
    return place_of(tmp_path / "main.db", postgres_server.url("postgres"))


@pytest.fixture
async def database(place: PostgresPlace) -> AsyncIterator[PostgresDatabase]:
    own_database = PostgresDatabase(place)
    await own_database.open()
    for table in TABLES:
        await own_database.commit(lambda transaction, table=table: transaction.execute(table))  # type: ignore[misc]
    yield own_database
    await own_database.close()


def put(number: int = 1) -> Callable[[Transaction], Awaitable[int]]:
    async def work(transaction: Transaction) -> int:
        await transaction.execute("INSERT INTO parent (id) VALUES ($1)", number)
        return number

    return work


async def kept(database: PostgresDatabase) -> list[int]:
    return [row["id"] for row in await database.fetch("SELECT id FROM parent ORDER BY id")]


async def test_a_server_that_ends_idle_sessions_ends_none_of_ours(postgres_server: PostgresServer) -> None:
    """Its owner's setting for the database; ours are idle for hours at night, and the loss of one ends the bridge."""
    url = postgres_server.make_database("idle")
    postgres_server.execute("idle", "ALTER DATABASE idle SET idle_session_timeout = '1s'")
    connection = await connect(PostgresPlace(url, "main"))
    try:
        assert await connection.fetchval("SHOW idle_session_timeout") == "0"
    finally:
        await connection.close()


async def test_a_commit_returns_its_value_and_is_kept(database: PostgresDatabase) -> None:
    """What a commit returns comes back, and what it wrote is there; rows are asked by name, by place and in their order."""
    assert await database.commit(put()) == 1
    row = await database.fetchrow("SELECT id, 'words' AS said, id IS NULL AS no FROM parent")
    assert row is not None
    assert (row["id"], row[1], list(row), row.keys(), dict(row)["said"]) == (
        1, "words", [1, "words", False], ["id", "said", "no"], "words",
    )  # fmt: skip
    assert "words" not in repr(row)
    assert await database.fetchrow("SELECT 1 FROM parent WHERE id = $1", 7) is None
    assert await database.fetchval("SELECT SUM(id) FROM parent") == 1


async def test_a_refused_commit_leaves_no_transaction_open(database: PostgresDatabase) -> None:
    """When it is the COMMIT itself that fails, its work is rolled back and the next commit works."""
    with pytest.raises(ConstraintViolation):
        await database.commit(lambda transaction: transaction.execute("INSERT INTO child (id) VALUES (7)"))
    assert await database.commit(put()) == 1
    assert await database.fetchval("SELECT COUNT(*) FROM child") == 0


async def test_the_rest_of_a_commit_that_failed_is_not_kept(database: PostgresDatabase) -> None:
    """PostgreSQL ends a transaction at an error that the work passes over: half of a commit is none, and that is said."""

    async def passes_over(transaction: Transaction) -> None:
        await put(1)(transaction)
        with contextlib.suppress(ConstraintViolation):
            await transaction.fetchval("INSERT INTO parent (id) VALUES (1) RETURNING id")

    async def goes_on(transaction: Transaction) -> None:
        await passes_over(transaction)
        await put(2)(transaction)

    for work in (passes_over, goes_on):
        with pytest.raises(Unavailable):
            await database.commit(work)
    assert await kept(database) == []


async def test_a_part_of_a_commit_may_fail_alone(database: PostgresDatabase) -> None:
    """Within a savepoint an error takes back what came since, and the rest of the commit is kept."""

    async def whole(transaction: Transaction) -> type[Exception]:
        await put(1)(transaction)
        failed = await attempt(transaction, lambda part: part.execute("INSERT INTO parent (id) VALUES (2), (1)"))
        await put(3)(transaction)
        return type(failed)  # type: ignore[return-value]  # None's is none

    assert await database.commit(whole) is ConstraintViolation
    assert await kept(database) == [1, 3]


async def test_a_commit_survives_the_cancellation_of_its_caller(database: PostgresDatabase) -> None:
    """A commit once begun is finished although its caller is cancelled in its middle; a read beside it sees nothing."""
    has_started, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(transaction: Transaction) -> None:
        await put(1)(transaction)
        has_started.set()
        await goes_on.wait()
        await put(2)(transaction)

    caller = asyncio.create_task(database.commit(slow))
    await has_started.wait()
    async with asyncio.timeout(STEP_TIMEOUT):
        assert await kept(database) == []
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    goes_on.set()
    await database.commit(put(3))
    assert await kept(database) == [1, 2, 3]


async def test_many_callers_one_transaction_at_a_time(database: PostgresDatabase) -> None:
    """Commits asked for at once run one after another, in the order in which they were asked for, also those unsynced."""
    inside: list[int] = []
    order: list[int] = []
    called: list[int] = []

    async def work(transaction: Transaction, number: int) -> None:
        inside.append(number)
        assert inside == [number]
        await put(number)(transaction)
        order.append(number)
        transaction.after_commit(lambda: called.append(number))
        inside.remove(number)

    await asyncio.gather(
        *(database.commit(partial(work, number=n), sync=Sync.BEGIN if n % 2 else Sync.AWAIT) for n in range(20))
    )
    assert order == called == list(range(20))


async def test_a_commit_that_fails_behind_another_takes_nothing_of_it(database: PostgresDatabase) -> None:
    """Not when its work fails before it has asked anything, nor after, nor when the server refuses it at its end."""

    async def fails(_transaction: Transaction) -> int:
        raise RuntimeError

    async def asks_and_fails(transaction: Transaction) -> int:
        await put(7)(transaction)
        await transaction.fetchval("SELECT 1")
        raise RuntimeError

    def asks_and_puts(number: int) -> Work[int]:
        async def work(transaction: Transaction) -> int:
            await transaction.fetchval("SELECT 1")  # which goes along with the COMMIT before it
            return await put(number)(transaction)

        return work

    works: tuple[tuple[Work[int], type[Exception]], ...]
    works = ((fails, RuntimeError), (asks_and_fails, RuntimeError), (asks_and_puts(1), ConstraintViolation))
    for number, (failing, error) in enumerate(works, 1):
        async with asyncio.timeout(STEP_TIMEOUT):
            first, second, third = await asyncio.gather(
                database.commit(put(number)),
                database.commit(failing),
                database.commit(asks_and_puts(number + 10)),
                return_exceptions=True,
            )
        assert (first, type(second), third) == (number, error, number + 10)
    assert await kept(database) == [1, 2, 3, 11, 12, 13]


async def test_commits_that_wait_for_the_writer_share_a_sync(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for them, for a moment at most, and for nothing where none waits."""
    monkeypatch.setattr(postgres_database, "GATHER_SECONDS", 3600.0)
    kept_syncs, syncs = ServerLog.sync, list[ServerLog]()

    async def sync(server_log: ServerLog) -> None:
        await kept_syncs(server_log)
        syncs.append(server_log)

    monkeypatch.setattr(ServerLog, "sync", sync)
    database = PostgresDatabase(place)
    await database.open()
    await database.commit(lambda transaction: transaction.execute(TABLES[0]))
    before = len(syncs)
    assert await asyncio.gather(*(database.commit(put(number)) for number in range(40))) == list(range(40))
    assert len(syncs) == before + 1
    await database.commit(put(40))
    assert len(syncs) == before + 2
    await database.close()


@pytest.mark.parametrize(
    ("statement", "values", "error"),
    [
        ("INSERT INTO parent (id) VALUES ($1)", (1,), ConstraintViolation),
        ("INSERT INTO secret_words (id) VALUES ($1)", (1,), InvalidStatement),
        ("INSERT INTO parent (id) VALUES ($1)", ("secret words",), InvalidStatement),
        ("INSERT INTO parent (id) VALUES ($1)", (1, 2), InvalidStatement),
        ("INSERT INTO parent (id) VALUES (LENGTH($1))", ("secret words\0",), InvalidStatement),
        ("INSERT INTO parent (id) VALUES (LENGTH($1))", ("secret words\ud800",), InvalidStatement),
        ("SET LOCAL transaction_read_only = on; INSERT INTO parent (id) VALUES (2)", (), Unavailable),
    ],
)
async def test_an_error_names_its_reason_and_no_value(
    database: PostgresDatabase, statement: str, values: tuple[int | str, ...], error: type[DatabaseError]
) -> None:
    """The class tells what a caller can do; the text is the server's code, and has no cause that says more."""
    await database.commit(put())
    with pytest.raises(error) as failure:
        await database.commit(lambda transaction: transaction.execute(statement, *values))
    assert "secret" not in str(failure.value)
    assert (failure.value.__cause__, failure.value.__suppress_context__) == (None, True)
    assert await database.commit(put(7)) == 7


async def test_a_commit_that_is_over_lets_nothing_through(database: PostgresDatabase) -> None:
    """What is kept of it afterwards cannot write into another's commit."""
    transactions: list[Transaction] = []

    async def leaks(transaction: Transaction) -> None:
        transactions.append(transaction)

    await database.commit(leaks)

    async def other(transaction: Transaction) -> None:
        with pytest.raises(RuntimeError, match="over"):
            await put(1)(transactions[0])
        await put(2)(transaction)

    await database.commit(other)
    assert await kept(database) == [2]


async def test_who_writes_beside_is_waited_for(
    database: PostgresDatabase, place: PostgresPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command's commit and the bridge's come one after the other; one that does not end is `Busy`, and the next works."""
    impatient = await connect(place, lock_ms=50)
    monkeypatch.setattr(postgres_database, "IDLE_MS", 60_000)
    has_started, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(transaction: Transaction) -> None:
        await transaction.fetchval("SELECT 1")
        has_started.set()
        await goes_on.wait()
        await put(1)(transaction)

    beside = PostgresDatabase(place)
    await beside.open()
    first = asyncio.create_task(beside.commit(slow))
    await has_started.wait()
    second = asyncio.create_task(database.commit(put(2)))
    with pytest.raises(Busy):
        await postgres_transaction.transact(impatient, place.lock("commit"), put(3))
    assert not second.done()
    goes_on.set()
    await first
    assert await second == 2
    assert await postgres_transaction.transact(impatient, place.lock("commit"), put(3)) == 3
    assert await kept(database) == [1, 2, 3]
    await impatient.close()
    await beside.close()


async def two(transaction: Transaction) -> None:
    await transaction.execute("CREATE TABLE two (id BIGINT)")


async def breaks(transaction: Transaction) -> None:
    await transaction.execute("CREATE TABLE three (id BIGINT)")
    raise RuntimeError


async def migrated(place: PostgresPlace, *steps: Step) -> tuple[list[str], int]:
    """Open with these steps; return the tables and the number that stands beside them."""
    database = PostgresDatabase(place, schema=Schema(tables=("CREATE TABLE one (id BIGINT)",), steps=steps))
    try:
        await database.open()
        tables = await database.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
        )
        return [row["tablename"] for row in tables], await database.fetchval("SELECT version FROM quietline_version")
    finally:
        await database.close()


async def test_every_missing_step_is_taken_once(place: PostgresPlace) -> None:
    """A new schema gets all steps, one that breaks off leaves nothing, and what a newer program wrote is not changed."""
    assert await migrated(place) == (["one", "quietline_version"], 1)
    with pytest.raises(RuntimeError):
        await migrated(place, breaks)
    for _ in range(2):
        assert await migrated(place, two) == (["one", "quietline_version", "two"], 2)
    with pytest.raises(UnsupportedSchema):
        await migrated(place)


async def test_one_bridge_at_a_time(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one on the same database does not start, on whichever machine; a command beside the first may write."""
    monkeypatch.setattr(postgres_database, "LEADER_MS", 50)
    first, second, beside = (
        PostgresDatabase(place, leads=True),
        PostgresDatabase(place, leads=True),
        PostgresDatabase(place),
    )
    await first.open()
    with pytest.raises(InUse):
        await second.open()
    await beside.open()
    assert await beside.commit(lambda transaction: transaction.fetchval("SELECT 1")) == 1
    await beside.close()
    await first.close()
    await second.open()
    await second.close()


async def test_a_server_that_cannot_be_used_is_told_from_one_that_is_away(
    postgres_server: PostgresServer, place: PostgresPlace
) -> None:
    """Encoding, order of text, password and name of the database are for a technician; a server that is away may come."""
    server = await connect(place)
    await server.run("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    await server.run(
        "CREATE DATABASE words ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C.UTF-8' TEMPLATE template0"
    )
    await server.run("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    await server.close()
    cases = {
        postgres_server.url("ascii"): "encoding",
        postgres_server.url("words"): "collation",
        postgres_server.url("nowhere"): "3D000",
        postgres_server.url("postgres", password="wrong"): "28P01",
        postgres_server.url("postgres", user="guest", password="guest"): "42501",
    }
    for url, reason in cases.items():
        with pytest.raises(UnsuitableServer, match=reason):
            await PostgresDatabase(replace(place, url=url)).open()
    with pytest.raises(Unavailable) as away:
        await PostgresDatabase(replace(place, url="postgresql://nobody:secret@127.0.0.1:1/none")).open()
    assert "secret" not in f"{away.value}{away.value.__cause__}{replace(place, url='secret')!r}"


async def test_before_and_after_it_is_unavailable(place: PostgresPlace) -> None:
    """Nobody waits for an answer that cannot come."""
    database = PostgresDatabase(place)
    for _ in range(2):
        for request in (database.commit(put()), database.synced(), database.fetch("SELECT 1")):
            with pytest.raises(Unavailable, match="not open"):
                await request
        assert not await database.checkpoint()
        assert not await database.vacuum()
        await database.open()
        assert await database.checkpoint()
        assert await database.vacuum()
        await database.close()


@pytest.fixture
def own_server(outside_programs: OutsidePrograms) -> Iterator[PostgresServer]:
    """Start a server that the test may break."""
    with running_postgres(outside_programs) as server:
        yield bridge_server(server)


async def test_a_crash_of_the_server_takes_back_nothing_that_was_answered(own_server: PostgresServer) -> None:
    """Its memory is lost in the middle of commits: what was answered is there afterwards, and nothing out of order.

    Who waited hears of it, and the line ends: what it has in memory may be later than what the server has.
    """
    place = PostgresPlace(own_server.url("postgres"), "line")
    database = PostgresDatabase(place)
    await database.open()
    await database.commit(lambda transaction: transaction.execute(TABLES[0]))
    confirmed, amid = [-1], asyncio.Event()

    async def write(number: int) -> None:
        await database.commit(put(number), sync=Sync.BEGIN if number % 3 else Sync.AWAIT)
        if number % 3 == 0:
            confirmed.append(number)
        if number == 300:
            amid.set()

    tasks = [asyncio.create_task(write(number)) for number in range(3000)]
    await amid.wait()
    await asyncio.to_thread(own_server.crash)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {type(None), Unavailable}
    # The sync itself may have met the connection as it went.
    with pytest.raises((OSError, Unavailable)):
        await database.wait_for_failure()
    with pytest.raises(Unavailable):
        await database.commit(put(9999))
    await database.close()
    await asyncio.to_thread(own_server.start)
    again = PostgresDatabase(place)
    await again.open()
    numbers = await kept(again)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > max(confirmed)
    await again.close()
