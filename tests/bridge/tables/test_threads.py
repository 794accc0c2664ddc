"""The table of threads: who gets the next room."""

from __future__ import annotations

import pytest

from bridge.storage.database import Transaction
from bridge.tables import threads
from tests.fakes.bridge_harness import BridgeHarness


async def test_who_needs_a_room(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a flood the first whose card is shown, however many of it have no room; before it one who came alone."""
    await harness.run()
    names = [await harness.receive_text("hi", message_id=f"f{n}", sender=f"+1206555010{n}") for n in range(4)]
    await harness.wait_until_drained()

    async def flood(transaction: Transaction) -> None:
        await transaction.execute(
            "UPDATE thread SET in_flood = 1, room_id = NULL WHERE room_id IS NULL AND designation <> ''"
        )

    await harness.database.commit(flood)
    shown = [(await harness.thread(names[n])).id for n in (2, 1)]
    for few in (threads.FEW, 2):
        monkeypatch.setattr(threads, "FEW", few)
        thread = await threads.without_room(harness.database, ["nobody", *shown])
        assert thread is not None
        assert thread.id == shown[0]
        assert await threads.without_room(harness.database, []) is None
    alone = names[3]
    await harness.database.commit(
        lambda transaction: transaction.execute("UPDATE thread SET in_flood = 0 WHERE id = $1", alone)
    )
    thread = await threads.without_room(harness.database, shown)
    assert thread is not None
    assert thread.id == alone
