"""What the doctor says of a line's PostgreSQL: nothing of one that is well, and each fault with what to do about it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from bridge.config.load import load
from bridge.config.sections import Config
from bridge.storage.database import Sync
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.storage.postgres_database import PostgresDatabase
from bridge.storage.postgres_probe import PostgresHealth, PostgresSlot, PostgresTable, ask_health
from deploy.backup.migrate import migrate
from deploy.data_dir.layout import Layout
from deploy.doctor import postgres_probes as module
from deploy.doctor.doctor import ROWS, run_checks
from deploy.doctor.postgres_probes import check_copies, check_log, check_server, check_vacuum, postgres_probes, sqlite_rows
from deploy.inspect.check_report import CheckResult
from tests.deploy.line_directory import line_directory
from tests.e2e.polling import wait_until
from tests.every_row import every_row
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import ROLE, SUPERUSER, PostgresServer, bridge_server, running_postgres
from tests.outside_programs import OutsidePrograms

pytestmark = pytest.mark.asyncio(loop_scope="module")
SAFE = ("fsync=on", "full_page_writes=on", "synchronous_commit=on", "archive_mode=on", "wal_recycle=off")
MIB = 2**20
NAMES = ("database lock", *module.ROWS, "leader")


class ServerLine:
    """A stopped line whose databases are on a server of its own, which is well."""

    def __init__(self, server: PostgresServer, layout: Layout, name: str) -> None:
        self.server, self.layout, self.name = server, layout, name

    @property
    def config(self) -> Config:
        return load(self.layout.config)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the line's database, as the superuser."""
        return self.server.execute(self.name, *statements)

    def archive(self, command: str) -> None:
        """Have the server archive its log by a command, beginning now."""
        self.execute(f"ALTER SYSTEM SET archive_command = '{command}'", "SELECT pg_reload_conf()")

    async def ask(self, *, seconds: float = 30.0) -> dict[str, CheckResult]:
        """Return the rows about the server, as a report has them."""
        report, _ = await run_checks(self.layout, seconds=seconds)
        return {row.name: row for row in report.checks if row.name in {*NAMES, "database"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerLine]:
    directory = tmp_path_factory.mktemp("postgres")
    with running_postgres(OutsidePrograms(missing=[])) as postgres:
        server = bridge_server(postgres)
        server.stop()
        server.start(*SAFE)
        async with line_directory(directory) as sqlite_line:
            await sqlite_line.harness.close()
            name, url_file = f"line_{secrets.token_hex(6)}", directory / "database_url"
            url_file.touch(mode=0o600)
            url_file.write_text(await make_line_database(name, server.url("postgres")))
            with sqlite_line.layout.config.open("a", encoding="utf-8") as config:
                config.write(f"\ndatabase: {{url_file: {url_file}, copies_kept_days: 14}}\n")
            await migrate(load(sqlite_line.layout.config), "postgresql")
            line = ServerLine(server, sqlite_line.layout, name)
            line.archive("/bin/true")
            yield line


async def test_a_server_that_is_well(line: ServerLine) -> None:
    """Every row is well, none warns, none asks for anything."""
    rows = await line.ask()
    assert {name: (row.ok, row.warning, row.asked, row.do) for name, row in rows.items()} == dict.fromkeys(
        [*NAMES, "database"], (True, False, True, "")
    )
    assert "0 replicas, 0 slots, an archive" in rows["database log"].what


async def test_a_line_on_sqlite_has_none_of_it() -> None:
    """Its rows say so; all of them are in every report."""
    assert {row.name for row in sqlite_rows() if row.ok} == {*module.ROWS, "leader"} < set(ROWS)


@pytest.mark.parametrize(
    ("statement", "which"),
    [("SELECT pg_advisory_xact_lock({lock})", "the lock of commits"), ("LOCK TABLE main.thread IN SHARE MODE", "a table")],
)
async def test_who_keeps_the_bridge_from_writing(line: ServerLine, statement: str, which: str) -> None:
    """A transaction that does not end is named by its process; one commit after another is nobody's fault."""
    place = PostgresPlace(str(line.config.database_url), "main")
    other = await connect(place)
    await other.run(f"BEGIN; {statement.format(lock=place.lock('commit'))}")
    try:
        [_, probe, _] = postgres_probes(line.config, wait_ms=3000)
        [row] = await probe.ask()
        assert (row.ok, which in row.what) == (False, True)
        assert f"process {await other.fetchval('SELECT pg_backend_pid()')} of" in row.what
        assert "pg_terminate_backend" in row.do
    finally:
        await other.close()
    database = PostgresDatabase(place)
    await database.open()
    writing = asyncio.create_task(_write(database))
    [_, probe, _] = postgres_probes(line.config, wait_ms=30_000)
    try:
        [row] = await probe.ask()
        assert row.ok, row
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await database.close()


async def _write(database: PostgresDatabase) -> None:
    while True:
        await asyncio.gather(
            *(
                database.commit(lambda transaction: transaction.execute("DELETE FROM seen"), sync=Sync.BEGIN)
                for _ in range(50)
            )
        )


async def test_what_the_server_is_set_to(line: ServerLine) -> None:
    """Faults that are planted on a server that runs: each is in its row, and gone when it was put right."""
    line.execute(f"ALTER ROLE {ROLE} SET synchronous_commit = off")
    assert "synchronous_commit is off" in (await line.ask())["database server"].what
    line.execute(f"ALTER ROLE {ROLE} RESET synchronous_commit")
    line.execute("ALTER TABLE main.seen SET (autovacuum_enabled = false)")
    row = (await line.ask())["database vacuum"]
    assert (row.ok, row.what) == (False, "autovacuum passes over seen")
    line.execute("ALTER TABLE main.seen RESET (autovacuum_enabled)")
    line.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
    row = (await line.ask())["database log"]
    assert (row.ok, row.warning, "pg_drop_replication_slot('left_behind')" in row.do) == (True, True, True)
    line.execute("SELECT pg_drop_replication_slot('left_behind')")
    line.archive("/bin/false")
    line.execute("SELECT pg_switch_wal()")

    async def failed() -> bool | None:
        return not (await line.ask())["database log"].ok or None

    await wait_until("the archive fails", failed)
    assert "archive_command" in (await line.ask())["database log"].do
    line.archive("/bin/true")

    async def well() -> bool | None:
        return (await line.ask())["database log"].ok or None

    await wait_until("the archive works again", well)


async def test_how_long_its_log_and_copies_are_kept(line: ServerLine) -> None:
    """What slots keep without a limit, a base backup while it is made, and whether a replica is waited for: as they are."""
    line.execute("SELECT pg_create_physical_replication_slot('unlimited', true)")
    row = (await line.ask())["database log"]
    assert (row.ok, row.warning) == (True, True)
    assert "max_slot_wal_keep_size is not set" in row.what
    assert "Set it to what the disk can spare" in row.do
    line.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'", "SELECT pg_reload_conf()")

    async def limited() -> bool | None:
        return "max_slot_wal_keep_size is" not in (await line.ask())["database log"].what or None

    await wait_until("the limit is seen", limited)
    line.execute("SELECT pg_drop_replication_slot('unlimited')", "ALTER SYSTEM RESET max_slot_wal_keep_size")
    assert "waits for no replica" in (await line.ask())["database log"].what
    line.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
    try:

        async def synchronous() -> bool | None:
            return "what is answered waits for the replica" in (await line.ask())["database log"].what or None

        await wait_until("the name is seen", synchronous)
    finally:
        line.execute("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    # Without the log there is no second process, which would outlive the first and keep its standard error open.
    backup = line.server.start_base_backup(line.server.directory / "slow", "--max-rate=32k", "--wal-method=none")
    try:

        async def made() -> bool | None:
            row = (await line.ask())["database log"]
            return (row.ok, row.warning, "1 base backups are being made" in row.what) == (True, True, True) or None

        await wait_until("the base backup is seen", made)
    finally:
        backup.kill()
        backup.communicate()

    async def over() -> bool | None:
        row = (await line.ask())["database log"]
        return not row.warning or None

    await wait_until("nothing of it is left", over)


async def test_a_server_that_is_not_durable(line: ServerLine, postgres_server: PostgresServer) -> None:
    """The tests' own server is quick because it keeps nothing over a crash: that is a fault."""
    connection = await connect(PostgresPlace(postgres_server.url("postgres"), "main"))
    try:
        health = await ask_health(connection, module.SCHEMAS)
    finally:
        await connection.close()
    row = check_server(health, line.config, now=time.time())
    assert not row.ok
    assert "fsync or full_page_writes is off" in row.what


async def test_a_frozen_server_holds_up_nothing(line: ServerLine) -> None:
    """It takes connections and answers none: one row says so with what to do, the rows behind it cannot be judged."""
    pids = [int(row[0]) for row in line.execute("SELECT pid FROM pg_stat_activity")]
    process = line.server._process
    assert process is not None
    assert pids
    os.kill(process.pid, signal.SIGSTOP)
    try:
        rows = await line.ask(seconds=4.0)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    row = rows.pop("database server")
    assert (row.ok, "does not answer" in row.what, "503" in row.do) == (False, True, True)
    assert {name: (each.ok, each.asked) for name, each in rows.items()} == dict.fromkeys(rows, (True, False))


HEALTHY = PostgresHealth(
    version=150_000, encoding="UTF8", orders_bytes=True, is_replica=False, is_durable=True, synchronous_commit="on",
    autovacuum=True, free_connections=80, clock=1000.0, bytes=5 * MIB, directory=None, archives=False,
    archive_fails=False, kept_log_bytes=0, recycles_log=False, slots_keep_all=False, is_synchronous=False, replicas=0,
    base_backups=0, oldest_transaction=1.0, prepared_count=0, slots=(),
    tables=(PostgresTable(name="seen", live=10, dead=19_000, left_out=False),),
)  # fmt: skip
SLOT = PostgresSlot(name="one", active=True, status="reserved", kept_bytes=MIB)


@every_row(
    ("row", "changed", "says", "ok"),
    [
        ("server", {"is_replica": True}, "is a replica", False),
        ("server", {"version": 120_005}, "older than version 13", False),
        ("server", {"encoding": "SQL_ASCII"}, "not UTF-8", False),
        ("server", {"orders_bytes": False}, "orders text by a language", False),
        ("server", {"is_durable": False}, "fsync", False),
        ("server", {"synchronous_commit": "off"}, "synchronous_commit is off", False),
        ("server", {"free_connections": -1}, "has 0 connections left", False),
        ("server", {"clock": 700.0}, "300 seconds behind", True),
        ("server", {"clock": 1300.0}, "300 seconds ahead", True),
        ("vacuum", {"autovacuum": False}, "is off", False),
        ("vacuum", {"tables": (PostgresTable(name="seen", live=9, dead=21_000, left_out=False),)}, "dead in seen", False),
        ("vacuum", {"oldest_transaction": 7200.0}, "2.0 hours", False),
        ("vacuum", {"prepared_count": 1}, "left prepared", False),
        ("log", {"archives": True, "archive_fails": True}, "archive of the log fails", False),
        ("log", {"slots": (replace(SLOT, active=False),)}, "nobody reads it", True),
        ("log", {"slots": (replace(SLOT, kept_bytes=300 * MIB),)}, "holds 300 MiB", False),
        ("log", {"slots": (replace(SLOT, status="lost"),)}, "never catch up", False),
        ("log", {"slots": (SLOT,), "slots_keep_all": True}, "max_slot_wal_keep_size", True),
        ("log", {"kept_log_bytes": 1024 * MIB}, "1024 MiB", True),
        ("log", {"recycles_log": True}, "wal_recycle", True),
        ("log", {"base_backups": 1}, "base backups", True),
    ],
)
async def test_each_fault_has_what_to_do(line: ServerLine, row: str, changed: dict[str, Any], says: str, ok: bool) -> None:
    """A fault is not well, a warning is; both say what to do, and a server with neither says nothing."""
    ask = {
        "server": lambda health: check_server(health, line.config, now=1000.0),
        "vacuum": check_vacuum,
        "log": check_log,
    }[row]
    well, fault = ask(HEALTHY), ask(replace(HEALTHY, **changed))
    assert (well.ok, well.warning, well.do) == (True, False, "")
    assert (fault.ok, fault.warning, says in fault.what, bool(fault.do)) == (ok, ok, True, True)


@pytest.mark.parametrize(
    ("days", "archives", "says"),
    [
        (None, False, "nobody said for how long"),
        (0, True, "archives its log, though"),
        (36, False, "for 36 days"),
        (0, False, ""),
        (35, True, ""),
    ],
)
async def test_for_how_long_copies_are_kept(line: ServerLine, days: int | None, archives: bool, says: str) -> None:
    """Nobody but the agency can say it: a warning where it has not, or where it cannot be so."""
    assert line.config.database is not None
    settings = line.config.database.model_copy(update={"copies_kept_days": days})
    row = check_copies(replace(HEALTHY, archives=archives), line.config.model_copy(update={"database": settings}))
    assert (row.name, row.ok, row.warning, says in row.what) == ("database copies", True, bool(says), True)
    assert bool(row.do) == bool(says)


async def test_a_full_disk_is_seen_where_it_is_this_machine_s(line: ServerLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The role is told where the data are only when it may read all settings."""
    line.server.execute(SUPERUSER, f"GRANT pg_read_all_settings TO {ROLE}")
    try:
        assert (await line.ask())["database server"].ok
        monkeypatch.setattr(module, "MIN_FREE_BYTES", 2**62)
        assert "MiB left" in (await line.ask())["database server"].what
    finally:
        line.server.execute(SUPERUSER, f"REVOKE pg_read_all_settings FROM {ROLE}")
