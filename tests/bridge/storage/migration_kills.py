"""Kills a migration at every statement, and goes on from what is left.

`python -m tests.bridge.storage.migration_kills DIRECTORY`. A process of its own, because it forks. Prints how many kills
there were, as JSON; ends with 1 and a sentence when something was lost.

A process that is killed leaves the bytes of its files. So one migration copies them before each statement, in place of a
process for each; one process of each version is killed indeed, at the statement in the middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.storage import key_file
from bridge.storage.key_file import WRAPPED_BYTES
from bridge.storage.sqlite_connection import MEMORY, SqliteConnection, find_damage
from tests.bridge.storage.stored_versions import SETS, VERSIONS, Contents, by_todays_names, contents, load, migrate, shape

if TYPE_CHECKING:
    from bridge.storage.database import Value
    from bridge.storage.migrations import Migrations


class Mortal(SqliteConnection):
    """A connection whose process is killed before its n-th statement is run."""

    statements_left = 0

    def execute(self, statement: str, /, *values: Value) -> None:
        """Run it, or be killed."""
        self.statements_left -= 1
        if self.statements_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        super().execute(statement, *values)


class Copied(SqliteConnection):
    """A connection that copies its files before each statement into a directory of its own in `directory`."""

    directory: Path | None = None
    file: Path
    statements = 0

    def execute(self, statement: str, /, *values: Value) -> None:
        """Copy the files, and run it."""
        if self.directory is not None:
            self.statements += 1
            copy = self.directory / str(self.statements)
            copy.mkdir(parents=True)
            for each in self.file.parent.glob(f"{self.file.name}*"):
                shutil.copyfile(each, copy / each.name)
        super().execute(statement, *values)


def copy_at_statements(file: Path, migrations: Migrations, directory: Path) -> list[Path]:
    """Migrate, and return the copies of the file that were made before each statement."""
    with contextlib.closing(Copied(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.directory, connection.file = directory, file
        asyncio.run(migrate(connection, migrations))
        return [directory / str(number) / file.name for number in range(1, connection.statements + 1)]


def was_killed(file: Path, migrations: Migrations, at: int) -> bool:
    """Migrate in a child that is killed at a statement; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        connection = Mortal(file)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.statements_left = at
        asyncio.run(migrate(connection, migrations))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status)


def check(file: Path, name: str, number: int, expected: object, before: Contents) -> str:
    """Look at what a killed migration left, and bring it to the end; return what is wrong."""
    migrations = SETS[name]
    with contextlib.closing(SqliteConnection(file)) as connection:
        stands = migrations.peek_version(connection)
        if not number <= stands <= migrations.latest:
            return f"{name} {number}: stands at {stands}"
        asyncio.run(migrate(connection, migrations))
        after = contents(connection)
        remaining = {
            table: [{key: row.get(key) for key in old} for old, row in zip(rows, after[table], strict=True)]
            for table, rows in before.items()
            if table in after
        }
        if shape(connection) != expected:
            return f"{name} {number}: another shape than a new database's"
        if any(remaining[table] != rows for table, rows in before.items() if table in remaining):
            return f"{name} {number}: rows are not what they were"
    return find_damage(file)


def make_old_keys(path: Path) -> dict[str, bytes]:
    """Write `keys.db` as version 1 had it; return what is in it."""
    keys = {f"t{n}": bytes([n]) * WRAPPED_BYTES for n in range(1, 4)}
    with contextlib.closing(SqliteConnection(path)) as connection:
        connection.execute("CREATE TABLE keys (owner TEXT PRIMARY KEY NOT NULL, wrapped BLOB NOT NULL) WITHOUT ROWID")
        for owner, wrapped in keys.items():
            connection.execute("INSERT INTO keys VALUES ($1, $2)", owner, wrapped)
        connection.execute("PRAGMA user_version = 1")
    return keys


async def read_keys(path: Path, owners: list[str]) -> dict[str, bytes | None]:
    """Open a `keys.db`, which brings it to today's, and return the keys of these owners."""
    keys = key_file.KeyFile(path=path)
    await keys.open()
    keys_by_owner = {owner: await keys.read(owner) for owner in owners}
    await keys.close()
    return keys_by_owner


def kill_keys(directory: Path) -> int:
    """Kill the opening of an old `keys.db` at every statement; return how often. Ends with 1 when a key was lost."""
    at, file = 1, directory / "keys.db"
    while True:
        for leftover in directory.glob("keys.db*"):
            leftover.unlink()
        before = make_old_keys(file)
        child = os.fork()
        if child == 0:
            Mortal.statements_left = at
            vars(key_file)["SqliteConnection"] = Mortal  # what it opens its file with
            asyncio.run(read_keys(file, []))
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        after = asyncio.run(read_keys(file, [*before]))
        with contextlib.closing(SqliteConnection(file)) as connection:
            rows = connection.fetchval("SELECT COUNT(*) FROM slot")
        if after != before or rows != len(before):
            sys.exit(f"keys.db: a key was lost or stands twice, killed at statement {at}")
        if not killed:
            return at - 1
        at += 1


def main(directory: Path) -> None:
    """Kill every version of every set at every statement."""
    gc.freeze()  # what was imported is there to the end, and is no child's to look through and so to copy
    kills = kill_keys(directory)
    if kills < len(key_file.PRAGMAS) + 8:
        sys.exit(f"keys.db: killed at {kills} statements alone")
    for name, number in VERSIONS:
        with contextlib.closing(SqliteConnection(MEMORY)) as fresh:
            load(fresh, name, SETS[name].latest)
            expected = shape(fresh)
        source = directory / f"{name}-{number}.db"
        with contextlib.closing(SqliteConnection(source)) as connection:
            load(connection, name, number)
            before = by_todays_names(contents(connection))
        copied, killed = directory / "copied.db", directory / "killed.db"
        shutil.copyfile(source, copied)
        shutil.copyfile(source, killed)
        tried = copy_at_statements(copied, SETS[name], directory / "copies")
        if not was_killed(killed, SETS[name], len(tried) // 2 + 1):
            sys.exit(f"{name} {number}: came to its end before it was killed")
        for at, file in enumerate((*tried, killed), 1):
            if wrong := check(file, name, number, expected, before):
                sys.exit(f"{wrong}, killed at statement {at}")
        kills += len(tried) + 1
        shutil.rmtree(directory / "copies")
        for leftover in (*directory.glob("copied.db*"), *directory.glob("killed.db*")):
            leftover.unlink()
    print(json.dumps({"kills": kills}))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(Path(sys.argv[1]))
