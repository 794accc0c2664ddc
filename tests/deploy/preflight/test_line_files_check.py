"""Files that do not belong together: `quietline check` says what a start would say, and changes none of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bridge.app import key_changes, line_files
from bridge.config.load import load
from bridge.config.sections import Config
from bridge.lease.key_file_age import peek_age
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.storage.database import Transaction
from bridge.storage.key_file import KeyFile
from bridge.storage.sqlite_connection import SqliteConnection, snapshot
from bridge.storage.sqlite_database import SqliteDatabase
from deploy.data_dir.layout import Layout
from deploy.inspect.check_report import CheckResult
from deploy.preflight import preflight
from deploy.preflight.line_files_check import check_contents
from tests.deploy.preflight.test_preflight import no_outside, rehearsal

pytestmark = pytest.mark.usefixtures(no_outside.__name__)
WRAPPED = bytes(60) + b"k"


@dataclass
class Line:
    """A line on SQLite that ran and ended. `earlier`: its `keys.db` of before the last conversation."""

    layout: Layout
    earlier: Path

    @property
    def keys(self) -> Path:
        return self.layout.bridge / "keys.db"

    @property
    def main(self) -> Path:
        return self.layout.bridge / "main.db"

    async def wrong(self) -> dict[str, CheckResult]:
        """Ask, and return the rows of these files that are not well; no file is another than before."""

        def read() -> dict[str, bytes]:
            # Those of SQLite's own come and go with whoever reads.
            files = (path for path in self.layout.bridge.iterdir() if not path.name.endswith(("-wal", "-shm")))
            return {path.name: path.read_bytes() for path in files}

        before = read()
        report, _ = await preflight.run_checks(self.layout)
        assert read() == before
        rows = {row.name: row for row in report.checks}
        names = {"files", "database", "database version", "keys", "server name", "slug", "rehearsal", "key file"}
        return {name: row for name, row in rows.items() if name in names and (not row.ok or not row.asked)}

    def execute(self, statement: str) -> None:
        connection = SqliteConnection(self.main)
        connection.execute(statement)
        connection.close()


@pytest.fixture
async def line(tmp_path: Path) -> Line:
    layout = rehearsal(tmp_path)
    layout.bridge.mkdir(mode=0o700, exist_ok=True)
    config = load(layout.config)
    stopped_line = Line(layout, tmp_path / "earlier.db")
    database = SqliteDatabase(stopped_line.main, schema=MAIN_SCHEMA)
    keys = KeyFile(path=stopped_line.keys)
    await database.open()
    await keys.open()
    await key_changes.check_change_count(database, keys, stopped_line.keys, take_over=False)
    await keys.insert("desk", WRAPPED)
    await line_files.check_keys(database, config.keys.files)
    await line_files.check_names(database, config)
    shutil.copy(stopped_line.keys, stopped_line.earlier)
    await keys.insert("a thread", WRAPPED)
    await database.commit(
        lambda transaction: transaction.execute("INSERT INTO desk (id, aggregate) VALUES ('desk', x'00')")
    )
    await keys.close()
    await database.close()
    return stopped_line


async def test_what_belongs_together_is_well(line: Line) -> None:
    """Each row is there and says so; a file that is ahead of what is noted is no copy."""
    assert await line.wrong() == {}
    report, _ = await preflight.run_checks(line.layout)
    assert {"keys", "key file"} <= {row.name for row in report.checks}
    keys = KeyFile(path=line.keys)
    await keys.open()
    await keys.insert("another thread", WRAPPED)
    await keys.close()
    assert await line.wrong() == {}


def _older(line: Line) -> None:
    shutil.copy(line.earlier, line.keys)


def _damaged(line: Line) -> None:
    line.keys.write_bytes(b"no database at all" * 500)


def _other_key(line: Line) -> None:
    (line.layout.secrets / "suppression.key").write_text(bytes(range(7, 39)).hex())


def _other_server(line: Line) -> None:
    line.execute("UPDATE line SET value = 'elsewhere.example' WHERE name = 'server_name'")


def _in_service(line: Line) -> None:
    line.execute("UPDATE line SET value = 'false' WHERE name = 'rehearsal'")


def _other_slug(line: Line) -> None:
    line.execute("UPDATE line SET value = 'elsewhere' WHERE name = 'slug'")


def _damaged_note(line: Line) -> None:
    line.execute("UPDATE line SET value = 'x' WHERE name = 'key_changes'")


def _newer(line: Line) -> None:
    line.execute("UPDATE quietline_version SET version = version + 1")


@pytest.mark.parametrize(
    ("harm", "name", "says"),
    [
        (_older, "key file", "older than the database"),
        (_damaged, "key file", "is damaged"),
        (_damaged_note, "key file", "is damaged there"),
        (lambda line: line.keys.unlink(), "files", "keys.db: missing"),
        (lambda line: line.main.unlink(), "files", "main.db: missing"),
        (_other_key, "keys", "suppression"),
        (_other_server, "server name", "was made on elsewhere.example"),
        (_in_service, "rehearsal", "begun with `rehearsal: false`"),
        (_other_slug, "slug", "was made as elsewhere"),
        (_newer, "database version", "newer version"),
    ],
)
async def test_what_would_end_the_start_is_said_before(
    line: Line, harm: Callable[[Line], None], name: str, says: str
) -> None:
    """One row, with what to do."""
    harm(line)
    rows = await line.wrong()
    assert rows.keys() == {name}
    assert (rows[name].ok, says in rows[name].what, bool(rows[name].do)) == (False, True, True)


async def _no_step(_transaction: Transaction) -> None:
    """Change nothing."""


async def test_a_real_line_that_must_be_upgraded_first_is_said_before(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not start until then; a rehearsal upgrades itself, and a first start that was broken off goes on."""
    config = load(line.layout.config)
    real = config.model_copy(update={"lines": [config.line.model_copy(update={"rehearsal": False})]})
    newer = replace(MAIN_SCHEMA, steps=(_no_step,))
    monkeypatch.setattr("deploy.preflight.line_files_check.MAIN_SCHEMA", newer)

    def rows(of: Config) -> list[CheckResult]:
        with snapshot(line.main) as db:
            return [row for row in check_contents(db, of, running=False) if row.name == "database version"]

    [row] = rows(real)
    assert (row.ok, "older version" in row.what, "quietline upgrade" in row.do) == (False, True, True)
    assert rows(config) == []
    line.execute("DELETE FROM desk")
    assert rows(real) == []


