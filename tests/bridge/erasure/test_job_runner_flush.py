"""The last step of the way down: nothing is called gone while the database, or its log, still names it."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.bridge.litter import everything, littered
from tests.fakes.paper_rooms import ROOM, WayDown


async def test_while_somebody_reads_it_is_not_closed(way: WayDown) -> None:
    """A reader keeps the log: the case stays, without a name, until its room is in no byte of ours."""
    nerves = way.nerves
    owner = await way.furnish()
    await way.say(owner, "!close now")
    query = "SELECT COUNT(*) FROM erasure WHERE subject = $1 AND step <> 'sign'"
    while await nerves.store.fetchval(query, ROOM):
        await nerves.copies.once()
        nerves.clock.at += await way.erasure.once()
    with contextlib.closing(sqlite3.connect(nerves.directory / "main.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM erasure").fetchone()
        for _ in range(8):
            nerves.clock.at += await way.erasure.once()
        rows = await nerves.store.fetch("SELECT * FROM erasure")
        assert {row["step"] for row in rows} == {"flush"}
        assert all(row["subject"] == row["id"] and row["thread"] == "" for row in rows)
        assert ROOM.encode() in everything(nerves.directory)
        reader.execute("COMMIT")
    assert len(await way.receipts()) == 2
    await way.down()
    assert ROOM.encode() not in everything(nerves.directory)
    assert owner.encode() not in everything(nerves.directory)


async def test_what_a_tree_left_behind_goes_too(way: WayDown) -> None:
    """Bytes that `secure_delete` does not reach are gone as well when a conversation is."""
    owner = await way.furnish()
    gone = await littered(way.nerves.store)
    await way.say(owner, "!close now")
    await way.down()
    raw = everything(way.nerves.directory)
    assert not [data for data in gone if data in raw]


async def test_without_room_for_a_second_copy_it_waits_and_is_told(way: WayDown, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk hears of it after some tries; other cases go on meanwhile; with room again both are closed, by one copy."""
    nerves = way.nerves
    copies = 0

    async def full() -> bool:
        return False

    async def room() -> bool:
        nonlocal copies
        copies += 1
        return await rewrite()

    rewrite = nerves.store.rewrite
    monkeypatch.setattr(nerves.store, "rewrite", full)
    await way.say(await way.furnish(), "!close now")
    while not nerves.alarms:
        await nerves.copies.once()
        nerves.clock.at += await way.erasure.once()
    while await nerves.store.fetchval("SELECT COUNT(*) FROM erasure WHERE step <> 'flush'"):
        nerves.clock.at += await way.erasure.once()
    told = "the database is in use, or has no room to be written anew"
    assert set(nerves.alarms) <= {f"a room ({told})", f"what was kept of a texter ({told})"}
    monkeypatch.setattr(nerves.store, "rewrite", room)
    await way.down()
    assert copies == 1
    assert len(await way.receipts()) == 2


async def test_one_copy_serves_all_that_end_together(way: WayDown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty rooms that were looked for at the same time: twenty receipts, and the database is written anew once."""
    nerves, rewrite, copies = way.nerves, way.nerves.store.rewrite, 0

    async def counted() -> bool:
        nonlocal copies
        copies += 1
        return await rewrite()

    monkeypatch.setattr(nerves.store, "rewrite", counted)
    query = """INSERT INTO erasure (id, kind, subject, thread, step, due, patience, began)
               VALUES ($1, 'room', $1, '', 'sign', $2, 0, 0)"""
    for number in range(20):
        values = (f"!old{number}", nerves.clock.at - 60 + number)
        await nerves.store.commit(lambda conn, values=values: conn.execute(query, *values))  # type: ignore[misc]
    await way.down()
    assert (copies, len(await way.receipts())) == (1, 20)
