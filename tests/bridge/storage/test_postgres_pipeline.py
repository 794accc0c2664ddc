"""The writing connection: what is said reaches the server in its order and comes back as it was; what ends it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.storage.errors import InvalidStatement, Unavailable
from bridge.storage.postgres_connection import PostgresConnection, connect
from bridge.storage.postgres_messages import Flight
from bridge.storage.postgres_pipeline import PostgresPipeline
from tests.fakes.database_engine import place_of
from tests.fakes.postgres_server import PostgresServer

READY = b"Z\0\0\0\5"
"""How the server's last message of an answer begins; a letter follows (ReadyForQuery)."""


@pytest.fixture
async def connection(postgres_server: PostgresServer, tmp_path: Path) -> PostgresConnection:
    own_connection = await connect(place_of(tmp_path / "main.db", postgres_server.url("postgres")))
    await own_connection.run("CREATE TEMP TABLE t (n BIGINT, b BYTEA, s TEXT, f DOUBLE PRECISION, y BOOLEAN)")
    return own_connection


@pytest.fixture
async def pipeline(connection: PostgresConnection) -> AsyncIterator[PostgresPipeline]:
    own_pipeline = connection.take_pipeline()
    yield own_pipeline
    await own_pipeline.close()


ROWS: list[tuple[Any, ...]] = [
    (1, b"\0\xff'\\", "it's \\ ünï 🛑 \u2028", 1.5, True),
    (-(2**63), b"", "", -0.1, False),
    (2**63 - 1, bytes(range(256)) * 8192, "x" * 300_000, 1e300, None),
    (None, None, None, None, None),
]


async def test_every_value_comes_back_as_it_was(pipeline: PostgresPipeline) -> None:
    """Whole numbers, bytes, text, fractions, truths and NULL, small and large, deferred and asked for."""
    for row in ROWS:
        await pipeline.defer("INSERT INTO t VALUES ($1, $2, $3, $4, $5)", *row)
    rows = await pipeline.fetch("SELECT * FROM t")
    assert [tuple(row) for row in rows] == ROWS
    assert (rows[0]["s"], rows[0][0], len(rows[0]), rows[0].keys()) == (ROWS[0][2], 1, 5, ["n", "b", "s", "f", "y"])
    assert dict(rows[0])["y"] is True
    assert ROWS[0][2] not in repr(rows[0])
    assert await pipeline.fetchval("SELECT SUM(n) FROM t WHERE n IN ($1, $2)", 1, True) == 1
    assert await pipeline.fetchval("SELECT n FROM t WHERE s = $1", "nowhere") is None
    assert await pipeline.fetchrow("SELECT n FROM t WHERE y = $1", False) is not None


async def test_a_time_with_a_fraction_is_compared_with_one_without(pipeline: PostgresPipeline) -> None:
    """As a whole number: times of ours have a fraction, and some columns of times have none."""
    for value, expected in ((1811751000.0, True), (1811751000.9, True), (1811751001.0, False), (-0.5, True)):
        assert await pipeline.fetchval("SELECT 1811751000::bigint >= $1", value) is expected
        assert (await pipeline.ask("SELECT 1811751000::bigint >= $1 AS it", value))[0]["it"] is expected
    with pytest.raises(InvalidStatement):
        await pipeline.ask("SELECT 1::bigint >= $1", float("inf"))


async def test_what_was_said_is_done_in_its_order(pipeline: PostgresPipeline) -> None:
    """Also where a statement is new to the connection in the middle, and where the server has to drop some."""
    for number in range(40):
        await pipeline.defer(f"INSERT INTO t (n) VALUES ($1 + {number})", 0)  # noqa: S608 - another statement each time
        await pipeline.defer("UPDATE t SET f = n WHERE n = $1", number)
    assert await pipeline.fetchval("SELECT COUNT(*) FROM t WHERE f = n") == 40


