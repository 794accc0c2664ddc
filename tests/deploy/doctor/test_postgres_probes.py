"""What the doctor says of a line's PostgreSQL: nothing of one that is well, and each fault with what to do about it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
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
from bridge.storage.postgres_probe import PostgresHealth
from deploy.backup.migrate import migrate
from deploy.data_dir.layout import Layout
from deploy.doctor.doctor import run_checks
from deploy.doctor.postgres_probes import check_server, postgres_probes
from deploy.inspect.check_report import CheckResult
from tests.deploy.line_directory import line_directory
from tests.every_row import every_row
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import PostgresServer, bridge_server, running_postgres
from tests.outside_programs import OutsidePrograms

pytestmark = pytest.mark.asyncio(loop_scope="module")
SAFE = ("fsync=on", "full_page_writes=on", "synchronous_commit=on", "archive_mode=on", "wal_recycle=off")
MIB = 2**20
NAMES = ("database lock", "database server", "leader")


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
    version=150_000, is_replica=False, is_durable=True, synchronous_commit="on", autovacuum=True, free_connections=80,
    bytes=5 * MIB, archives=False, archive_fails=False, recycles_log=False, oldest_transaction=1.0,
)  # fmt: skip


@every_row(
    ("changed", "days", "says", "ok"),
    [
        ({"is_replica": True}, 14, "is a replica", False),
        ({"is_durable": False}, 14, "fsync", False),
        ({"synchronous_commit": "off"}, 14, "synchronous_commit is off", False),
        ({"free_connections": -1}, 14, "has 0 connections left", False),
        ({"autovacuum": False}, 14, "is off", False),
        ({"oldest_transaction": 7200.0}, 14, "2.0 hours", False),
        ({"archives": True, "archive_fails": True}, 14, "archive of its log fails", False),
        ({"recycles_log": True}, 14, "wal_recycle", True),
        ({}, None, "nobody said for how long", True),
        ({"archives": True}, 0, "archives its log, though", True),
    ],
)
async def test_each_fault_has_what_to_do(
    line: ServerLine, changed: dict[str, Any], days: int | None, says: str, ok: bool
) -> None:
    """A fault is not well, a warning is; both say what to do, and a server with neither says nothing."""
    assert line.config.database is not None
    settings = line.config.database.model_copy(update={"copies_kept_days": days})
    config = line.config.model_copy(update={"database": settings})
    well = check_server(HEALTHY, line.config)
    fault = check_server(replace(HEALTHY, **changed), config)
    assert (well.ok, well.warning, well.do) == (True, False, "")
    assert (fault.ok, fault.warning, says in fault.what, bool(fault.do)) == (ok, ok, True, True)
