"""Tables that come and go beside a transaction of the module's, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extensions
import pytest

from tests.deploy.synapse_module.quietline_synapse.test_schema import ROOM, settings, tables
from tests.fakes.postgres_server import SUPERUSER, PostgresServer

if TYPE_CHECKING:
    from quietline_synapse.rooms import AllRooms, PolicyRooms
    from quietline_synapse.vacuum import Vacuum

DATABASE = "synapse"
LIMITED = "limited"
"""The role that may make no table."""
LIST = "_temp_populate_rooms"
STATEMENT_TIMEOUT_MS = 600_000
"""What Synapse sets for its connections."""


class Transaction:
    """A cursor with Synapse's parameters. `after` is called with each statement once it has run."""

    def __init__(self, cursor: Any, after: Callable[[str], None]) -> None:
        self._cursor, self._after = cursor, after
        self.fetchone, self.fetchall = cursor.fetchone, cursor.fetchall

    def execute(self, sql: str, values: Any = ()) -> None:
        self._cursor.execute(sql.replace("%", "%%").replace("?", "%s"), values)
        self._after(sql)


class OnePostgres:
    """Stands for Synapse's module API: each transaction on a connection of its own, isolated as Synapse isolates them."""

    engine = "postgres"

    def __init__(self, server: PostgresServer) -> None:
        self._server, self.transactions = server, 0
        self.role, self.deleted = SUPERUSER, list[str]()
        """Whose rights transactions have, and the rooms that Synapse was told to purge."""
        self.session: dict[str, str] = {}
        """Settings of the last connection without a transaction, as it was given back."""
        self.after: Callable[[str], None] = lambda _sql: None

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        return self._server.execute(DATABASE, *statements)

    def connect(self) -> Any:
        connection = psycopg2.connect(self._server.libpq(DATABASE), options=f"-c role={self.role}")
        connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_REPEATABLE_READ)
        return connection

    async def run_db_interaction(self, _name: str, work: Callable[..., Any], *values: object) -> Any:
        self.transactions += 1

        def run() -> Any:
            with closing(self.connect()) as connection, connection, connection.cursor() as cursor:
                return work(Transaction(cursor, self.after), *values)

        return await asyncio.to_thread(run)

    async def delete_room(self, room_id: str) -> None:
        self.deleted.append(room_id)

    async def with_connection(self, work: Callable[[Any], Any]) -> Any:
        outer = self

        class Connection:
            def cursor(self) -> Transaction:
                return Transaction(connection.cursor(), outer.after)

        with closing(psycopg2.connect(self._server.libpq(DATABASE))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout TO {STATEMENT_TIMEOUT_MS}")
            try:
                return await asyncio.to_thread(work, Connection())
            finally:
                self.session = {name: self._shown(connection, name) for name in ("statement_timeout", "lock_timeout")}

    def _shown(self, connection: Any, name: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW {name}")
            return str(cursor.fetchone()[0])

    def rooms(self) -> PolicyRooms:
        from quietline_synapse.rooms import PolicyRooms
        from quietline_synapse.schema import Schema

        api: Any = self
        return PolicyRooms(api=api, line=settings().lines[0], schema=Schema(api=api, engine=self.engine))

    def all_rooms(self) -> AllRooms:
        from quietline_synapse.rooms import AllRooms
        from quietline_synapse.schema import Schema

        api: Any = self
        return AllRooms(api=api, settings=settings(), schema=Schema(api=api, engine=self.engine))

    def vacuum(self, full_bytes: int = 0) -> Vacuum:
        from quietline_synapse.vacuum import Vacuum

        internals: Any = self
        return Vacuum(internals=internals, full_bytes=full_bytes)

    async def waits(self) -> bool:
        """Whether somebody stands in line for a lock."""
        return self.execute("SELECT COUNT(*) FROM pg_locks WHERE NOT granted") != [(0,)]


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[OnePostgres]:
    """Make Synapse's database on the server of all tests, and take it away again with the role that a test made."""
    postgres_server.execute(SUPERUSER, f"CREATE DATABASE {DATABASE}")
    postgres_database = OnePostgres(postgres_server)
    postgres_database.execute(*tables("TEXT"), "ALTER TABLE redactions ALTER COLUMN have_censored TYPE BOOLEAN USING FALSE")
    yield postgres_database
    postgres_server.execute(SUPERUSER, f"DROP DATABASE {DATABASE} WITH (FORCE)", f"DROP ROLE IF EXISTS {LIMITED}")


def drop_once(postgres: OnePostgres, sign: str) -> None:
    """Have another connection drop the list of work after the first statement with this in it."""
    dropped: list[str] = []

    def after(sql: str) -> None:
        if sign in sql and not dropped:
            dropped.append(sql)
            postgres.execute(f"DROP TABLE {LIST}")

    postgres.execute(f"CREATE TABLE {LIST} (room_id TEXT)")
    postgres.after = after


async def test_a_list_of_work_that_is_dropped_meanwhile_holds_up_no_erasure(postgres: OnePostgres) -> None:
    """A look that saw the list, and finds it gone, is taken again."""
    drop_once(postgres, "information_schema")
    rooms = postgres.rooms()
    # What the tables are is read before, in a transaction of its own.
    postgres.after, after = lambda _sql: None, postgres.after
    assert (await rooms.read_facts(ROOM)).leftovers == 0
    postgres.after, before = after, postgres.transactions
    assert (await rooms.purge(ROOM)).is_gone
    assert postgres.transactions == before + 2
    assert postgres.execute(f"SELECT to_regclass('{LIST}')") == [(None,)]


async def test_a_role_that_may_make_no_table_holds_up_neither_erasure_nor_backups(postgres: OnePostgres) -> None:
    """An agency may take that right from Synapse once its tables are there: the room goes all the same, and it is told."""
    from quietline_synapse.rooms import NO_PURGED_TABLE

    postgres.execute(
        "CREATE TABLE state_events (room_id TEXT, type TEXT, state_key TEXT, event_id TEXT)",
        "CREATE TABLE event_json (event_id TEXT, json TEXT)",
        "ALTER TABLE events ADD sender TEXT",
        "INSERT INTO rooms VALUES ('!gone', '@policy:agency.example')",
        "INSERT INTO events VALUES ('!gone', '$c', '@policy:agency.example')",
        "INSERT INTO state_events VALUES ('!gone', 'm.room.create', '', '$c')",
        """INSERT INTO event_json VALUES ('$c', '{"content": {}}')""",
        f"CREATE ROLE {LIMITED}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {LIMITED}",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    rooms = postgres.rooms()
    assert await rooms.problems() == []
    postgres.role = LIMITED
    assert await rooms.problems() == [NO_PURGED_TABLE]
    assert await postgres.all_rooms().our_rooms([ROOM, "!theirs"]) == {ROOM}
    await rooms.purge(ROOM)
    assert postgres.deleted == [ROOM]
    assert postgres.execute("SELECT to_regclass('quietline_purged')") == [(None,)]
    # Where an administrator makes it for the role, nothing is amiss.
    postgres.execute(
        "CREATE TABLE quietline_purged (digest TEXT PRIMARY KEY)", f"GRANT ALL ON quietline_purged TO {LIMITED}"
    )
    await rooms.purge(ROOM)
    assert await rooms.problems() == []
    postgres.execute("DELETE FROM rooms")
    assert await postgres.all_rooms().our_rooms([ROOM, "!theirs"]) == {ROOM}