async def test_what_cannot_be_read_now_is_not_held_against_the_line(line: Line) -> None:
    """Another process writes there: it is asked again, and nobody waits for it."""
    other = SqliteConnection(line.keys)
    other.execute("BEGIN EXCLUSIVE")
    rows = await line.wrong()
    other.execute("ROLLBACK")
    other.close()
    assert rows.keys() == {"key file"}
    assert (rows["key file"].ok, rows["key file"].asked) == (True, False)


async def test_what_a_crash_left_is_left_to_the_start(line: Line) -> None:
    """A change of `keys.db` that was broken off: its journal stays as it is."""
    keys = KeyFile(path=line.keys)
    await keys.open()
    await asyncio.gather(*(keys.insert(f"thread {n}", WRAPPED) for n in range(100)))
    await keys.close()
    files = (line.keys, line.keys.with_name("keys.db-journal"))
    other = SqliteConnection(line.keys)
    other.execute("PRAGMA journal_mode = PERSIST")
    other.execute("PRAGMA cache_size = 1")  # so that the file is written to before the end
    other.execute("BEGIN")
    other.execute("UPDATE slot SET wrapped = zeroblob(61)")
    half = [file.read_bytes() for file in files]
    other.execute("ROLLBACK")
    other.close()
    for file, data in zip(files, half, strict=True):
        file.write_bytes(data)
    rows = await line.wrong()
    assert rows.keys() == {"key file"}
    assert "SQLITE_READONLY_ROLLBACK" in rows["key file"].what
    assert peek_age(line.keys).changes > 100, "the start plays it back"
