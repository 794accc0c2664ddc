"""Every table that could name a room or a thread is looked into before a receipt is signed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bridge.matrix.schema import VOICE_UPGRADES
from bridge.storage.database import Store
from bridge.tables.leftovers import OF_PERSON, OF_ROOM
from tests.fakes.nerves import Nerves

NAMES: Final = {"room_id": OF_ROOM, "owner": OF_PERSON, "thread": OF_PERSON}
"""Columns that name somebody, by their names, and the list that must hold their table."""


async def columns(store: Store) -> set[tuple[str, str]]:
    found = set()
    for row in await store.fetch("SELECT name FROM sqlite_master WHERE type = 'table'"):
        info = await store.db.fetch(f"PRAGMA table_info('{row['name']}')")
        found |= {(row["name"], column["name"]) for column in info}
    return found


async def test_no_table_is_forgotten(nerves: Nerves) -> None:
    """A table with a column for a room or a thread is in the list of those that are looked into."""
    there = await columns(nerves.store)
    naming = {(table, column) for table, column in there if column in NAMES}
    assert {pair for pair in naming if pair not in NAMES[pair[1]]} == set()
    assert {pair for pair in (*OF_ROOM, *OF_PERSON) if pair not in there} == set(), "a table that there is not"


async def test_the_voices_own_file_names_no_room_of_ours(tmp_path: Path) -> None:
    """The line voice's store holds its account and Olm sessions; its tables for rooms stay empty, for we never use them."""
    store = Store(tmp_path / "voice.db", upgrades=VOICE_UPGRADES)
    await store.open()
    by_room = {table for table, column in await columns(store) if column == "room_id"}
    assert by_room == {table for table, _ in OF_ROOM if table.startswith("crypto_")}
    await store.close()
