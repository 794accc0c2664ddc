"""The module's lists of tables against the tables that there are, on a real SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from quietline_synapse.rooms import AllRooms, PolicyRooms
    from quietline_synapse.settings import LineSettings, ModuleSettings

POLICY, ROOM = "@policy:agency.example", "!gone"
LOOKED_INTO = {
    "rooms": ("room_id", "creator"),
    "events": ("room_id", "event_id"),
    "state_groups": ("room_id",),
    "redactions": ("event_id", "redacts", "have_censored"),
    "background_updates": ("update_name", "progress_json"),
    "device_inbox": ("user_id", "message_json"),
    "room_memberships": ("room_id", "user_id"),
}
COLUMNS = {
    "scheduled_tasks": ("action", "resource_id", "status"),
    "push_rules": ("rule_id",),
    "push_rules_enable": ("rule_id",),
    "push_rules_stream": ("rule_id", "conditions", "actions"),
}


@cache
def settings() -> ModuleSettings:
    """Return the settings of two lines."""
    from quietline_synapse.settings import LineSettings, ModuleSettings

    north = LineSettings(token="t" * 64, policy=POLICY, identities=())
    south = LineSettings(token="s" * 64, policy="@policy-south:agency.example", identities=())
    return ModuleSettings(lines=(north, south), upload_bytes=0)


def tables(kind: str = "") -> list[str]:
    """Return the statements that make Synapse's tables, each with the columns that are asked for, of a kind."""
    from quietline_synapse.rooms import BLANKED_ROWS, REMNANT_ROWS

    names = {*(table for table, _ in REMNANT_ROWS), *(table for table, _, _ in BLANKED_ROWS)}
    columns = {**LOOKED_INTO, **{name: COLUMNS.get(name, ("room_id",)) for name in sorted(names)}}
    return [f"CREATE TABLE {name} ({', '.join(f'{each} {kind}' for each in own)})" for name, own in columns.items()]


class OneDatabase:
    """Stands for Synapse's module API over one file."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path)
        for statement in tables():
            self.db.execute(statement)

    async def run_db_interaction(self, _name: str, work: Callable[..., Any], *values: object) -> Any:
        with self.db:
            return work(self.db.cursor(), *values)

    def rooms(self, line: LineSettings | None = None) -> PolicyRooms:
        from quietline_synapse.rooms import PolicyRooms
        from quietline_synapse.schema import Schema

        api: Any = self
        return PolicyRooms(api=api, line=line or settings().lines[0], schema=Schema(api=api, engine="sqlite"))

    def all_rooms(self) -> AllRooms:
        from quietline_synapse.rooms import AllRooms
        from quietline_synapse.schema import Schema

        api: Any = self
        return AllRooms(api=api, settings=settings(), schema=Schema(api=api, engine="sqlite"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[OneDatabase]:
    sqlite_database = OneDatabase(tmp_path / "homeserver.db")
    yield sqlite_database
    sqlite_database.db.close()


async def test_a_table_that_nobody_knows_is_told(database: OneDatabase) -> None:
    """A newer Synapse may have one that names rooms; lists of work, and our own, are none."""
    assert await database.rooms().problems() == []
    for table in ("brand_new (room_id)", "other_new (id)", "_temp_list (room_id)", "quietline_purged (room_id)"):
        database.db.execute(f"CREATE TABLE {table}")
    (problem,) = await database.rooms().problems()
    assert problem == "database: the module does not know brand_new: a purge may leave a room's id there"


async def test_a_room_that_synapse_works_at_is_not_gone(database: OneDatabase) -> None:
    """A list of work, and how far it has come, are Synapse's: both stay, and the room waits until neither names it."""
    rooms = database.rooms()
    assert (await rooms.read_facts(ROOM)).leftovers == 0
    database.db.execute("CREATE TABLE _temp_populate_rooms (room_id, events)")
    database.db.execute("CREATE TABLE _temp_populate_position (position)")
    database.db.execute("INSERT INTO _temp_populate_rooms VALUES (?, 1), ('!other', 2)", (ROOM,))
    database.db.execute("INSERT INTO background_updates VALUES ('mark', ?)", (f'{{"last_room_id": "{ROOM}"}}',))
    assert (await rooms.read_facts(ROOM)).leftovers == 2
    assert (await rooms.purge(ROOM)).leftovers == 2
    database.db.execute('UPDATE background_updates SET progress_json = \'{"last_room_id": "!other"}\'')
    assert (await rooms.read_facts(ROOM)).leftovers == 1
    database.db.execute("DROP TABLE _temp_populate_rooms")
    assert (await rooms.purge(ROOM)).leftovers == 0


