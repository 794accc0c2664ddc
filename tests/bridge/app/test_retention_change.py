"""A pack that keeps less than at the last start: what is stored gets the earlier time, and nothing a later one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.app import startup
from bridge.storage.database import Transaction
from bridge.storage.errors import Corrupt
from bridge.tables import line_state, timers
from tests.fakes.bridge_harness import BridgeHarness

OLD, NEW = 48 * 3600, 24 * 3600


async def start(harness: BridgeHarness, seconds: int) -> None:
    """Do what a start does, with a pack in which everything is kept for so long."""
    settings = replace(harness.pack.settings, message_ttl=seconds, idle=seconds, grace=seconds, continuing=seconds)
    await startup.apply_shorter_retention(harness.services, replace(harness.pack, settings=settings))


async def stored(harness: BridgeHarness) -> dict[str, int]:
    """Return when each timer is due and each event expires, in seconds from now."""
    rows = await harness.database.fetch("SELECT key AS what, due AS at FROM timer")
    rows = [*rows, *await harness.database.fetch("SELECT event_id AS what, expires AS at FROM event")]
    return {row["what"]: round(row["at"] - harness.clock.now()) for row in rows}


async def test_what_is_stored_gets_the_earlier_time(harness: BridgeHarness) -> None:
    """Timers of retention and lifetimes; what has a shorter life of its own, or the present one already, stays."""
    now = harness.clock.now()
    due = {"idle": OLD, "end": OLD - 600, "held": 300, "close": OLD}
    # When an event was said and when it expires, from now: seen at once, seen later, of a time with a shorter retention.
    events = {"$seen": (-3600, OLD - 3600), "$later": (-7200, OLD), "$short": (-3600, NEW - 3600), "$own": (0, 60)}

    async def commit(transaction: Transaction) -> None:
        for key, seconds in due.items():
            await timers.put(transaction, timers.Timer("t1", key, now + seconds), destroys=True)
        for name, (said, expires) in events.items():
            query = "INSERT INTO event (event_id, room_id, owner, at, expires) VALUES ($1, '!r', 't1', $2, $3)"
            await transaction.execute(query, name, int((now + said) * 1000), int(now + expires))

    await harness.database.commit(commit)
    as_noted = await stored(harness)
    for seconds in (NEW, OLD):  # the first start of this version, and a longer retention
        await start(harness, seconds)
        assert await stored(harness) == as_noted
    await start(harness, NEW)
    shorter = {"idle": OLD - NEW, "end": OLD - NEW - 600, "held": 300 - NEW, "close": OLD}
    shorter |= {"$seen": NEW - 3600, "$later": NEW, "$short": NEW - 3600, "$own": 60}
    assert await stored(harness) == shorter
    await start(harness, NEW)
    assert await stored(harness) == shorter


async def test_a_note_that_cannot_be_read_stops_the_start(harness: BridgeHarness) -> None:
    """What it said is unknown, so nobody knows what to shorten: the line is restored."""

    async def commit(transaction: Transaction) -> None:
        await line_state.put(transaction, line_state.RETENTION, "{")

    await harness.database.commit(commit)
    with pytest.raises(Corrupt):
        await start(harness, NEW)
