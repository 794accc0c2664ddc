"""The tables of threads on a line that keeps thousands: what a text or a change at the desk reads grows with none."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from bridge.storage.database import Transaction
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.tables import threads
from tests.bench import seeding
from tests.fakes.bridge_harness import LINE, BridgeHarness
from tests.fakes.provisioner_harness import ProvisionerHarness

GROWING: Final = ("thread", "matrix_room", "matrix_member", "event", "sent_text", "carrier_copy", "seen")
"""Tables that have rows of every conversation, or of every text."""
OPEN: Final = "SCAN thread USING COVERING INDEX thread_open"
"""What reads the open conversations: only the names of others, for words that leave for a phone."""
PARKED_PHONE: Final = "+13122000000"


@pytest.fixture
async def seeded(tmp_path: Path) -> AsyncIterator[BridgeHarness]:
    """Have a line that was started again with 60 conversations that are over and 40 that are open."""
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.engine.load()
    await seeding.seed_parked(harness.services, LINE, 60)
    await seeding.seed_open(harness.services, LINE, 40, advocates=["@ada:x"], members=["@policy:x", "@line-main:x"])
    await harness.close()
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.run()
    yield harness
    await harness.close()


@pytest.mark.sqlite_only
async def test_nothing_reads_all_that_is_kept(seeded: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of new, known and talking texters, and a change at the desk: no statement goes through a table of everybody."""
    statements: set[str] = set()

    def noting(name: str) -> None:
        really = getattr(SqliteConnection, name)

        def note(self: SqliteConnection, statement: str, *values: Any) -> Any:
            statements.add(statement)
            return really(self, statement, *values)

        monkeypatch.setattr(SqliteConnection, name, note)

    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        noting(name)
    for number, phone in enumerate(("+12065550177", PARKED_PHONE, seeding.open_phone(3).reveal())):
        await seeded.receive_text("hello", message_id=f"m{number}", sender=phone)
        await seeded.wait_until_drained()
    keeper = ProvisionerHarness(seeded)
    keeper.desk = seeded.engine.desk
    keeper.run()
    await keeper.furnished()
    await keeper.look()
    statements.clear()  # the first look is a start's
    await keeper.look()
    await keeper.stop()
    looked = set(statements)
    await seeded.receive_text("hello", message_id="m9", sender=PARKED_PHONE)
    await seeded.wait_until_drained()
    monkeypatch.undo()
    assert any("in_flood" in statement for statement in looked), "the keeper of rooms did not look"
    assert not {statement for statement in statements if await _is_wide(seeded, statement)}


async def test_who_needs_a_room(seeded: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a flood the first whose card is shown, however many of it have no room; before it one who came alone."""
    names = [await seeded.receive_text("hi", message_id=f"f{n}", sender=f"+1206555010{n}") for n in range(4)]
    await seeded.wait_until_drained()

    async def flood(transaction: Transaction) -> None:
        await transaction.execute(
            "UPDATE thread SET in_flood = 1, room_id = NULL WHERE room_id IS NULL AND designation <> ''"
        )

    await seeded.database.commit(flood)
    shown = [(await seeded.thread(names[n])).id for n in (2, 1)]
    for few in (threads.FEW, 2):
        monkeypatch.setattr(threads, "FEW", few)
        thread = await threads.without_room(seeded.database, ["nobody", *shown])
        assert thread is not None
        assert thread.id == shown[0]
        assert await threads.without_room(seeded.database, []) is None
    alone = names[3]
    await seeded.database.commit(
        lambda transaction: transaction.execute("UPDATE thread SET in_flood = 0 WHERE id = $1", alone)
    )
    thread = await threads.without_room(seeded.database, shown)
    assert thread is not None
    assert thread.id == alone


async def _is_wide(harness: BridgeHarness, statement: str) -> bool:
    """Whether a statement goes through every row of a table that grows, whatever it calls it."""
    if not statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
        return False
    most = max((n for n in range(1, 30) if f"${n}" in statement), default=0)
    plan = [row["detail"] for row in await harness.database.fetch(f"EXPLAIN QUERY PLAN {statement}", *[None] * most)]
    called = {name for groups in re.findall(rf"\b({'|'.join(GROWING)})\b(?:\s+(\w+))?", statement) for name in groups}
    return any(step != OPEN and step.partition(" USING ")[0].removeprefix("SCAN ") in called for step in plan)
