"""The tables of this Synapse, compared with those that the module knows.

Rule of this module: the lists of tables elsewhere were made by hand, for one version. A listed table that does not exist is
skipped: nothing of a room can be left in it. A table with room ids that is on no list is reported (`problems`), because a
room's id may stay there after a purge. `run_interaction` handles tables that are created or dropped concurrently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from synapse.module_api import ModuleApi

ROOM: Final = "room_id"
TEMPORARY: Final = "_temp_"
"""Prefix of tables with Synapse's background work, which it drops when done: in its first minute, or after an update."""
OURS: Final = "quietline_"
OTHERS: Final = frozenset(
    {
        "blocked_rooms",  # rooms that an administrator blocked
        "device_lists_changes_converted_stream_position",  # blanked (`rooms.BLANKED_ROWS`)
        "event_labels",  # experimental, deleted with the event
        "event_txn_id_device_id",  # deleted with the event
        "room_retention",  # from an event that line rooms do not have
        "rooms",  # the last step of a purge
        "state_groups",  # purged by number, and checked
        "state_groups_state",
        "un_partial_stated_room_stream",  # rooms joined at other homeservers
        "user_directory",  # people; the column is no longer filled
    }
)
"""Tables with a `room_id` that contain no purged line room, although neither Synapse nor we clear them by room."""

SQLITE_COLUMNS: Final = """SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
    WHERE m.type = 'table'"""
POSTGRES_COLUMNS: Final = """SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = ANY (current_schemas(FALSE))"""

SQLITE_HAS: Final = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
POSTGRES_HAS: Final = "SELECT to_regclass(?) IS NOT NULL"
POSTGRES_MAY_MAKE: Final = "SELECT COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE)"

NOT_ALLOWED: Final = "42501"
"""PostgreSQL's code for a missing privilege."""
UNDEFINED_TABLE: Final = "42P01"
"""PostgreSQL's code for a missing table: Synapse dropped a table of work after the transaction had found it."""
MADE_MEANWHILE: Final = frozenset({"23505", "42P07"})
"""Its codes when another connection creates the same table: `IF NOT EXISTS` checks before it waits for that one."""
ATTEMPTS: Final = 5
"""As many as Synapse's own attempts at a transaction after a conflict."""


async def run_interaction(api: ModuleApi, name: str, work: Callable[..., Any], *values: object) -> Any:
    """Run `work` in a transaction of Synapse's; repeat it when a table was created or dropped concurrently.

    Synapse itself repeats only after a deadlock or a conflict of rows. On SQLite a transaction is not affected by others.
    """
    attempt = 1
    while True:
        try:
            return await api.run_db_interaction(name, work, *values)
        except Exception as error:
            if attempt == ATTEMPTS or getattr(error, "pgcode", None) not in {UNDEFINED_TABLE, *MADE_MEANWHILE}:
                raise
        attempt += 1


class Schema:
    """Tables and columns, read once: Synapse changes them only when it starts, except its tables of work."""

    def __init__(self, *, api: ModuleApi, engine: str) -> None:
        self._api, self._is_sqlite = api, engine == "sqlite"
        self._statement = SQLITE_COLUMNS if self._is_sqlite else POSTGRES_COLUMNS
        self._columns: dict[str, set[str]] = {}

    async def columns(self) -> dict[str, set[str]]:
        """Return the columns of each table."""
        if not self._columns:

            def read(txn: Any) -> list[tuple[str, str]]:
                txn.execute(self._statement)
                return [(str(table), str(column)) for table, column in txn.fetchall()]

            columns: dict[str, set[str]] = {}
            for table, column in await self._api.run_db_interaction("quietline_schema", read):
                columns.setdefault(table, set()).add(column)
            self._columns = columns
        return self._columns

    def has_table(self, txn: Any, table: str) -> bool:
        """Whether the table exists now. `CREATE TABLE IF NOT EXISTS` needs the privilege even when the table exists."""
        txn.execute(SQLITE_HAS if self._is_sqlite else POSTGRES_HAS, (table,))
        return bool(txn.fetchone()[0])

    async def has_or_may_create(self, table: str) -> bool:
        """Whether the table exists, or Synapse's role may create it."""

        def read(txn: Any) -> bool:
            if self._is_sqlite or self.has_table(txn, table):
                return True
            txn.execute(POSTGRES_MAY_MAKE)
            return bool(txn.fetchone()[0])

        return bool(await self._api.run_db_interaction("quietline_may_create", read))

    def work_tables(self, txn: Any) -> list[str]:
        """Return Synapse's tables of work that contain room ids, as of now."""
        txn.execute(self._statement)
        return [str(table) for table, column in txn.fetchall() if table.startswith(TEMPORARY) and column == ROOM]

    async def problems(self, known: Iterable[str]) -> list[str]:
        """Report tables that contain room ids, are not `known`, and are not purged by Synapse itself."""
        purged = _all_purged_tables()
        if purged is None:
            return [
                "database: this Synapse does not say what it purges; a room's id may be left in tables nobody looks into"
            ]
        strange = sorted(
            table
            for table, columns in (await self.columns()).items()
            if ROOM in columns and not table.startswith((TEMPORARY, OURS)) and table not in {*purged, *known, *OTHERS}
        )
        if not strange:
            return []
        return [f"database: the module does not know {', '.join(strange)}: a purge may leave a room's id there"]


def tables_purged_by_room() -> tuple[str, ...]:
    """Return the tables that Synapse's own purge empties by the room's id, in its order; none when they are unknown."""
    try:
        from synapse.storage.databases.main import purge_events  # noqa: PLC0415 - a missing part is reported

        return tuple(map(str, purge_events.purge_room_tables_with_room_id_column))
    except (ImportError, AttributeError):
        return ()


def _all_purged_tables() -> frozenset[str] | None:
    try:
        from synapse.storage.databases.main import purge_events  # noqa: PLC0415 - a missing part is reported

        by_event = purge_events.purge_room_tables_with_event_id_index
    except (ImportError, AttributeError):
        return None
    by_room = tables_purged_by_room()
    return frozenset((*by_event, *by_room)) if by_room else None