async def test_rows_that_nobody_waits_for_come_with_the_next_answer(pipeline: PostgresPipeline) -> None:
    """Each list has its own: of the first statement, of one that finds nothing, of many; new ones too."""
    first = await pipeline.later("INSERT INTO t (n) VALUES ($1) RETURNING n", 7)
    nothing = await pipeline.later("UPDATE t SET f = 1 WHERE n = $1 RETURNING n", 8)
    await pipeline.defer("INSERT INTO t (n) SELECT n + 1 FROM t")
    again = await pipeline.later("INSERT INTO t (n) VALUES ($1) RETURNING n", 9)
    both = await pipeline.later("SELECT n FROM t WHERE n < $1 ORDER BY n", 9)
    assert await pipeline.fetchval("SELECT COUNT(*) FROM t") == 3
    assert [[row["n"] for row in rows] for rows in (first, nothing, again, both)] == [[7], [], [9], [7, 8]]


async def test_few_statements_are_kept(connection: PostgresConnection) -> None:
    """The oldest makes room, and is prepared once more when it is asked again."""
    own_pipeline = connection.take_pipeline()
    own_pipeline._most = 3
    for _ in range(2):
        for number in range(8):
            assert await own_pipeline.fetchval(f"SELECT {number} + $1::BIGINT", 1) == number + 1
    assert await own_pipeline.fetchval("SELECT COUNT(*) FROM pg_prepared_statements") == 3
    await own_pipeline.close()


async def test_a_wrong_value_is_told_without_it(pipeline: PostgresPipeline) -> None:
    """Too few, too many, of another kind: an error of the program's, and the next statement works."""
    for values in ((), (1, 2), ("secret",), (b"secret",), (2**70,)):
        with pytest.raises(InvalidStatement) as failure:
            await pipeline.fetch("SELECT $1::BIGINT", *values)
        assert "secret" not in str(failure.value)
    assert await pipeline.fetchval("SELECT $1::BIGINT", 5) == 5


