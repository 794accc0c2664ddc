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
        raise sqlite3.OperationalError("database or disk is full")

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
    assert set(nerves.alarms) <= {
        "a room (the database cannot be written anew)",
        "what was kept of a texter (the database cannot be written anew)",
    }
    monkeypatch.setattr(nerves.store, "rewrite", room)
    await way.down()
    assert copies == 1
    assert len(await way.receipts()) == 2
