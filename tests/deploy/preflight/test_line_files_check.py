"""Files that do not belong together: `quietline check` says what a start would say, and changes none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.app import line_files
from bridge.config.load import load
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.storage.key_file import KeyFile
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.sqlite_database import SqliteDatabase
from deploy.data_dir.layout import Layout
from deploy.inspect.check_report import CheckResult
from deploy.preflight import preflight
from tests.deploy.preflight.test_preflight import no_outside, rehearsal

pytestmark = pytest.mark.usefixtures(no_outside.__name__)
WRAPPED = bytes(60) + b"k"


@dataclass
class Line:
    """A line on SQLite that ran and ended."""

    layout: Layout

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
        return {name: row for name, row in rows.items() if name in {"database", "keys"} and (not row.ok or not row.asked)}

    def execute(self, statement: str) -> None:
        connection = SqliteConnection(self.main)
        connection.execute(statement)
        connection.close()


@pytest.fixture
async def line(tmp_path: Path) -> Line:
    layout = rehearsal(tmp_path)
    layout.bridge.mkdir(mode=0o700, exist_ok=True)
    config = load(layout.config)
    stopped_line = Line(layout)
    database = SqliteDatabase(stopped_line.main, schema=MAIN_SCHEMA)
    keys = KeyFile(path=stopped_line.keys)
    await database.open()
    await keys.open()
    await line_files.check_keys(database, config.keys.files)
    await line_files.check_names(database, config)
    await keys.insert("desk", WRAPPED)
    await database.commit(
        lambda transaction: transaction.execute("INSERT INTO desk (id, aggregate) VALUES ('desk', x'00')")
    )
    await keys.close()
    await database.close()
    return stopped_line


async def test_what_belongs_together_is_well(line: Line) -> None:
    """No row is a fault."""
    assert await line.wrong() == {}


def _other_key(line: Line) -> None:
    (line.layout.secrets / "suppression.key").write_text(bytes(range(7, 39)).hex())


def _other_server(line: Line) -> None:
    line.execute("UPDATE line SET value = 'elsewhere.example' WHERE name = 'server_name'")


def _in_service(line: Line) -> None:
    line.execute("UPDATE line SET value = 'false' WHERE name = 'rehearsal'")


def _other_slug(line: Line) -> None:
    line.execute("UPDATE line SET value = 'elsewhere' WHERE name = 'slug'")


def _newer(line: Line) -> None:
    line.execute("UPDATE quietline_version SET version = version + 1")


@pytest.mark.parametrize(
    ("harm", "name", "says"),
    [
        (lambda line: line.keys.unlink(), "database", "keys.db: missing"),
        (lambda line: line.main.unlink(), "database", "main.db: missing"),
        (_other_key, "keys", "suppression"),
        (_other_server, "database", "was made on elsewhere.example"),
        (_in_service, "database", "begun with `rehearsal: false`"),
        (_other_slug, "database", "was made as elsewhere"),
        (_newer, "database", "newer version"),
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
