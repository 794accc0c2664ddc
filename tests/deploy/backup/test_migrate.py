"""`quietline migrate`: a stopped line goes to PostgreSQL and back, row by row, broken off anywhere without loss."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from bridge.config.load import load
from bridge.config.sections import Config
from bridge.matrix.schema import PUPPET_SCHEMA
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.storage.postgres_database import database_of
from bridge.storage.postgres_transaction import LEASE_SCHEMA
from bridge.storage.sqlite_connection import snapshot
from deploy.backup.migrate import DATABASES, migrate
from deploy.data_dir.line_lock import LineRuns
from deploy.data_dir.postgres_snapshot import snapshot as server_snapshot
from tests.deploy.line_directory import LineDirectory, line_directory
from tests.deploy.verb import invoke
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import PostgresServer

Engine = Literal["postgresql", "sqlite"]


class Broken(Exception):  # noqa: N818 - what happens to the command
    """The command is killed here."""


@pytest.fixture
async def line(tmp_path: Path, postgres_server: PostgresServer) -> AsyncIterator[LineDirectory]:
    """Make a line with conversations, a STOP and Matrix rows, stopped, and an empty PostgreSQL database for it."""
    async with line_directory(tmp_path) as there:
        await there.harness.run()
        for n in range(3):
            await there.harness.receive_text(f"words {n}", message_id=f"m{n}", sender=f"+1206555{n:04}")
        await there.harness.receive_text("STOP", message_id="stop")
        await there.harness.wait_until_drained()
        await there.execute("INSERT INTO matrix_room VALUES ('!r:x', 'thread', 'o', 'k') ON CONFLICT DO NOTHING")
        member = "INSERT INTO matrix_member (room_id, user_id, membership) VALUES ('!r:x', '@ada:x', 'join')"
        await there.execute(f"{member} ON CONFLICT DO NOTHING")
        await there.harness.close()
        puppet = database_of(there.layout.bridge / "voice.db", None, schema=PUPPET_SCHEMA)
        await puppet.open()
        query = "INSERT INTO matrix_identity (user_id, device_id, ready, cursor) VALUES ('@line:x', 'D', TRUE, 's1')"
        await puppet.commit(lambda transaction: transaction.execute(query))
        await puppet.close()
        url_file = tmp_path / "database_url"
        url_file.touch(mode=0o600)
        url_file.write_text(await make_line_database(f"line_{secrets.token_hex(6)}", postgres_server.url("postgres")))
        with there.layout.config.open("a", encoding="utf-8") as config:
            config.write(f"\ndatabase: {{url_file: {url_file}}}\n")
        yield there


def config_of(line: LineDirectory) -> Config:
    return load(line.layout.config)


def content(config: Config, engine: Engine) -> dict[str, list[str]]:
    """Return every row of both databases but the numbers of their schemas."""
    tables, server = dict[str, list[str]](), str(config.database_url)
    for name in DATABASES:
        path, place = config.data_dir / name, PostgresPlace(server, name.removesuffix(".db"))
        with snapshot(path) if engine == "sqlite" else server_snapshot(place) as database:
            tables |= {
                f"{name} {table}": sorted(
                    repr([int(v) if isinstance(v, bool) else v for v in dict(row).values()]) for row in rows
                )
                for table in database.tables()
                if (rows := database.fetch(f"SELECT * FROM {table}"))  # noqa: S608 - names of tables
            }
    return tables


def schemas(config: Config) -> set[str]:
    """Return which schemas of this line the server has, that of its lease too."""
    ours = ("main", "voice", LEASE_SCHEMA.format("main"))
    with server_snapshot(PostgresPlace(str(config.database_url), "main")) as database:
        rows = database.fetch("SELECT nspname FROM pg_namespace")
    return {str(row["nspname"]) for row in rows}.intersection(ours)


def files(config: Config) -> set[str]:
    return {path.name for path in config.data_dir.iterdir() if path.suffix == ".db"}


async def test_there_and_back(line: LineDirectory) -> None:
    """All rows are the same there, and the same back; of the databases only `keys.db` stays a file meanwhile."""
    config = config_of(line)
    before = content(config, "sqlite")
    assert len(before["main.db thread"]) >= 3
    rows = await migrate(config, "postgresql")
    assert content(config, "postgresql") == before
    assert rows >= sum(map(len, before.values()))
    assert files(config) == {"keys.db"}
    connection = await connect(PostgresPlace(str(config.database_url), "main"))
    await connection.run(f"CREATE SCHEMA {LEASE_SCHEMA.format('main')}")  # as a bridge makes it that leads there
    await connection.close()
    assert await migrate(config, "sqlite") == rows
    assert content(config, "sqlite") == before
    assert files(config) == {"keys.db", "main.db", "voice.db"}
    assert schemas(config) == set()
    assert await migrate(config, "sqlite") == rows, "a second call says that the line is there"
    assert content(config, "sqlite") == before
    assert schemas(config) == set(), "and leaves nothing on the server"
    again = BridgeHarness(line.layout.bridge)
    await again.open()
    await again.close()


@pytest.mark.parametrize(
    ("to", "steps"),
    [
        ("postgresql", ["written main.db", "written voice.db", "removed voice.db", "removed main.db"]),
        ("sqlite", ["written main.db", "written voice.db", "moved voice.db", "moved main.db", "dropped"]),
    ],
)
async def test_broken_off_at_any_step_it_is_taken_up(line: LineDirectory, to: Engine, steps: list[str]) -> None:
    """After each step that is durable the command is killed: one of the two is whole, and the next call goes on.

    `main.db` goes and comes last: a bridge that finds it has all that it needs, or does not start.
    """
    config = config_of(line)
    before = content(config, "sqlite")
    if to == "sqlite":
        await migrate(config, "postgresql")
        (config.data_dir / "main.db.moving").write_bytes(b"half of a file" * 100)
    done: list[str] = []

    def kill(step: str) -> None:
        if step not in done:
            done.append(step)
            raise Broken

    while True:
        try:
            await migrate(config, to, after=kill)
        except Broken:
            other: Engine = "sqlite" if to == "postgresql" else "postgresql"
            assert content(config, to if done[-1].startswith(("removed", "dropped")) else other) == before
            if done[-1] == steps[-1]:
                break
    assert content(config, to) == before
    assert done == steps
    assert schemas(config) == ({"main", "voice"} if to == "postgresql" else set())


def count_rows(config: Config) -> int:
    """Return how many rows the files have, the numbers of their tables' versions among them."""
    return sum(map(len, content(config, "sqlite").values()))


async def test_what_holds_something_else_is_not_written_to(line: LineDirectory) -> None:
    """A database with rows of its own, a running line, and nothing to move: each is said, and both sides stay."""
    config = config_of(line)
    before = content(config, "sqlite")
    with (config.data_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LineRuns):
            await migrate(config, "postgresql")

    def kill(step: str) -> None:
        if step == "written voice.db":
            raise Broken

    with pytest.raises(Broken):
        await migrate(config, "postgresql", after=kill)
    other = database_of(config.data_dir / "voice.db", config.database_url)
    await other.open()
    query = "INSERT INTO matrix_identity (user_id, device_id, ready, cursor) VALUES ('@x:x', 'D', TRUE, '')"
    await other.commit(lambda transaction: transaction.execute(query))
    await other.close()
    result = await invoke(["migrate", "--to", "postgresql", "--config", str(line.layout.config)])
    assert result.exit_code == 1
    assert "differ in matrix_identity" in result.stderr
    assert content(config, "sqlite") == before
