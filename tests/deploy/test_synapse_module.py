"""The module in a real Synapse: what it does for the bridge, and that it does it for nobody and nothing else (issue 5, 3)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import pytest_asyncio

from bridge.matrix.house import Refused, RoomState
from deploy.provision import mxid
from tests.deploy.module_scene import POLICY, SECRET, VOICE, Scene, scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(tmp_path_factory.mktemp("module")) as made:
        yield made


def rows_with(line: Scene, needle: str) -> dict[str, int]:
    """Look for a string in every column of every table: table to the number of rows that hold it."""
    found = {}
    with closing(sqlite3.connect(f"file:{line.database}?mode=ro", uri=True)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
            where = " OR ".join(f'instr(CAST("{column}" AS TEXT), ?) > 0' for column in columns)
            (count,) = db.execute(f'SELECT COUNT(*) FROM "{table}" WHERE {where}', [needle] * len(columns)).fetchone()  # noqa: S608
            if count:
                found[table] = count
    return found


async def test_a_purged_room_is_nowhere(line: Scene) -> None:
    """While it is there it is counted; afterwards it answers 404, no row of any table names it, and no byte holds it."""
    name = "velvet cormorant"
    room_id = await line.room("thread", "ada", name=name)
    event_id = await line.said(VOICE, room_id)
    before = await line.house.room(room_id)
    assert before.state is RoomState.PRESENT
    assert before.events > 8
    first = await line.house.purge(room_id)
    assert first in {RoomState.PURGING, RoomState.GONE}
    await line.purged(room_id)
    after = await line.house.room(room_id)
    assert (after.state, after.events, after.uncensored, after.leftovers) == (RoomState.GONE, 0, 0, 0)
    for user in (POLICY, "ada"):
        assert (await line.be(user, "GET", f"rooms/{room_id}/event/{event_id}"))[0] in {403, 404}
    assert rows_with(line, room_id) == {}
    assert rows_with(line, event_id) == {}
    assert rows_with(line, name) == {}
    await line.house.vacuum()
    assert line.holding(room_id, event_id, name) == {}
    assert await line.house.purge(room_id) is RoomState.GONE
