"""An upgrade: a backup, then the steps; nothing is lost whatever ends it."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bridge.matrix.schema import MAIN_SCHEMA, PUPPET_SCHEMA
from bridge.storage.database import Transaction
from bridge.storage.migrations import peek_version
from bridge.storage.sqlite_connection import snapshot
from deploy.backup import backup as backup_file
from deploy.data_dir.layout import Layout
from tests.deploy.line_directory import line_directory
from tests.deploy.verb import invoke
from tests.fakes.full_disk import cut_off_commits_at

PASSPHRASE = b"six random words are very good"


async def step(transaction: Transaction) -> None:
    """Take the one step that the program under test has after version 1."""
    await transaction.execute("ALTER TABLE seen ADD COLUMN later BIGINT")


@pytest.fixture
async def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Have a stopped line whose main database stands one step before this program's."""
    newer = replace(MAIN_SCHEMA, steps=(step,))
    monkeypatch.setattr("deploy.backup.rotation.FILES", (("main.db", newer), ("voice.db", PUPPET_SCHEMA)))
    async with line_directory(tmp_path) as line:
        await line.desk()
        line_layout = line.layout
    configuration = yaml.safe_load(line_layout.config.read_text())
    (tmp_path / "kept").mkdir()
    (tmp_path / "phrase").write_bytes(PASSPHRASE)
    (tmp_path / "phrase").chmod(0o600)
    configuration["backup"] = {"to": str(tmp_path / "kept"), "passphrase_file": str(tmp_path / "phrase")}
    line_layout.config.write_text(yaml.safe_dump(configuration))
    return line_layout


def version(layout: Layout) -> int:
    with snapshot(layout.bridge / "main.db") as database:
        return peek_version(database)


async def test_a_backup_is_made_before_the_steps(layout: Layout, tmp_path: Path) -> None:
    """The backup is of the older version and opens; the database is then of this one."""
    done = await invoke(["upgrade", "--data", str(layout.data)])
    assert done.exit_code == 0, done.output
    assert version(layout) == 2
    (file,) = (tmp_path / "kept").glob("*.backup")
    assert backup_file.read_backup(file, PASSPHRASE).schema == 1


async def test_nothing_is_begun_without_its_backup(layout: Layout, tmp_path: Path) -> None:
    """A directory that is not there, or none: the reason, and the database as it was, unless a person declines it."""
    (tmp_path / "kept").rmdir()
    words = ["upgrade", "--data", str(layout.data)]
    refused = await invoke(words)
    assert (refused.exit_code, version(layout)) == (2, 1)
    assert "no such directory; is its disk mounted" in refused.stderr
    configuration = yaml.safe_load(layout.config.read_text())
    del configuration["backup"]
    layout.config.write_text(yaml.safe_dump(configuration))
    refused = await invoke(words)
    assert (refused.exit_code, version(layout)) == (2, 1)
    assert "--without-backup" in refused.stderr
    assert ((await invoke([*words, "--without-backup"])).exit_code, version(layout)) == (0, 2)


async def test_what_ends_it_loses_nothing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a running line, a newer database: each is said, and the database is as it was."""
    words = ["upgrade", "--without-backup", "--data", str(layout.data)]
    with monkeypatch.context() as patch:
        cut_off_commits_at(0, patch)
        full = await invoke(words)
    assert (full.exit_code, version(layout)) == (2, 1)
    assert "disk is full" in full.stderr
    with (layout.bridge / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runs = await invoke(words)
    assert (runs.exit_code, version(layout)) == (2, 1)
    assert (await invoke(words)).exit_code == 0
    monkeypatch.setattr("deploy.backup.rotation.FILES", (("main.db", MAIN_SCHEMA),))
    newer = await invoke(words)
    assert (newer.exit_code, version(layout)) == (2, 2)
    assert "a newer version wrote it" in newer.stderr
