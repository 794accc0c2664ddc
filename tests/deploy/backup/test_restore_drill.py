"""A drill proves a backup and touches nothing."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.storage.errors import Unavailable
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.vault import key_check_value
from bridge.tables import line_state
from deploy.backup import backup as backup_file
from deploy.backup import restore_drill as module
from deploy.backup.backup import Backup
from deploy.backup.restore import restore
from deploy.backup.restore_drill import Drill, find_newest, run_drill
from deploy.backup.rotation import backup_into
from deploy.data_dir.layout import Layout
from deploy.data_dir.secret_files import SetupError
from tests.deploy.line_directory import LineDirectory, line_directory
from tests.deploy.verb import invoke

PASSPHRASE = b"six random words are very good"
ROWS = ["opened", "restored", "configuration", "packs", "database", "stops", "time"]


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[LineDirectory]:
    async with line_directory(tmp_path) as there:
        await there.desk()
        await there.execute("INSERT INTO suppression (hash, muted, until) VALUES ($1, 'stopped', 1)", b"\x00\xff" * 16)
        (tmp_path / "kept").mkdir()
        phrase = tmp_path / "phrase"
        phrase.write_bytes(PASSPHRASE)
        phrase.chmod(0o600)
        configuration = yaml.safe_load(there.layout.config.read_text())
        configuration["backup"] = {"to": str(tmp_path / "kept"), "passphrase_file": str(phrase)}
        there.layout.config.write_text(yaml.safe_dump(configuration))
        yield there


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have drills in a directory of the test's own."""
    monkeypatch.setattr(module, "MEMORY_DISK", tmp_path / "trials")
    (tmp_path / "trials").mkdir()
    return tmp_path / "trials"


