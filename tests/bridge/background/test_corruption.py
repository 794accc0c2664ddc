"""A damaged page of our own database ends none of the loops that destroy, and with them not the line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from bridge.background import corruption
from bridge.background.corruption import ALERT_AT_COUNTS, ALERT_SUBJECT, CorruptionPolicy, run_each
from bridge.erasure.nightly import NightlyMaintenance
from bridge.erasure.returned_events import ReturnedEvents
from bridge.matrix.rooms.media import UploadCleanup
from bridge.storage.database import Transaction
from bridge.storage.errors import Corrupt
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.sqlite_database import SqliteDatabase
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.erasure_harness import ErasureHarness

CORRUPT = Corrupt("SQLITE_CORRUPT")


async def damage(harness: BridgeHarness, index: str) -> None:
    """Overwrite the first page of an index in the file, and read it again."""
    await harness.database.checkpoint()
    path = harness.directory / "main.db"
    size = await harness.database.fetchval("PRAGMA page_size")
    root = await harness.database.fetchval("SELECT rootpage FROM sqlite_master WHERE name = $1", index)
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\x77" * size)
    inner = harness.database.inner
    assert isinstance(inner, SqliteDatabase)
    assert inner._reader is not None
    inner._reader.close()
    inner._reader = SqliteConnection(path, read_only=True)


async def told(harness: BridgeHarness) -> bool | None:
    return bool(harness.alerts) or None


@pytest.mark.parametrize(
    ("index", "loop"),
    [
        ("event_expires", lambda erasure: erasure.expiry.loop.run()),
        ("erasure", lambda erasure: erasure.runner.loop.run()),
        ("carrier_copy_due", lambda erasure: erasure.harness.carrier_copies.loop.run()),
    ],
)
@pytest.mark.sqlite_only
async def test_a_damaged_page_ends_no_loop(
    erasure: ErasureHarness, index: str, loop: Callable[[ErasureHarness], Any]
) -> None:
    """One page of an index or a table is damaged: the loop goes on, the desk hears of it, and a text still comes in."""
    harness = erasure.harness
    owner = await erasure.create_thread_room(uploads=0)

    async def filled(transaction: Transaction) -> None:
        await transaction.execute("UPDATE event SET expires = 1")

    await harness.database.commit(filled)
    await damage(harness, index)
    running = asyncio.create_task(loop(erasure))
    await wait_until("the desk hears of it", lambda: told(harness), every=0.02)
    assert (running.done(), harness.alerts) == (False, [ALERT_SUBJECT])
    running.cancel()
    if index != "carrier_copy_due":
        await harness.receive_text("are you there", message_id="later")
        await harness.wait_until_drained()
        assert "are you there" in harness.messages_shown(owner)


async def test_one_cases_damage_keeps_no_other(erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that meets a damaged page waits and is told of in the end; what was kept of the texter goes meanwhile."""
    owner = await erasure.create_thread_room(uploads=0)

    async def corrupt(_case: Any) -> str:
        raise CORRUPT

    monkeypatch.setitem(erasure.runner._steps, "redact", corrupt)
    await erasure.send_message(owner, "!close now")
    for _ in range(60):
        await erasure.harness.carrier_copies.run_once()
        erasure.harness.clock.at += await erasure.runner.run_once()
    assert [receipt["what"] for receipt in await erasure.certificates()] == ["person"]
    assert erasure.harness.alerts[0] == "room database_damaged"


async def test_the_night_goes_on(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit's page is damaged: the night's loop waits, and is there for the next night."""
    unused: Any = None
    night = NightlyMaintenance(
        harness.services,
        puppet_database=harness.database,
        module_client=unused,
        hours=(3, 5),
        zone="UTC",
        retention=1,
        wait_for_pause=unused,
    )
    tried = 0

    async def corrupt() -> float:
        nonlocal tried
        tried += 1
        raise CORRUPT

    monkeypatch.setattr(night.loop, "_run_once", corrupt)
    monkeypatch.setattr(corruption, "RETRY_SECONDS", 0.01)
    running = asyncio.create_task(night.loop.run())

    async def again() -> bool | None:
        return tried > 1 or None

    await wait_until("it was tried again", again, every=0.01)
    assert not running.done()
    running.cancel()


async def test_the_desk_hears_at_growing_counts_and_its_silence_ends_nothing(harness: BridgeHarness) -> None:
    """Told at once, after an hour and after a day; where the desk's own row cannot be written, nothing is raised."""
    heard: list[tuple[str, float]] = []

    async def alarm(what: str, since: float) -> None:
        heard.append((what, since))
        raise CORRUPT

    met, began = CorruptionPolicy(clock=harness.clock, alert=alarm), harness.clock.at
    for _ in range(300):
        assert await met.record("expiry.database_corrupt", CORRUPT) == corruption.RETRY_SECONDS
        harness.clock.at += corruption.RETRY_SECONDS
    assert heard == [(ALERT_SUBJECT, began)] * len(ALERT_AT_COUNTS)


async def test_every_loop_that_deletes_waits_for_a_mend(erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged page that uploads or returned events meet ends neither loop, and the desk hears of it."""
    unused: Any = None
    harness = erasure.harness
    alerts: list[str] = []

    async def alert(subject: str, since: float) -> None:
        alerts.append(subject)

    async def corrupt() -> float:
        raise CORRUPT

    uploads = UploadCleanup(
        database=harness.database,
        module_client=unused,
        clock=harness.clock,
        alert=alert,
    )
    returned = ReturnedEvents(
        harness.services,
        probe=unused,
        priority_gate=unused,
        wake_expiry=unused,
        has_caught_up=unused,
        lifetime=1,
        alert=alert,
    )
    for each in (uploads.loop, returned.loop):
        monkeypatch.setattr(each, "_run_once", corrupt)
    running = [asyncio.create_task(loop.run()) for loop in (uploads.loop, returned.loop)]

    async def both() -> bool | None:
        return len(alerts) == 2 or None

    await wait_until("the desk hears of both", both, every=0.02)
    assert (alerts, [task.done() for task in running]) == ([ALERT_SUBJECT] * 2, [False] * 2)
    for task in running:
        task.cancel()


async def test_each_part_is_done_and_the_first_error_is_raised() -> None:
    """Whatever fails, what follows is done."""
    done: list[int] = []

    async def part(number: int) -> None:
        done.append(number)
        if number:
            raise Corrupt(str(number))

    with pytest.raises(Corrupt, match="1"):
        await run_each(*(partial(part, number) for number in (0, 1, 2, 0)))
    assert done == [0, 1, 2, 0]
