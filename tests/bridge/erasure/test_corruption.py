"""A damaged page of our own database ends none of the loops that destroy, and with them not the line."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from bridge.erasure import corruption
from bridge.erasure.corruption import LOUD, WHAT, Damage
from bridge.erasure.nightly import Night
from bridge.storage import sqlite
from bridge.storage.database import Connection
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves
from tests.fakes.paper_rooms import WayDown

CORRUPT = sqlite3.DatabaseError("database disk image is malformed")


async def damage(nerves: Nerves, index: str) -> None:
    """Overwrite the first page of an index in the file, and read it anew."""
    await nerves.store.checkpoint()
    path = nerves.directory / "main.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (index,)).fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\x77" * size)
    assert nerves.store._reader is not None
    nerves.store._reader.close()
    nerves.store._reader = sqlite.reader(path)


async def told(nerves: Nerves) -> bool | None:
    return bool(nerves.alarms) or None


@pytest.mark.parametrize(
    ("index", "loop"),
    [
        ("event_expires", lambda way: way.sweep.run()),
        ("erasure", lambda way: way.erasure.run()),
        ("carrier_copy_due", lambda way: way.nerves.copies.run()),
    ],
)
async def test_a_damaged_page_ends_no_loop(way: WayDown, index: str, loop: Callable[[WayDown], Any]) -> None:
    """One page of an index or a table is damaged: the loop goes on, the desk hears of it, and a text still comes in."""
    nerves = way.nerves
    owner = await way.furnish(uploads=0)

    async def filled(conn: Connection) -> None:
        await conn.execute("UPDATE event SET expires = 1")

    await nerves.store.commit(filled)
    await damage(nerves, index)
    running = asyncio.create_task(loop(way))
    await until("the desk hears of it", lambda: told(nerves), within=5, every=0.02)
    assert (running.done(), nerves.alarms) == (False, [WHAT])
    running.cancel()
    if index != "carrier_copy_due":
        await nerves.arrive("are you there", message_id="later")
        await nerves.at_rest()
        assert "are you there" in nerves.posts(owner)


async def test_one_cases_damage_keeps_no_other(way: WayDown, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that meets a damaged page waits and is told of in the end; what was kept of the texter goes meanwhile."""
    owner = await way.furnish(uploads=0)

    async def corrupt(_case: Any) -> str:
        raise CORRUPT

    monkeypatch.setitem(way.erasure._steps, "redact", corrupt)
    await way.say(owner, "!close now")
    for _ in range(60):
        await way.nerves.copies.once()
        way.nerves.clock.at += await way.erasure.once()
    assert [receipt["what"] for receipt in await way.receipts()] == ["person"]
    assert way.nerves.alarms[0] == "a room (our own database is damaged)"


async def test_the_night_goes_on(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit's page is damaged: the night's loop waits, and is there for the next night."""
    made: Any = None
    night = Night(
        store=nerves.store,
        voice_store=nerves.store,
        vault=nerves.vault,
        clock=nerves.clock,
        house=made,
        hours=(3, 5),
        zone="UTC",
        retention=1,
        quiet=made,
    )
    tried = 0

    async def corrupt() -> None:
        nonlocal tried
        tried += 1
        raise CORRUPT

    monkeypatch.setattr(night, "once", corrupt)
    monkeypatch.setattr(corruption, "WAITS", 0.01)
    running = asyncio.create_task(night.run())
    await asyncio.sleep(0.2)
    assert not running.done()
    assert tried > 1
    running.cancel()


async def test_the_desk_hears_at_growing_counts_and_its_silence_ends_nothing(nerves: Nerves) -> None:
    """Told at once, after an hour and after a day; where the desk's own row cannot be written, nothing is raised."""
    heard: list[tuple[str, float]] = []

    async def alarm(what: str, since: float) -> None:
        heard.append((what, since))
        raise CORRUPT

    met, began = Damage(clock=nerves.clock, alarm=alarm), nerves.clock.at
    for _ in range(300):
        assert await met.met("sweep.damaged", CORRUPT) == corruption.WAITS
        nerves.clock.at += corruption.WAITS
    assert heard == [(WHAT, began)] * len(LOUD)
