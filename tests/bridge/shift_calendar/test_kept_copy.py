"""The copy of a calendar in the database: sealed, read back as it was, and nothing for another line."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from bot.model.actions import DESK
from bridge.shift_calendar.follower import CalendarState, KeptCopy, delete_copy
from bridge.storage.database import Transaction
from bridge.tables import line_state
from policies.pack import PersonShifts, Shifts
from tests.fakes.bridge_harness import BridgeHarness

ANA = "@ana:quietline.localhost"
COPY = KeptCopy(
    source="51",
    file="f1",
    odd=frozenset({"0a", "0b"}),
    read_at=10.5,
    shifts=Shifts(
        timezone="UTC",
        people=(PersonShifts(who=ANA, week=((),) * 7, dates={}, spans=((1.0, 2.5), (4.0, 9.0))),),
        until=99.0,
    ),
)


async def test_a_copy_is_sealed_and_read_back(tmp_path: Path) -> None:
    """No name is in the database; another key, other bytes and no copy are no copy."""
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.engine.load()
    database, vault = harness.database, harness.vault

    async def keep(value: str) -> None:
        await database.commit(lambda transaction: line_state.put(transaction, line_state.CALENDAR, value))

    try:
        assert await KeptCopy.load(database, vault) is None
        sealed = await COPY.seal(vault)
        assert ANA.encode() not in base64.b64decode(sealed)
        await keep(sealed)
        assert await KeptCopy.load(database, vault) == COPY
        foreign = await vault.seal(DESK, "another purpose", b"{}")
        for wrong in ("", "no base64!", base64.b64encode(os.urandom(60)).decode(), base64.b64encode(foreign).decode()):
            await keep(wrong)
            assert await KeptCopy.load(database, vault) is None
        await keep(sealed)

        async def forget(transaction: Transaction) -> None:
            await delete_copy(transaction)

        await database.commit(forget)
        assert await line_state.get(database, line_state.CALENDAR) is None
    finally:
        await harness.close()


def test_a_state_is_times_alone() -> None:
    """What is kept in clear is read back, and nothing is a calendar that was never looked at."""
    state = CalendarState(source="51", read_at=5.0, failing_since=7.0, told=True)
    assert CalendarState.parse(state.text()) == state
    assert CalendarState.parse(None) == CalendarState()
