"""What a start notes once; `tests/deploy/backup/test_backup.py` has the notices of a restore."""

from __future__ import annotations

from pathlib import Path

from bot.model.actions import DESK
from bot.model.desk import SHIFTS_TIMER
from bridge.engine import startup_notices
from bridge.tables import timers
from bridge.tables.timers import Timer
from tests.fakes.bridge_harness import BridgeHarness


async def test_a_start_has_the_desk_look_at_its_calendar_at_once(tmp_path: Path) -> None:
    """A timer of the calendar that waits for the change of an older calendar is due now, and there is one."""
    harness = BridgeHarness(tmp_path)
    await harness.open()
    later = Timer(DESK, SHIFTS_TIMER, harness.clock.at + 3600)
    await harness.database.commit(lambda transaction: timers.put(transaction, later, destroys=False))
    await startup_notices.look_at_shifts(harness.database, harness.clock)
    found = await timers.earliest(harness.database, destroys=False, most=9)
    assert [timer for timer in found if timer.key == SHIFTS_TIMER] == [Timer(DESK, SHIFTS_TIMER, harness.clock.at)]
    await harness.close()