async def test_what_synapse_writes_after_a_purge_is_not_called_gone(database: OneDatabase) -> None:
    """It counts members and sums up notifications beside a purge and after it: that goes as well, and no other room's."""
    rooms = database.rooms()
    for table in ("room_stats_current", "event_push_summary"):
        database.db.execute(f"CREATE TABLE {table} (room_id)")
        database.db.execute(f"INSERT INTO {table} VALUES (?), ('!other')", (ROOM,))  # noqa: S608
    assert (await rooms.read_facts(ROOM)).leftovers == 2
    assert (await rooms.purge(ROOM)).leftovers == 0
    for table in ("room_stats_current", "event_push_summary"):
        assert database.db.execute(f"SELECT room_id FROM {table}").fetchall() == [("!other",)]  # noqa: S608


@pytest.mark.parametrize("table", ["rooms", "events"])
async def test_of_a_room_that_came_meanwhile_nothing_is_deleted(database: OneDatabase, table: str) -> None:
    """Between the look and the deletion a person may have joined it at another homeserver."""
    from quietline_synapse import rooms as module

    database.db.execute("INSERT INTO event_reports (room_id) VALUES (?)", (ROOM,))
    database.db.execute(f"INSERT INTO {table} (room_id) VALUES (?)", (ROOM,))  # noqa: S608
    columns = await database.rooms()._schema.columns()
    await database.run_db_interaction("", module._delete_leftovers, ROOM, POLICY, columns)
    assert database.db.execute("SELECT COUNT(*) FROM event_reports").fetchone() == (1,)
    database.db.execute(f"DELETE FROM {table}")  # noqa: S608
    await database.run_db_interaction("", module._delete_leftovers, ROOM, POLICY, columns)
    assert database.db.execute("SELECT COUNT(*) FROM event_reports").fetchone() == (0,)


async def test_keys_of_rooms_that_we_purged_are_ours_for_ever(database: OneDatabase) -> None:
    """A client may bring them back long after, of any line's room; a room that nobody knows here is another person's."""
    _, south = settings().lines
    rooms, ids = database.all_rooms(), ["!theirs", "!far", "!ours", "!south", "!unknown"]
    database.db.execute(
        "INSERT INTO rooms (room_id, creator) VALUES ('!theirs', '@bea:x'), ('!far', NULL), ('!ours', ?), ('!south', ?)",
        (POLICY, south.policy),
    )
    assert await rooms.our_rooms(ids) == {"!ours", "!south"}
    await database.run_db_interaction("", _purged)
    assert await rooms.our_rooms([*ids, ROOM, "!gone south"]) == {"!ours", "!south", ROOM, "!gone south"}
    assert ROOM not in str(database.db.execute("SELECT * FROM quietline_purged").fetchall())


async def test_a_line_looks_at_no_room_of_another(database: OneDatabase) -> None:
    """What is there of a line's room is told to that line alone; a room that is nowhere is gone for both."""
    from synapse.module_api.errors import SynapseError

    north, south = settings().lines
    database.db.execute("INSERT INTO rooms (room_id, creator) VALUES ('!ours', ?), ('!south', ?)", (POLICY, south.policy))
    for line, own, others in ((north, "!ours", "!south"), (south, "!south", "!ours")):
        rooms = database.rooms(line)
        assert (await rooms.read_facts(own)).creator == line.policy
        with pytest.raises(SynapseError, match="Refused"):
            await rooms.read_facts(others)
        assert (await rooms.read_facts("!nowhere")).is_gone


def _purged(txn: Any) -> None:
    from quietline_synapse.rooms import PURGED_TABLE, purged_digest

    for line, room_id in zip(settings().lines, (ROOM, "!gone south"), strict=True):
        txn.execute(PURGED_TABLE)
        txn.execute("INSERT INTO quietline_purged (digest) VALUES (?)", (purged_digest(line, room_id),))
