"""The table of threads on PostgreSQL: what a text changes of its thread is its row."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.matrix.schema import MAIN_SCHEMA
from bridge.storage.postgres_database import PostgresDatabase
from tests.fakes.database_engine import place_of
from tests.fakes.postgres_server import PostgresServer

AGGREGATE = 2300
"""Bytes of an aggregate after a few texts, which PostgreSQL would store apart by itself."""


async def test_an_aggregate_is_stored_in_its_row(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """However often it is written, nothing of it stands in another table."""
    place = place_of(tmp_path / "main.db", postgres_server.url("postgres"))
    database = PostgresDatabase(place, schema=MAIN_SCHEMA)
    await database.open()
    try:
        row = "INSERT INTO thread (id, designation, aggregate) VALUES ('a', 'b', $1)"
        await database.commit(lambda transaction: transaction.execute(row, b"small"))
        for _ in range(3):
            state = os.urandom(AGGREGATE)
            await database.commit(lambda transaction: transaction.execute("UPDATE thread SET aggregate = $1", state))  # noqa: B023
            assert await database.fetchval("SELECT aggregate FROM thread") == state
        apart = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'thread'::regclass"
        assert await database.fetchval(apart) == 0
    finally:
        await database.close()
