"""What has time yields to conversations, and is starved by none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.actions import DESK, Action, Edit, Post
from bridge import codec
from bridge.outbox import Sealed, Task
from bridge.store import Connection
from tests.fakes.nerves import Nerves


@pytest.fixture
async def nerves(tmp_path: Path) -> AsyncIterator[Nerves]:
    made = Nerves(tmp_path)
    await made.open()
    await made.vault.create(DESK)
    yield made
    await made.end()


async def put(nerves: Nerves, action: Action, lane: str) -> None:
    """Put a row in, as the engine does."""
    body = await nerves.vault.seal(DESK, f"outbox {lane}", codec.encode(action))
    item = Sealed(lane, "matrix", type(action).__name__, lane, body)

    async def commit(conn: Connection) -> int:
        return await nerves.outbox.put(conn, DESK, item, 0)

    nerves.outbox.wake(await nerves.store.commit(commit), DESK, lane, "matrix")


@pytest.mark.parametrize(
    ("lane", "waits"), [("conversation", True), ("receipts", True), ("cards", False), ("cleanup", False)]
)
async def test_erasing_waits_for_words_on_their_way(nerves: Nerves, lane: str, waits: bool) -> None:
    """While words or a receipt are being brought to the homeserver it waits, and goes on the moment they are there."""
    arrived, done = asyncio.Event(), asyncio.Event()

    async def perform(task: Task) -> None:
        arrived.set()
        await done.wait()
        await nerves.store.commit(lambda conn: conn.execute("DELETE FROM outbox WHERE id = $1", task.number))

    running = asyncio.create_task(nerves.outbox.run("matrix", perform))
    action: Action = Edit(place=DESK, ref="board", body="x") if lane == "cards" else Post(place=DESK, body="x")
    await put(nerves, action, lane)
    await arrived.wait()
    quiet = asyncio.create_task(nerves.outbox.quiet(30.0))
    await asyncio.sleep(0.05)
    assert quiet.done() is not waits
    done.set()
    await asyncio.wait_for(quiet, 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_it_does_not_wait_for_ever(nerves: Nerves) -> None:
    """Words that do not get through, because the homeserver hangs, hold erasing up for as long as was said."""

    async def perform(task: Task) -> None:
        await asyncio.sleep(60)

    running = asyncio.create_task(nerves.outbox.run("matrix", perform))
    await put(nerves, Post(place=DESK, body="x"), "conversation")
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await nerves.outbox.quiet(0.2)
    assert 0.15 <= time.monotonic() - began <= 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
