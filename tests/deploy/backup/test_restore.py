"""`quietline restore` of a line whose databases are on PostgreSQL: its rows go there, and into no other line's place."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from click.testing import Result

from bridge.app.bridge import Bridge
from bridge.config.load import load
from bridge.runtime.crash_points import never_crash
from bridge.storage.postgres_connection import PostgresPlace
from deploy.backup.migrate import migrate
from deploy.data_dir.layout import Layout
from deploy.data_dir.postgres_snapshot import snapshot
from policies.load import load as load_pack
from tests.deploy.line_directory import LineDirectory, line_directory
from tests.deploy.verb import invoke
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import SUPERUSER, PostgresServer

NAMES = ("passphrase", "line.backup", "database_url")


class PostgresLine:
    """A stopped line on a PostgreSQL database of its own, and a backup of it in `directory`."""

    def __init__(self, directory: Path, line: LineDirectory, server: PostgresServer) -> None:
        self.directory, self.line, self.server = directory, line, server
        self.phrase, self.backup, self.url_file = (directory / name for name in NAMES)
        self.url = ""

    async def make_database(self) -> str:
        """Make an empty database and return its URL."""
        return await make_line_database(f"line_{secrets.token_hex(6)}", self.server.url("postgres"))

    async def make(self) -> None:
        """Have a text and a STOP, move to PostgreSQL, make a backup."""
        await self.line.harness.run()
        await self.line.harness.receive_text("words", message_id="m1", sender="+12065550101")
        await self.line.harness.receive_text("STOP", message_id="m2", sender="+12065550102")
        await self.line.harness.wait_until_drained()
        await self.line.harness.close()
        for file, text in ((self.phrase, "six random words are very good"), (self.url_file, await self.make_database())):
            file.touch(mode=0o600)
            file.write_text(text)
        self.url = self.url_file.read_text()
        with self.line.layout.config.open("a", encoding="utf-8") as config:
            config.write(f"\ndatabase: {{url_file: {self.url_file}}}\n")
        await migrate(load(self.line.layout.config), "postgresql")
        result = await self.invoke("backup", self.line.layout.data, "--to", str(self.backup))
        assert result.exit_code == 0, result.output

    async def invoke(self, verb: str, data: Path, *words: str) -> Result:
        """Run a verb about a directory."""
        phrase = () if verb == "migrate" else ("--passphrase-file", str(self.phrase))
        return await invoke([verb, "--data", str(data), *phrase, *words])

    async def restore(self, there: Path, *words: str) -> Result:
        """Restore the backup."""
        return await self.invoke("restore", there, *words, str(self.backup))

    def use(self, there: Path, url: str) -> None:
        """Write another URL where the restored line has its own."""
        config = load(Layout(there).config)
        assert config.database is not None
        config.database.url_file.write_text(url)


def content(url: str) -> dict[str, list[str]]:
    """Return every row of a main database."""
    with snapshot(PostgresPlace(url, "main")) as db:
        return {table: sorted(repr(list(row)) for row in db.fetch(f"SELECT * FROM {table}")) for table in db.tables()}  # noqa: S608 - names of tables


def databases(there: Path) -> set[str]:
    return {path.name for path in Layout(there).bridge.rglob("*.db")}


async def start(there: Path) -> None:
    """Open the restored line as the process does, and stop it."""
    config = load(Layout(there).config)
    pack = load_pack(config.line.packs, near=there)
    async with AsyncExitStack() as stack:
        await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack)


@pytest.fixture
async def lost(tmp_path: Path, postgres_server: PostgresServer) -> AsyncIterator[PostgresLine]:
    async with line_directory(tmp_path) as line:
        postgres_line = PostgresLine(tmp_path, line, postgres_server)
        await postgres_line.make()
        yield postgres_line


async def test_the_rows_go_into_the_empty_database_that_is_configured(lost: PostgresLine, tmp_path: Path) -> None:
    """The server was lost and made again: the restored line has its STOP there, no file but what it makes, and starts."""
    there, name = tmp_path / "again", lost.url.rpartition("/")[2]
    lost.server.execute(SUPERUSER, f"DROP DATABASE {name}")
    await make_line_database(name, lost.server.url("postgres"))
    result = await lost.restore(there)
    assert result.exit_code == 0, result.output
    assert "rows are in the PostgreSQL database" in result.output
    assert "own%20words" not in result.output
    assert databases(there) == set()
    rows = content(lost.url)
    assert (len(rows["suppression"]), rows["thread"], rows["desk"]) == (1, [], [])
    await start(there)
    assert len(content(lost.url)["desk"]) == 1
    assert databases(there) == {"keys.db"}


async def test_a_database_of_another_line_is_not_written_to(lost: PostgresLine, tmp_path: Path) -> None:
    """PostgreSQL outlived the line: what it has stays as it is, the rows wait in a file, and `migrate` moves them later."""
    before, there = content(lost.url), tmp_path / "again"
    result = await lost.restore(there)
    assert result.exit_code == 0, result.output
    then = f"quietline migrate --to postgresql --data {there}"
    assert "holds another line" in result.output
    assert then in result.output
    assert databases(there) == {"main.db"}
    refused = await lost.invoke("migrate", there, "--to", "postgresql")
    assert refused.exit_code == 1
    assert "holds another line" in refused.stderr
    assert content(lost.url) == before
    empty = await lost.make_database()
    lost.use(there, empty)
    moved = await lost.invoke("migrate", there, "--to", "postgresql")
    assert moved.exit_code == 0, moved.output
    await start(there)
    assert len(content(empty)["suppression"]) == 1


async def test_a_server_that_cannot_be_had_costs_no_restore(lost: PostgresLine, tmp_path: Path) -> None:
    """The line is restored into a file, and what to do is said, with the reason and without the password."""
    lost.server.execute(SUPERUSER, f"DROP DATABASE {lost.url.rpartition('/')[2]}")
    there = tmp_path / "again"
    result = await lost.restore(there)
    assert result.exit_code == 0, result.output
    assert "no database of that name" in result.output
    assert "own%20words" not in result.output
    assert databases(there) == {"main.db"}
    lost.use(there, "postgresql://quietline:own%20words@127.0.0.1:1/line")
    refused = await lost.invoke("migrate", there, "--to", "postgresql")
    assert (refused.exit_code, "takes nothing just now" in refused.stderr) == (1, True)
    assert databases(there) == {"main.db"}