async def backed_up(line: LineDirectory) -> Path:
    return (await backup_into(line.layout, line.layout.data.parent / "kept", PASSPHRASE)).file


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def tree(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*"))


def put_backup(file: Path, backup: Backup) -> Path:
    """Put a backup in the place of another."""
    file.unlink(missing_ok=True)
    backup_file.write_new_file(file, backup_file.encrypt(backup, PASSPHRASE))
    return file


def files_below(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.rglob("*") if path.is_file()}


async def test_a_drill_proves_a_backup_and_touches_nothing(
    line: LineDirectory, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row is well, no socket is made, nothing of the line changes but the time that is noted, nothing is left."""
    file = await backed_up(line)
    before = {name: state for name, state in files_below(line.layout.data).items() if "main.db" not in name}
    noted = await line.harness.database.fetchval("SELECT COUNT(*) FROM line")

    def refused(*_words: object, **_named: object) -> None:
        raise AssertionError("a drill asked for a connection")

    with monkeypatch.context() as closed:
        closed.setattr(socket.socket, "connect", refused)
        closed.setattr(socket, "getaddrinfo", refused)
        report = await run_drill(Drill(find_newest(line.config, PASSPHRASE), PASSPHRASE, line.config))
    assert [row.name for row in report.checks] == ROWS
    assert report.ok, report.as_text()
    rows = {row.name: row.what for row in report.checks}
    assert rows["database"] == "is sound and has every row: 1 of suppression, 0 of tally"
    assert rows["stops"] == "1 entries, under the line's key; the line has 1 now"
    assert {name: state for name, state in files_below(line.layout.data).items() if "main.db" not in name} == before
    assert await line.harness.database.fetchval("SELECT COUNT(*) FROM line") == noted + 1
    assert float(await line_state.get(line.harness.database, line_state.DRILLED) or 0) > 0
    assert names(place) == []
    assert names(file.parent) == [file.name]


def flipped(backup: Backup, file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])


def another_key(backup: Backup, file: Path) -> None:
    files = {name: (b"ab" * 32 if name.endswith("suppression.key") else data) for name, data in backup.files.items()}
    put_backup(file, dataclasses.replace(backup, files=files))


def no_secret(backup: Backup, file: Path) -> None:
    files = {name: data for name, data in backup.files.items() if not name.endswith("suppression.key")}
    put_backup(file, dataclasses.replace(backup, files=files))


def newer(backup: Backup, file: Path) -> None:
    put_backup(file, dataclasses.replace(backup, program="9.9.9", schema=99))


def no_pack(backup: Backup, file: Path) -> None:
    put_backup(file, dataclasses.replace(backup, config=backup.config.replace("- base", "- ./nowhere.yaml")))


def strange_column(backup: Backup, file: Path) -> None:
    put_backup(file, dataclasses.replace(backup, tables={**backup.tables, "tally": [{"strange": 1}]}))


@pytest.mark.parametrize(
    ("harm", "row"),
    [
        (flipped, "opened"),
        (another_key, "stops"),
        (no_secret, "restored"),
        (newer, "restored"),
        (no_pack, "packs"),
        (strange_column, "restored"),
    ],
)
async def test_what_is_wrong_with_a_backup_is_found(line: LineDirectory, place: Path, harm: Any, row: str) -> None:
    """The row of its name is not well and says what to do; nothing is noted, nothing is left."""
    file = await backed_up(line)
    harm(backup_file.read_backup(file, PASSPHRASE), file)
    await line.harness.database.commit(
        lambda transaction: line_state.put(transaction, line_state.KEY_CHECK + "suppression", check_of(line))
    )
    report = await run_drill(Drill(file, PASSPHRASE, line.config))
    wrong = [each for each in report.checks if not each.ok]
    assert [(each.name, bool(each.do)) for each in wrong] == [(row, True)], report.as_text()
    assert await line_state.get(line.harness.database, line_state.DRILLED) is None
    assert names(place) == []


def check_of(line: LineDirectory) -> str:
    return key_check_value(bytes.fromhex(line.config.keys.suppression_key_file.read_text()))


async def test_a_drill_elsewhere_says_what_it_cannot_see(line: LineDirectory) -> None:
    """Without the line nothing is noted, and the key of its STOPs is not judged."""
    report = await run_drill(Drill(await backed_up(line), PASSPHRASE))
    assert report.ok
    assert [row.name for row in report.checks if not row.asked] == ["stops"]
    assert await line_state.get(line.harness.database, line_state.DRILLED) is None


async def test_the_newest_of_the_line(line: LineDirectory, tmp_path: Path) -> None:
    """Another line's is passed over; where there is none, that is said."""
    with pytest.raises(SetupError, match="no backup of this line"):
        find_newest(line.config, PASSPHRASE)
    file = await backed_up(line)
    backup = backup_file.read_backup(file, PASSPHRASE)
    other = backup.config.replace(f"slug: {line.config.line.slug}", "slug: another")
    put_backup(file.with_name("quietline-29991231T000000Z.backup"), dataclasses.replace(backup, config=other))
    assert find_newest(line.config, PASSPHRASE) == file


async def test_the_verb(line: LineDirectory, tmp_path: Path) -> None:
    """0 when all is well, 1 when not, 2 without a file."""
    data = ["--data", str(line.layout.data)]
    assert (await invoke(["drill", *data])).exit_code == 2
    file = await backed_up(line)
    result = await invoke(["drill", *data])
    assert result.exit_code == 0, result.output
    flipped(backup_file.read_backup(file, PASSPHRASE), file)
    assert (await invoke(["drill", *data, str(file)])).exit_code == 1
    assert (await invoke(["drill", str(file)])).exit_code == 2
    assert (await invoke(["drill", *data, str(tmp_path / "nowhere")])).exit_code == 2


async def test_a_disk_that_is_full_at_any_step_of_a_restore_leaves_nothing(
    line: LineDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whichever file or commit it is full: the reason, no directory and no half of one; afterwards it is restored."""
    backup = backup_file.read_backup(await backed_up(line), PASSPHRASE)
    there = Layout(tmp_path / "again")
    before = names(tmp_path)
    refused: list[str] = []
    for full_from in range(200):
        countdown = [full_from]

        def take(countdown: list[int] = countdown) -> bool:
            countdown[0] -= 1
            return countdown[0] < 0

        with monkeypatch.context() as changed:
            full_files(changed, take)
            try:
                await restore(backup, there)
            except SetupError as error:
                refused.append(str(error))
            else:
                break
        assert names(tmp_path) == before
    assert names(tmp_path) == sorted([*before, "again"])
    assert all("full" in said or "No space left" in said for said in refused)
    assert not any("None" in said for said in refused)
    assert len(refused) > len(backup.files)


def full_files(changed: pytest.MonkeyPatch, is_full: Any) -> None:
    """Let a disk be full when it is asked for a sync of a file, or for a commit."""
    sync, execute = os.fsync, SqliteConnection.execute

    def fsync(descriptor: int) -> None:
        if is_full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    def commit(self: SqliteConnection, statement: str, /, *values: Any) -> None:
        if statement == "COMMIT" and is_full():
            raise Unavailable("SQLITE_FULL")
        execute(self, statement, *values)

    changed.setattr(os, "fsync", fsync)
    changed.setattr(SqliteConnection, "execute", commit)
