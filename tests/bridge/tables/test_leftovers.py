"""Every table that could name a room or a thread is looked into before a certificate is signed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from bridge.matrix.schema import PUPPET_SCHEMA
from bridge.storage.database import Database
from bridge.tables.erasure_jobs import PERSON_COLUMNS, ROOM_COLUMNS
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import make_database

NAMES: Final = {"room_id": ROOM_COLUMNS, "heard_room": ROOM_COLUMNS, "owner": PERSON_COLUMNS, "thread": PERSON_COLUMNS}
"""Columns that name a person, by their names, and the list that must hold their table."""


async def columns(database: Database) -> set[tuple[str, str]]:
    pairs = set()
    for row in await database.fetch("SELECT name FROM sqlite_master WHERE type = 'table'"):
        info = await database.fetch(f"PRAGMA table_info('{row['name']}')")
        pairs |= {(row["name"], column["name"]) for column in info}
    return pairs


@pytest.mark.sqlite_only
async def test_no_table_is_forgotten(harness: BridgeHarness) -> None:
    """A table with a column for a room or a thread is in the list of those that are looked into."""
    there = await columns(harness.database)
    naming = {(table, column) for table, column in there if column in NAMES}
    assert {pair for pair in naming if pair not in NAMES[pair[1]]} == set()
    assert {pair for pair in (*ROOM_COLUMNS, *PERSON_COLUMNS) if pair not in there} == set(), "a table that there is not"


@pytest.mark.sqlite_only
async def test_the_puppets_own_file_names_no_room_of_ours(tmp_path: Path) -> None:
    """The texter puppet's database holds its account and Olm sessions, and has no table for rooms."""
    database = make_database(tmp_path / "voice.db", schema=PUPPET_SCHEMA)
    await database.open()
    assert "room_id" not in {column for _, column in await columns(database)}
    await database.close()
