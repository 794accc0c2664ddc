"""That the rooms are not heard is said, once, after minutes."""

from __future__ import annotations

import asyncio

from bot.model.line_incidents import SyncStalled
from bridge.inbound.sync_watchdog import STALL_SECONDS, SyncWatchdog


async def test_it_is_said_once_that_nobody_is_heard() -> None:
    """Silence of some minutes is told once; a homeserver that only restarts is not news; the next silence is."""
    incidents: list[SyncStalled] = []
    caught_up, passed = asyncio.Event(), 0.0

    async def tell(event: SyncStalled) -> None:
        incidents.append(event)

    async def later(seconds: float) -> int:
        nonlocal passed
        passed += seconds
        for _ in range(10):  # with no seconds between two looks it looks each time that it has its turn
            await asyncio.sleep(0)
        return len(incidents)

    hearing = asyncio.create_task(
        SyncWatchdog(is_caught_up=caught_up.is_set, notify_desk=tell, interval=0.0, monotonic=lambda: passed).loop.run()
    )
    caught_up.set()
    assert await later(0) == 0
    caught_up.clear()
    assert await later(STALL_SECONDS - 1) == 0
    caught_up.set()
    assert await later(3600) == 0
    caught_up.clear()
    assert await later(STALL_SECONDS) == 1
    assert await later(3600) == 1
    assert incidents[0].minutes == 3
    caught_up.set()
    assert await later(1) == 1
    caught_up.clear()
    assert await later(STALL_SECONDS) == 2
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
