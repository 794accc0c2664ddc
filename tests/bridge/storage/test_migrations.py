"""Every version that was ever stored is brought to today's, whatever ends it on the way."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.storage.errors import Unavailable, UnsupportedSchema
from bridge.storage.sqlite_connection import MEMORY, SqliteConnection
from bridge.storage.sqlite_database import SqliteDatabase
from tests.bridge.storage.stored_versions import (
    SETS,
    STORED,
    VERSIONS,
    by_todays_names,
    contents,
    dump,
    load,
    migrate,
    shape,
    stored_file,
)

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.sqlite_only  # PostgreSQL's: test_migrations_postgres.py


@pytest.mark.parametrize(("name", "number"), VERSIONS)
async def test_a_released_step_is_not_edited(name: str, number: int) -> None:
    """What the steps make is what is kept of that version; a new step brings a new file (`stored_versions`)."""
    assert stored_file(name, number).is_file(), "python -m tests.bridge.storage.stored_versions"
    assert stored_file(name, number).read_text() == await dump(name, number)


def test_no_version_is_forgotten() -> None:
    """A version that was stored once stays one that is tried."""
    assert {path.name for path in STORED.iterdir()} == {stored_file(name, number).name for name, number in VERSIONS}


@pytest.mark.parametrize(("name", "number"), VERSIONS)
async def test_every_stored_version_is_brought_to_todays(name: str, number: int) -> None:
    """The tables are then those of a new database, and every value of before is where it was."""
    with contextlib.closing(SqliteConnection(MEMORY)) as old, contextlib.closing(SqliteConnection(MEMORY)) as new:
        load(old, name, number)
        before = by_todays_names(contents(old))
        assert SETS[name].peek_version(old) == number
        await migrate(old, SETS[name])
        await migrate(new, SETS[name])
        assert shape(old) == shape(new)
        assert SETS[name].peek_version(old) == SETS[name].latest
        after = contents(old)
        assert before.keys() - after.keys() == set()
        for table, rows in before.items():
            assert [{key: row[key] for key in rows[0]} for row in after[table]] == rows


@pytest.mark.parametrize(("name", "number"), VERSIONS)
async def test_a_full_disk_at_any_step_loses_nothing(name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whichever commit it is full: the step before it stands, the rows too, and the next try comes to the end."""
    has_ended = False
    for full_at in range(20):
        with contextlib.closing(SqliteConnection(MEMORY)) as connection:
            load(connection, name, number)
            before, commits_left = by_todays_names(contents(connection)), [full_at]
            execute = SqliteConnection.execute

            def commit(
                self: SqliteConnection,
                statement: str,
                /,
                *values: Any,
                commits_left: list[int] = commits_left,
                execute: Any = execute,
            ) -> None:
                if statement == "COMMIT":
                    commits_left[0] -= 1
                    if commits_left[0] < 0:
                        raise Unavailable("SQLITE_FULL")
                execute(self, statement, *values)

            with monkeypatch.context() as changed:
                changed.setattr(SqliteConnection, "execute", commit)
                try:
                    await migrate(connection, SETS[name])
                except Unavailable:
                    has_ended = False
                else:
                    has_ended = True
            assert number <= SETS[name].peek_version(connection) <= SETS[name].latest
            await migrate(connection, SETS[name])
            assert contents(connection).keys() >= before.keys()
        if has_ended:
            break
    assert has_ended, "the last try must have had room enough"


async def test_a_newer_version_is_not_touched() -> None:
    """A database of a newer program is refused and stays as it is."""
    for name, migrations in SETS.items():
        with contextlib.closing(SqliteConnection(MEMORY)) as connection:
            load(connection, name, migrations.latest)
            connection.execute(f"UPDATE {name} SET version = {migrations.latest + 1}")  # noqa: S608 - a name of ours
            before = shape(connection), contents(connection)
            with pytest.raises(UnsupportedSchema):
                await migrate(connection, migrations)
            assert (shape(connection), contents(connection)) == before


async def test_nothing_is_changed_when_one_set_is_refused(tmp_path: Path) -> None:
    """A file with one older and one newer set of tables stays as it is: no program could go on with half of it."""
    file = tmp_path / "main.db"
    with contextlib.closing(SqliteConnection(file)) as connection:
        for name, number in (("quietline_version", 8), ("matrix_version", SETS["matrix_version"].latest)):
            load(connection, name, number)
        connection.execute("UPDATE matrix_version SET version = version + 1")
        before = shape(connection), contents(connection)
        database = SqliteDatabase(file, migrations=[SETS["quietline_version"], SETS["matrix_version"]])
        with pytest.raises(UnsupportedSchema):
            await database.open()
        await database.close()
        assert (shape(connection), contents(connection)) == before
        assert SETS["quietline_version"].peek_version(connection) == 8


async def test_a_first_start_makes_all_tables_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off before any statement: no set of tables looks like an older version's, and the next start makes them."""
    for migrations in SETS.values():
        has_ended, at = False, 0
        while not has_ended:
            at += 1
            with contextlib.closing(SqliteConnection(MEMORY)) as connection:
                with monkeypatch.context() as patch:
                    fail_before(at, patch)
                    try:
                        await migrate(connection, migrations)
                    except Unavailable:
                        has_ended = False
                    else:
                        has_ended = True
                assert migrations.peek_version(connection) in {0, migrations.latest}
                await migrate(connection, migrations)
                assert migrations.peek_version(connection) == migrations.latest
        assert at > len(migrations.steps)


def fail_before(at: int, patch: pytest.MonkeyPatch) -> None:
    """Have the n-th statement fail, and all behind it but those that take back."""
    execute, count = SqliteConnection.execute, [0]

    def counted(self: SqliteConnection, statement: str, /, *values: Any) -> None:
        count[0] += 1
        if count[0] >= at and statement != "ROLLBACK":
            raise Unavailable("SQLITE_IOERR")
        execute(self, statement, *values)

    patch.setattr(SqliteConnection, "execute", counted)


@pytest.mark.timeout(1800)  # a thousand processes, one after another, which a busy machine takes its time for
@pytest.mark.crash
def test_a_migration_killed_at_any_statement_goes_on(tmp_path: Path) -> None:
    """Every stored version, killed before every statement: nothing is lost, and the next start comes to the end."""
    command = (sys.executable, "-P", "-m", "tests.bridge.storage.migration_kills", str(tmp_path))
    result = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["kills"] > 3 * len(VERSIONS)