async def test_a_lost_session_is_told_once(
    pipeline: PostgresPipeline, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Whoever waits hears of it, and whoever asks later."""
    losses: list[str] = []
    pipeline.when_lost(lambda: losses.append("lost"))
    pid = await pipeline.fetchval("SELECT pg_backend_pid()")
    postgres_server.execute("postgres", f"SELECT pg_terminate_backend({pid})")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await pipeline.fetch("SELECT 1")
    pipeline.abort()
    await pipeline.close()
    assert (losses, pipeline.is_closed) == (["lost"], True)


async def test_a_server_that_does_not_answer_is_given_up(connection: PostgresConnection) -> None:
    """After its time the connection is closed: nobody knows what became of the statement."""
    own_pipeline = connection.take_pipeline()
    own_pipeline._seconds = 0.05
    with pytest.raises(Unavailable, match="TimeoutError"):
        await own_pipeline.fetch("SELECT pg_sleep(60)")
    assert own_pipeline.is_closed


async def test_what_waits_behind_another_has_its_own_time(pipeline: PostgresPipeline) -> None:
    """It begins when the one before is answered: two slow answers in a row are no server that does not answer."""
    slow = "SELECT 1 FROM pg_sleep($1::BIGINT / 1000.0)"
    for milliseconds in (0, 6000):
        pipeline._seconds = 9.0  # between one and two of them, by more than a busy machine is late
        await pipeline.defer("BEGIN")
        await pipeline.defer(slow, milliseconds)
        flight = await pipeline.finish()
        await pipeline.fetch(slow, milliseconds)
        assert (flight.is_committed, flight.error) == (True, None)


async def test_many_ask_at_once_and_each_has_its_own_answer(pipeline: PostgresPipeline) -> None:
    """Also where the statement is new to the connection, one of them fails, and one is given up by who asked."""
    divide = "SELECT 100 / $1::BIGINT"
    tasks = [asyncio.create_task(pipeline.ask(divide, number)) for number in (1, 0, 4, 5)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    first, failed, given_up, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, list)
    assert isinstance(last, list)
    assert (first[0][0], last[0][0]) == (100, 20)
    assert isinstance(failed, InvalidStatement)
    assert isinstance(given_up, asyncio.CancelledError)
    again = [asyncio.create_task(pipeline.ask(divide, number)) for number in (2, 10)]
    await asyncio.sleep(0)
    assert pipeline.unanswered_count == 2
    again[0].cancel()
    assert [row[0] for row in await again[1]] == [10]
    assert (await pipeline.ask("SELECT $1::TEXT WHERE FALSE", "x"), pipeline.unanswered_count, pipeline.is_closed) == (
        [],
        0,
        False,
    )


async def test_what_is_queued_is_dropped_by_a_rollback(pipeline: PostgresPipeline) -> None:
    """It was part of what is taken back, and is no part of what comes next."""
    await pipeline.defer("BEGIN")
    await pipeline.defer("INSERT INTO t (n) VALUES ($1)", 1)
    await pipeline.run("ROLLBACK")
    await pipeline.defer("BEGIN")
    await pipeline.defer("INSERT INTO t (n) VALUES ($1)", 2)
    flight = await pipeline.finish()
    assert [row["n"] for row in await pipeline.fetch("SELECT n FROM t")] == [2]
    assert (flight.done.done(), flight.tag, flight.error) == (True, "COMMIT", None)


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("is_whole", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
async def test_a_transaction_begins_before_the_end_of_the_one_before_is_answered(
    pipeline: PostgresPipeline, is_known: bool, is_whole: bool, hold: bool
) -> None:
    """When that end fails nothing of its transaction is kept, all of the one behind it is, and each hears its own fate.

    `is_known`: to the server, the statement that follows; `is_whole`: the one that fails stands in one message.
    """
    await pipeline.run("CREATE UNIQUE INDEX once ON t (n)")
    await pipeline.defer("BEGIN")
    await pipeline.defer("INSERT INTO t (n) VALUES ($1)", 0)
    await (await pipeline.finish()).done
    if is_known:
        assert await pipeline.fetchval("SELECT COUNT(*) FROM t WHERE n < $1", 0) == 0
    ends = []
    for first, second in ((1, 1), (2, 3)):
        await pipeline.defer("BEGIN")
        if not is_whole:
            assert await pipeline.fetchval("SELECT 1") == 1
        for number in (first, second):
            await pipeline.defer("INSERT INTO t (n) VALUES ($1)", number)
        if second == 3:
            assert await pipeline.fetchval("SELECT COUNT(*) FROM t WHERE n < $1", 10) == 3
            assert pipeline.failure is None
        ends.append(await pipeline.finish(hold=hold))
    assert [each.is_whole for each in ends] == [is_whole, False]
    assert [row["n"] for row in await pipeline.fetch("SELECT n FROM t ORDER BY n")] == [0, 2, 3]
    assert [str(each.error and each.error.code) for each in ends] == ["PostgresError 23505", "None"]
    assert (ends[0].failure or ("", None))[0] == "INSERT INTO t (n) VALUES ($1)"
    assert (ends[1].tag, ends[1].failure) == ("COMMIT", None)


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN READ WRITE"])
async def test_what_was_passed_over_is_sent_before_what_is_said_later(
    pipeline: PostgresPipeline, monkeypatch: pytest.MonkeyPatch, begin: str
) -> None:
    """Also where the server's answer to it comes late: the third transaction does not get in front of the second."""
    await pipeline.run("CREATE UNIQUE INDEX once ON t (n)")
    receive, buffer, split = pipeline.data_received, bytearray(), False

    async def put(number: int) -> Flight:
        await pipeline.defer("BEGIN")
        pipeline._queued[0] = (begin, (), None)  # with another word than its own it is none that stands in one message
        await pipeline.defer("INSERT INTO t (n, f) SELECT $1, COUNT(*) FROM t", number)
        return await pipeline.finish()

    def take_first_answer(data: bytes) -> None:
        nonlocal split
        buffer.extend(data)
        if not split and READY in buffer:
            split, end = True, buffer.index(READY) + len(READY) + 1
            first = bytes(buffer[:end])
            del buffer[:end]
            receive(first)

    await (await put(1)).done
    monkeypatch.setattr(pipeline, "data_received", take_first_answer)
    fails, behind = await put(1), await put(2)
    assert fails.is_whole is behind.is_whole is (begin == "BEGIN")
    await fails.done
    last = await put(3)
    monkeypatch.undo()
    receive(bytes(buffer))
    await asyncio.gather(behind.done, last.done)
    assert [str(each.error and each.error.code) for each in (fails, behind, last)] == [
        "PostgresError 23505",
        "None",
        "None",
    ]
    assert [tuple(row) for row in await pipeline.fetch("SELECT n, f FROM t ORDER BY n")] == [(1, 0), (2, 1), (3, 2)]


async def test_a_transaction_of_one_message_is_one(pipeline: PostgresPipeline) -> None:
    """Without a BEGIN: others see all of it or nothing, an error anywhere takes all of it back, and locks go with it."""
    ends: list[Flight] = []
    for number, divisor in ((1, 1), (2, 1), (3, 0), (4, 1)):
        await pipeline.defer("BEGIN")
        await pipeline.defer("SELECT pg_advisory_xact_lock(7)")
        await pipeline.defer("INSERT INTO t (n) VALUES ($1)", number)
        rows = await pipeline.later("SELECT COUNT(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND objid = 7")
        await pipeline.defer("SELECT 1 / $1::BIGINT", divisor)
        ends.append(await pipeline.finish())
        await ends[-1].done
        assert ends[-1].is_committed is (divisor == 1)
        assert [row["held"] for row in rows] == [1]
    assert [each.is_whole for each in ends] == [False, True, True, True]
    assert [row["n"] for row in await pipeline.fetch("SELECT n FROM t ORDER BY n")] == [1, 2, 4]
    assert await pipeline.fetchval("SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7") == 0
    assert pipeline.failure is None


async def test_an_error_that_comes_with_the_end_of_a_message_takes_all_of_it_back(pipeline: PostgresPipeline) -> None:
    """A constraint that is looked at when the transaction ends."""
    await pipeline.run(
        "CREATE TEMP TABLE parent (id BIGINT PRIMARY KEY); CREATE TEMP TABLE child (id BIGINT REFERENCES parent (id) "
        "DEFERRABLE INITIALLY DEFERRED)"
    )
    for parent, child, error in ((1, 1, None), (2, 3, "PostgresError 23503"), (3, 3, None)):
        await pipeline.defer("BEGIN")
        await pipeline.defer("INSERT INTO child (id) VALUES ($1)", child)
        await pipeline.defer("INSERT INTO parent (id) VALUES ($1)", parent)
        flight = await pipeline.finish()
        await flight.done
        assert (flight.error and flight.error.code, flight.is_committed) == (error, error is None)
    assert [row["id"] for row in await pipeline.fetch("SELECT id FROM parent ORDER BY id")] == [1, 3]


async def test_an_end_that_is_held_is_sent_although_nothing_follows(
    pipeline: PostgresPipeline, postgres_server: PostgresServer
) -> None:
    """In the same turn of the loop."""
    await pipeline.defer("BEGIN")
    await pipeline.defer("INSERT INTO t (n) VALUES ($1)", 1)
    flight = await pipeline.finish(hold=True)
    await flight.done
    assert flight.tag == "COMMIT"


async def test_after_an_error_nothing_more_of_a_message_is_done(pipeline: PostgresPipeline) -> None:
    """Not even outside a transaction; which statement it was is known."""
    await pipeline.fetch("SELECT 1")
    for statement in ("SELECT 1 / $1::BIGINT", "INSERT INTO t (n) VALUES ($1)"):
        await pipeline.defer(statement, 0)
    with pytest.raises(InvalidStatement, match="22012"):
        await pipeline.fetch("SELECT 1")
    assert pipeline.failure is not None
    assert pipeline.failure[0].startswith("SELECT 1 /")
    assert await pipeline.fetchval("SELECT COUNT(*) FROM t") == 0
