"""What a start notes once; `tests/deploy/backup/test_backup.py` has the notices of a restore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.model.actions import DESK
from bot.model.line_incidents import KeysMissing
from bridge.app import startup
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state
from tests.fakes.bridge_harness import BridgeHarness


async def missing_keys_told(harness: BridgeHarness, *without: str) -> list[int]:
    """Start where these have no key; return how many conversations the desk is told of, each time since the first."""
    owners = {f"thread {n}" for n in range(4)} | {f"room:!{n}" for n in range(4)}
    await startup.report_missing_keys(harness.database, harness.vault, owners - set(without))
    rows: list[Any] = await harness.database.fetch("SELECT body FROM inbox WHERE kind = 'KeysMissing' ORDER BY seq")
    bodies = [await harness.vault.open(DESK, inbox.CONTEXT, row["body"]) for row in rows]
    return [serialization.decode_as(KeysMissing, body).conversations for body in bodies]


async def test_the_desk_hears_once_how_many_conversations_have_no_key(tmp_path: Path) -> None:
    """Their own or their room's; a warm room is no conversation. Again where there are more, and never of fewer."""
    harness = BridgeHarness(tmp_path)
    await harness.open()

    async def begin(transaction: Transaction) -> None:
        for n in range(3):
            thread = "INSERT INTO thread (id, room_id, designation, aggregate) VALUES ($1, $2, '', $3)"
            room = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, 'thread', '', $2)"
            await transaction.execute(thread, f"thread {n}", f"!{n}" if n else None, b"")
            await transaction.execute(room, f"!{n}", f"room:!{n}")

    await harness.database.commit(begin)
    assert await missing_keys_told(harness) == []
    assert await missing_keys_told(harness, "room:!0", "thread 3") == []
    assert await missing_keys_told(harness, "thread 0") == [1]
    assert await missing_keys_told(harness, "thread 0") == [1]
    assert await missing_keys_told(harness, "thread 0", "thread 1", "room:!1", "room:!2") == [1, 3]
    assert await missing_keys_told(harness, "thread 0", "room:!2") == [1, 3]
    assert await missing_keys_told(harness) == [1, 3]
    assert await line_state.get(harness.database, line_state.KEYS_MISSING) is None
    assert await missing_keys_told(harness, "room:!1") == [1, 3, 1]
    await harness.close()
