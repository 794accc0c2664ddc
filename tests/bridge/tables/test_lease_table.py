"""The lease's row: who is in the middle of taking it holds up nobody for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bridge.lease.lead import connect_to_lease
from bridge.storage.errors import Unavailable
from bridge.storage.postgres_database import PostgresDatabase
from bridge.tables import lease_table
from bridge.tables.lease_table import Lease, LeaseHolder, place_of_lease
from tests.bridge.lease.leases import LeasedLine, leased_line, successor
from tests.fakes.postgres_server import PostgresServer


@pytest.fixture
async def line(postgres_server: PostgresServer, tmp_path: Path) -> LeasedLine:
    return leased_line(postgres_server, tmp_path)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as exit_stack:
        yield exit_stack


async def test_who_is_frozen_while_taking_it_keeps_nobody_from_leading(line: LeasedLine, stack: AsyncExitStack) -> None:
    """It has the lock of all commits: the server ends it, another takes the lease and commits, and it takes nothing."""
    await (await successor(line, stack)).close()
    connection = await connect_to_lease(line.place, name="frozen")
    stack.push_async_callback(connection.close)
    lease = await lease_table.read(connection)
    assert lease is not None
    within, wakes = asyncio.Event(), asyncio.Event()

    async def freeze(_now: Lease) -> bool:
        within.set()
        await wakes.wait()
        return True

    place, by = place_of_lease(line.place), LeaseHolder(identity="frozen", host="a machine")
    frozen = asyncio.create_task(lease_table.take(connection, place, lease, is_free=True, may_lead=freeze, by=by))
    await within.wait()
    lead = await successor(line, stack)
    database = PostgresDatabase(line.place, fence=lead.fence)
    await database.open()
    stack.push_async_callback(database.close)
    await database.commit(lambda transaction: transaction.execute("CREATE TABLE word (said TEXT)"))
    wakes.set()
    with pytest.raises(Unavailable):
        await frozen
    await lead.confirm()
    assert (lead.is_lost, line.ends) == (False, [])
