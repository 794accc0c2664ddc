"""The tables on PostgreSQL: which plans the server makes for what each text asks, on a line that has kept and seen much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.matrix import schema as matrix_schema
from bridge.storage.database import Reader, Row, Value
from bridge.storage.postgres_database import PostgresDatabase
from bridge.tables import inbox, outbox, room_events
from tests.fakes.database_engine import place_of
from tests.fakes.postgres_server import PostgresServer

ROWS = 2000


@dataclass(slots=True)
class Explaining(Reader):
    """Has each statement explained in place of run, and answers with nothing."""

    database: PostgresDatabase
    plans: list[str] = field(default_factory=list)

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Note its plan."""
        self.plans += [row[0] for row in await self.database.fetch(f"EXPLAIN {statement}", *values)]
        return []

    def scanned(self) -> set[str]:
        """Return the tables that are gone through whole."""
        return {plan.partition("Seq Scan on ")[2].split()[0] for plan in self.plans if "Seq Scan on " in plan}


@pytest.fixture
async def database(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[PostgresDatabase]:
    place = place_of(tmp_path / "main.db", postgres_server.url("postgres"))
    database = PostgresDatabase(place, schema=matrix_schema.MAIN_SCHEMA)
    await database.open()
    yield database
    await database.close()


async def run(database: PostgresDatabase, *statements: str) -> None:
    for statement in statements:
        await database.commit(lambda transaction: transaction.execute(statement))  # noqa: B023


async def test_tables_that_were_emptied_are_not_gone_through(database: PostgresDatabase) -> None:
    """After a vacuum that found nothing in them: a plan outlasts the minute in which they have rows and dead ones."""
    many = f"FROM generate_series(1, {ROWS}) n"
    await run(
        database,
        f"INSERT INTO inbox (owner, kind, body) SELECT n::text, 'kind', decode(repeat('ab', 100), 'hex') {many}",
        f"""INSERT INTO outbox (owner, lane, transport, kind, txn, body, created)
            SELECT n::text, 'lane', 'way', 'kind', n::text, decode(repeat('ab', 100), 'hex'), 0 {many}""",
        "DELETE FROM inbox",
        "DELETE FROM outbox",
    )
    assert await database.vacuum()
    explaining = Explaining(database)
    reader: Reader = explaining
    await inbox.next_to_decide(reader, "1")
    await outbox.state_of(reader, 1)
    assert len(explaining.plans) > 2
    assert explaining.scanned() <= {"thread"}


async def test_who_is_on_hold_is_found_among_all_that_are_kept(database: PostgresDatabase) -> None:
    """What has to go is looked for without going through every texter who is kept."""
    many = f"FROM generate_series(1, {ROWS}) n"
    await run(
        database,
        f"INSERT INTO thread (id, designation, aggregate) SELECT n::text, '', decode(repeat('ab', 500), 'hex') {many}",
        f"INSERT INTO event (event_id, room_id, owner, at, expires) SELECT n::text, n::text, n::text, 0, n % 9 {many}",
    )
    assert await database.vacuum()
    explaining = Explaining(database)
    await room_events.due_events(explaining, 5, 20)
    assert any("thread_legal_hold" in plan for plan in explaining.plans)
    assert "thread" not in explaining.scanned()
